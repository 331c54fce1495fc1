"""Cross-entropies per pixel."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def binary_crossentropy(logits: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of −(y log p + (1 − y) log(1 − p)) over all pixels (paper nuclei-unet, II.4); soft truths allowed.

    With a `weight` map of the same shape the mean is weighted.
    """
    if weight is None:
        return F.binary_cross_entropy_with_logits(logits, truth)
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (each * weight).sum() / weight.sum().clamp_min(1.0)


def weighted_crossentropy(logits: Tensor, truth: Tensor, weight: float = 2.0) -> Tensor:
    """Mean of −(w y log p + (1 − y) log(1 − p)) over all pixels, w for the nucleus (paper lexy, equation 1, w = 2)."""
    return F.binary_cross_entropy_with_logits(logits, truth, pos_weight=logits.new_tensor(weight))
