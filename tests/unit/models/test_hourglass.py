"""The stacked hourglass: shapes, size, states, and a sequence at once against frame by frame."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unfade.models.hourglass import StackedHourglass


def tiny(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    return StackedHourglass(dimensions=5, width=6, levels=3, **settings).double()  # type: ignore[arg-type]


def test_parameters_of_the_paper() -> None:
    square = 64 * 64 * 9
    level = (square + 64) + (3 * square + 3 * 64) + 3 * square + (square + 64)  # down, gates of input, of state, up
    head = 64 * 16 * 9 + 16
    first = 1 * 64 * 9 - square
    second = 17 * 64 * 9 - square
    expected = 2 * (7 * level + head) + first + second
    assert sum(p.numel() for p in StackedHourglass().parameters()) == expected == 4_088_352


def test_shapes_of_outputs_and_states() -> None:
    network = tiny()
    outputs, state = network(torch.zeros(2, 3, 1, 16, 24, dtype=torch.double))
    assert [out.shape for out in outputs] == [(2, 3, 5, 16, 24)] * 2
    assert [[s.shape for s in levels] for levels in state] == [[(2, 6, 16, 24), (2, 6, 8, 12), (2, 6, 4, 6)]] * 2


def test_frames_at_once_equal_frames_one_by_one() -> None:
    network, image = tiny(), torch.randn(2, 8, 1, 16, 16, dtype=torch.double)
    with torch.no_grad():
        whole, last = network(image)
        state, parts = None, []
        for t in range(8):
            outputs, state = network(image[:, t : t + 1], state)
            parts.append(outputs[-1])
    assert torch.allclose(torch.cat(parts, dim=1), whole[-1], atol=1e-10)
    assert torch.allclose(state[1][2], last[1][2], atol=1e-10)


def test_later_frames_do_not_change_earlier_ones() -> None:
    network, image = tiny(), torch.randn(1, 4, 1, 16, 16, dtype=torch.double)
    changed = image.clone()
    changed[:, 2] += 1
    with torch.no_grad():
        before, after = network(image)[0][-1], network(changed)[0][-1]
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 3], after[:, 3])


def test_still_frames_do_not_see_each_other_and_volumes_see_both_ways() -> None:
    image = torch.randn(1, 3, 1, 16, 16, dtype=torch.double)
    changed = image.clone()
    changed[:, 2] += 1
    seen = {}
    for kind in ("still", "volumetric"):
        network = tiny(parallel=kind)
        with torch.no_grad():
            seen[kind] = torch.equal(network(image)[0][-1][:, 0], network(changed)[0][-1][:, 0])
    assert seen == {"still": True, "volumetric": False}


def test_a_volume_is_a_3x3x3_convolution() -> None:
    layer = tiny(parallel="volumetric").hourglasses[0].down[1]
    kernel = layer.weight.unflatten(1, (3, 6)).transpose(1, 2)  # (out, in, time, y, x)
    frames = torch.randn(2, 4, 6, 8, 8, dtype=torch.double)  # (B, L, C, Y, X)
    expected = nn.functional.conv3d(frames.transpose(1, 2), kernel, layer.bias, padding=1).transpose(1, 2)
    found = layer(frames.transpose(0, 1).flatten(0, 1), 4).unflatten(0, (4, 2)).transpose(0, 1)
    assert torch.allclose(found, expected)


@pytest.mark.parametrize("frugal", [False, True])
def test_gradients_are_the_same_when_computed_again(frugal: bool) -> None:
    network, image = tiny(), torch.randn(1, 3, 1, 8, 8, dtype=torch.double)
    network.frugal = frugal
    network(image)[0][-1].square().sum().backward()
    reference = tiny()
    reference(image)[0][-1].square().sum().backward()
    for mine, other in zip(network.parameters(), reference.parameters(), strict=True):
        assert (mine.grad is None) == (other.grad is None)
        if mine.grad is not None:
            assert torch.allclose(mine.grad, other.grad)


def test_biases_begin_at_zero_and_weights_as_he_says() -> None:
    network = StackedHourglass(width=64, levels=2)
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    assert not any(bool(b.any()) for b in biases)
    assert network.hourglasses[0].up[0].weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
