"""Differences of probability and mask per pixel."""

from __future__ import annotations

from torch import Tensor


def absolute_difference(logits: Tensor, truth: Tensor) -> Tensor:
    """L1: mean |p − y| over all pixels."""
    return (logits.sigmoid() - truth).abs().mean()


def squared_difference(logits: Tensor, truth: Tensor) -> Tensor:
    """L2: mean (p − y)² over all pixels, the Brier score."""
    return (logits.sigmoid() - truth).square().mean()
