"""The weight map of paper shape-aware: pixels near a cell's outline count more, and so does the rarer class.

"An Effective Deep Learning Framework for Cell Segmentation in Microscopy Images" (Lin, Norouzi), equations 2 and 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

ALPHA, SIGMA_PX = 10.0, 5.0  # chosen by the authors, section III.A


def shape_aware_weight(
    distance: Tensor, inside: Tensor, ratio: Tensor | float, alpha: float = ALPHA, sigma_px: float = SIGMA_PX
) -> Tensor:
    """w = w_c + α exp(−D² / 2σ²) of every pixel (equation 3), in the shape of `distance`.

    `distance` holds D in pixels, `inside` whether a pixel is foreground. w_c is 1 on background and `ratio` on
    foreground: the number of background pixels over that of foreground pixels.
    """
    towards = alpha * torch.exp(-(distance**2) / (2 * sigma_px**2))
    by_class = torch.where(inside > 0.5, torch.as_tensor(ratio, dtype=distance.dtype, device=distance.device), 1.0)
    return by_class + towards


def class_ratio(inside: Tensor, most: float = 100.0) -> Tensor:
    """Background over foreground pixels of each mask `(B, …)` -> `(B,)`, at most `most`.

    The paper counts whole frames; a crop may hold a sliver of one cell, which would outweigh everything else, hence
    the limit.
    """
    flat = (inside > 0.5).flatten(1).double()
    foreground = flat.sum(1)
    return ((flat.shape[1] - foreground) / foreground.clamp_min(1.0)).clamp(max=most).to(torch.float32)


def weighted_mean(each: Tensor, weight: Tensor) -> Tensor:
    """Σ w·l / Σ w (equation 2 up to a factor: the paper sums, so that its scale grows with the number of pixels)."""
    return (each * weight).sum() / weight.sum().clamp_min(1e-6)
