"""FlowNet-C: the correlation layer against loops, scales, and a start without motion."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

from unfade.losses.flow import endpoint_error, multiscale_error
from unfade.models.flownet import SCALES, FlowNetC, correlation


def test_correlation_equals_loops():
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(rng.normal(size=(2, 3, 7, 6)).astype(np.float32)) for _ in range(2))
    found = correlation(a, b, reach=4, step=2)
    assert found.shape == (2, 25, 7, 6)
    for k, (dy, dx) in enumerate((dy, dx) for dy in range(-4, 5, 2) for dx in range(-4, 5, 2)):
        for y in range(7):
            for x in range(6):
                inside = 0 <= y + dy < 7 and 0 <= x + dx < 6
                expected = (a[:, :, y, x] * b[:, :, y + dy, x + dx]).mean(dim=1) if inside else torch.zeros(2)
                assert torch.allclose(found[:, k, y, x], expected, atol=1e-6)


def test_scales_and_a_start_without_motion():
    flows = FlowNetC(width=0.125, reach=3, step=1)(torch.rand(1, 2, 128, 64))
    assert [f.shape for f in flows] == [(1, 2, 128 // s, 64 // s) for s in (4, 8, 16, 32, 64)]
    assert len(flows) == SCALES
    assert all(float(f.detach().abs().max()) == 0 for f in flows)


def test_published_size():
    network = FlowNetC()
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(39e6, rel=0.05)


def test_gradients_reach_every_part():
    network = FlowNetC(width=0.125, reach=2, step=1)
    for layer in network.flows:
        torch.nn.init.normal_(layer.weight, 0, 0.1)
    sum(f.square().mean() for f in network(torch.rand(1, 2, 64, 64))).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def shifted_pairs(rng, count, side=64, far=8):
    """Textures that never come twice, and their whole-pixel shifts: nothing but a comparison tells the flow."""
    pairs, flows = [], []
    for _ in range(count):
        texture = ndimage.gaussian_filter(rng.normal(size=(side + 2 * far,) * 2), 2.0) * 8
        dy, dx = rng.integers(-far, far + 1, 2)
        parts = (texture[far + y : far + y + side, far + x : far + x + side] for y, x in ((0, 0), (-dy, -dx)))
        pairs.append(list(parts))
        flows.append(np.broadcast_to(np.array([dy, dx])[:, None, None], (2, side, side)))
    return (torch.from_numpy(np.array(v, np.float32)) for v in (pairs, flows))


def test_it_learns_to_compare():
    """Pairs it has not seen, after a few seconds; a network that only knows the first image stays at no motion."""
    torch.manual_seed(0)
    network, rng = FlowNetC(width=0.125, reach=2, step=1), np.random.default_rng(0)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(50):
        pairs, flows = shifted_pairs(rng, 8)
        optimiser.zero_grad()
        multiscale_error(network(pairs), flows).backward()
        optimiser.step()
    pairs, flows = shifted_pairs(np.random.default_rng(99), 16)
    with torch.no_grad():
        found = network(pairs)[0]
    truth = F.adaptive_avg_pool2d(flows, found.shape[-2:])
    assert endpoint_error(found, truth) < 0.75 * endpoint_error(torch.zeros_like(truth), truth)
