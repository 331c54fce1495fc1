"""Loss of maps from which touching nuclei come apart: foreground, depth, votes for centres, borders between nuclei."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from unfade.losses.crossentropy import binary_crossentropy
from unfade.losses.overlap import dice_loss


def vote_terms(maps: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """One term per map of logits and targets `(B, 5, Y, X)`: foreground, distance, vote_y and vote_x, border.

    Votes count inside nuclei only; borders, which lie there, count less outside.
    """
    inside = truth[:, 0]
    votes = F.smooth_l1_loss(maps[:, 2:4], truth[:, 2:4], reduction="none", beta=0.1).sum(1)
    return {
        "foreground": binary_crossentropy(maps[:, 0], inside),
        "dice": 0.5 * dice_loss(maps[:, 0], inside),
        "distance": binary_crossentropy(maps[:, 1], truth[:, 1]),
        "votes": (votes * inside).sum() / inside.sum().clamp_min(1.0),
        "border": 0.5 * binary_crossentropy(maps[:, 4], truth[:, 4], weight=0.2 + inside),
    }
