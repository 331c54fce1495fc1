"""Losses of optical flow, in pixels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

WEIGHTS = (0.32, 0.08, 0.02, 0.01, 0.005)  # finest scale first


def endpoint_error(flow: Tensor, truth: Tensor) -> Tensor:
    """Mean length of the difference of two flows `(B, 2, Y, X)` (FlowNet, section 5.1)."""
    return (flow - truth).square().sum(dim=1).add(1e-9).sqrt().mean()


def multiscale_error(flows: Sequence[Tensor], truth: Tensor, weights: Sequence[float] = WEIGHTS) -> Tensor:
    """Weighted sum of the endpoint errors of flows at several scales against the truth averaged to each scale.

    All flows are in pixels of the full image. The published schedule weighs the coarsest scale most to begin with;
    here the finest does from the start, for motions are small.
    """
    total = truth.new_zeros(())
    for flow, weight in zip(flows, weights, strict=True):
        total = total + weight * endpoint_error(flow, F.adaptive_avg_pool2d(truth, (flow.shape[-2], flow.shape[-1])))
    return total
