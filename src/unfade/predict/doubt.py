"""Uncertainty of pixels to uncertainty of objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unfade.ops.entropy import parts_of
from unfade.records import Instances


def joined(members: Sequence[Tensor], chances: Sequence[Tensor]) -> Tensor:
    """Mean of the members' maps `(B, K, Y, X)` with three more: total, data and model part of the uncertainty.

    `chances` are the members' class probabilities `(B, classes, Y, X)`. Members count the same, so that a chance of
    the mean maps is the mean of the chances.
    """
    parts = parts_of(torch.stack(list(chances)).float().transpose(1, 2).contiguous())
    return torch.cat([torch.stack(list(members)).float().mean(0), parts.transpose(0, 1)], dim=1)


def with_uncertainty(found: Instances, parts: NDArray[np.float32]) -> Instances:
    """Objects of one frame whose uncertainties are the means over their masks of a map `(3, Y, X)`."""
    means = [mean_over(found, part) for part in parts]
    return replace(found, u_total=means[0], u_data=means[1], u_model=means[2], uncertainty=parts[None])


def mean_over(found: Instances, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of an image `(Y, X)` over the mask of every object `(N,)`; masks may overlap."""
    if len(found) == 0:
        return np.zeros(0, np.float32)
    total = np.concatenate([[0.0], np.cumsum(image.ravel(), dtype=np.float64)])
    first, length = found.runs[:, 0], found.runs[:, 1]
    of_run = total[first + length] - total[first]
    sums, area = (np.add.reduceat(column, found.offset[:-1]) for column in (of_run, length))
    return (sums / area).astype(np.float32)
