"""Differences of probability and mask per pixel, and the size of a network's weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def absolute_difference(logits: Tensor, truth: Tensor) -> Tensor:
    """L1: mean |p − y| over all pixels."""
    return (logits.sigmoid() - truth).abs().mean()


def squared_difference(logits: Tensor, truth: Tensor) -> Tensor:
    """L2: mean (p − y)² over all pixels, the Brier score."""
    return (logits.sigmoid() - truth).square().mean()


def absolute_weights(parameters: Iterable[Tensor]) -> Tensor:
    """L1 regularisation: mean |w| over the kernels; biases and normalisation are left alone."""
    kernels = [p for p in parameters if p.ndim > 1]
    return torch.stack([p.abs().sum() for p in kernels]).sum() / sum(p.numel() for p in kernels)
