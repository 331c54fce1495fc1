"""FlowNet-C: the correlation layer against loops, scales, and a start without motion."""

import numpy as np
import pytest
import torch

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
