from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unfade.predict.tiled import predict_tiled


def small_network() -> torch.nn.Module:
    """Field of view of 15 pixels: shrinks fourfold and back."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 2, stride=2),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 4, 3, padding=1),
        torch.nn.Conv2d(4, 8, 2, stride=2),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(8, 4, 2, 2),
        torch.nn.ConvTranspose2d(4, 2, 2, 2),
    ).double()


@pytest.mark.parametrize("shape", [(64, 64), (97, 130), (33, 200), (128, 37)])
def test_tiles_give_exactly_what_one_pass_gives(shape: tuple[int, int]) -> None:
    net = small_network()
    image = torch.rand(1, 1, *shape, dtype=torch.float64)
    with torch.inference_mode():
        whole = predict_tiled(net, image, stride=4, reach_px=16, tile_px=4096)
        tiled = predict_tiled(net, image, stride=4, reach_px=16, tile_px=48)
    assert whole.shape == (1, 2, *shape)
    assert torch.equal(whole, tiled)


def test_too_small_an_overlap_is_seen_by_this_test() -> None:
    net = small_network()
    image = torch.rand(1, 1, 96, 96, dtype=torch.float64)
    with torch.inference_mode():
        whole = predict_tiled(net, image, stride=4, reach_px=0, tile_px=4096)
        tiled = predict_tiled(net, image, stride=4, reach_px=0, tile_px=32)
    assert not torch.equal(whole, tiled)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 2, 8]), st.integers(0, 12), st.integers(8, 64))
def test_every_pixel_is_taken_once_at_its_place(height: int, width: int, stride: int, reach: int, tile: int) -> None:
    image = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    sizes = []

    def apply(part: torch.Tensor) -> torch.Tensor:
        sizes.append(part.shape[-2:])
        assert part.shape[-1] % stride == 0
        assert part.shape[-2] % stride == 0
        return part

    assert torch.equal(predict_tiled(apply, image, stride, reach, tile), image)
    if len(sizes) > 1:
        limit = max(tile // stride * stride, 2 * -(-reach // stride) * stride + stride)
        assert max(max(s) for s in sizes) <= limit
