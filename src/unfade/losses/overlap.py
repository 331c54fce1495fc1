"""Losses that measure overlap of masks."""

from __future__ import annotations

from torch import Tensor


def dice_loss(logits: Tensor, truth: Tensor, smooth: float = 1.0) -> Tensor:
    """One minus the soft Dice coefficient of sigmoid(logits) and a mask, over all pixels of the batch.

    Paper nuclei-unet, section II.4: Dice = 2|A∩B| / (|A| + |B|), where ∩ multiplies the masks and |·| sums the pixels.
    `smooth` (pixels) keeps an empty pair defined; both tensors have one shape.
    """
    p = logits.sigmoid()
    shared = (p * truth).sum()
    return 1 - (2 * shared + smooth) / (p.sum() + truth.sum() + smooth)
