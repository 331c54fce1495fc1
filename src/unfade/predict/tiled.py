"""The only tiler: a frame of any size through a network, as if it had been one pass.

Tiles start at multiples of the network's stride, so that every pixel meets the same sampling grid as in a single
pass, and each output pixel is taken from the tile in which it lies deepest. With an overlap larger than the network's
field of view the result is that of a single pass, number by number.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from torch import Tensor
from torch.nn import functional as F

Apply = Callable[[Tensor], Tensor]


def predict_tiled(apply: Apply, image: Tensor, stride: int, reach_px: int, tile_px: int = 1024) -> Tensor:
    """Maps `(B, K, Y, X)` of an image `(B, C, Y, X)`; `apply` maps one tile to `(B, K, …)` of the tile's own size.

    The image is mirrored up to the next multiple of `stride`. Tiles have sides of at most `tile_px` (made a multiple of
    `stride`) and see `reach_px` beyond the part that is kept.
    """
    height, width = image.shape[-2:]
    whole = padded(image, stride)
    tall, wide = whole.shape[-2:]
    reach = -(-reach_px // stride) * stride
    side = max(tile_px // stride * stride, 2 * reach + stride)
    if tall <= side and wide <= side:
        return apply(whole)[..., :height, :width]
    out: Tensor | None = None
    for (y0, y1, top, bottom), (x0, x1, left, right) in product(cuts(tall, side, reach), cuts(wide, side, reach)):
        maps = apply(whole[..., y0:y1, x0:x1])
        if out is None:
            out = maps.new_empty((*maps.shape[:2], tall, wide))
        out[..., top:bottom, left:right] = maps[..., top - y0 : bottom - y0, left - x0 : right - x0]
    assert out is not None
    return out[..., :height, :width]


def padded(image: Tensor, stride: int) -> Tensor:
    """Mirrored at the lower and right edge up to the next multiple of `stride`; frames smaller than that repeat."""
    for axis in (-2, -1):
        missing = -image.shape[axis] % stride
        while missing:
            step = min(missing, image.shape[axis] - 1) or missing
            pad = (0, 0, 0, step) if axis == -2 else (0, step, 0, 0)
            image = F.pad(image, pad, mode="reflect" if image.shape[axis] > 1 else "replicate")
            missing -= step
    return image


def cuts(length: int, side: int, reach: int) -> list[tuple[int, int, int, int]]:
    """Tiles along one axis: (from, to, kept from, kept to); all sides are equal, neighbours overlap by 2 × reach."""
    if length <= side:
        return [(0, length, 0, length)]
    found, kept = [], 0
    while kept < length:
        start = max(0, min(kept - reach, length - side))
        stop = start + side
        until = length if stop == length else stop - reach
        found.append((start, stop, kept, until))
        kept = until
    return found
