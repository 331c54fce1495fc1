"""Online hard pixel mining: gradients come from the worst pixels alone (paper nuclei-unet, section II.5)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

PATCH_PX = 256 * 256  # the paper's K are pixels of such a patch


def hard_pixel_loss(logits: Tensor, truth: Tensor, k: int) -> Tensor:
    """Mean binary cross-entropy of the `k` worst pixels of each map `(…, Y, X)`; all of them where it has fewer."""
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").flatten(-2)
    return each.topk(min(k, each.shape[-1]), dim=-1).values.mean()


def hard_pixels_of(k: int, height: int, width: int) -> int:
    """As many pixels of a map of this size as `k` are of the paper's 256×256 patch, at least one."""
    return max(1, round(k * height * width / PATCH_PX))


def with_hard_pixels(everywhere: Tensor, hard: Tensor, share: float) -> Tensor:
    """Weighted sum of a loss over all pixels and one over the hard ones: (1 − share) · all + share · hard (II.5).

    The paper names no weights; as a term added to Dice (table I) both count one, which is twice a share of 0.5.
    """
    return (1 - share) * everywhere + share * hard
