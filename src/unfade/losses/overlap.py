"""Losses that measure overlap of masks."""

from __future__ import annotations

from torch import Tensor

from unfade.losses.crossentropy import weighted_crossentropy


def dice_loss(logits: Tensor, truth: Tensor, smooth: float = 1.0) -> Tensor:
    """One minus the soft Dice coefficient of sigmoid(logits) and a mask, over all pixels of the batch.

    Paper nuclei-unet, section II.4: Dice = 2|A∩B| / (|A| + |B|), where ∩ multiplies the masks and |·| sums the pixels.
    `smooth` (pixels) keeps an empty pair defined; both tensors have one shape.
    """
    p = logits.sigmoid()
    shared = (p * truth).sum()
    return 1 - (2 * shared + smooth) / (p.sum() + truth.sum() + smooth)


def combined_loss(logits: Tensor, truth: Tensor, beta: float = 1.0, weight: float = 2.0) -> Tensor:
    """Weighted cross-entropy plus `beta` times Dice loss (paper lexy, equation 3, β = 1)."""
    return weighted_crossentropy(logits, truth, weight) + beta * dice_loss(logits, truth)
