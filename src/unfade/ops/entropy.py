"""Uncertainty of class probabilities, apart by where it comes from.

Depeweg et al., "Decomposition of uncertainty in Bayesian deep learning", ICML 2018, equation 9: the entropy of the mean
prediction is the mean entropy of the members (data part) plus their mutual information (model part). All entropies
are divided by ln(classes), so that they lie in 0..1 whatever the number of classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def entropy(probabilities: Tensor, axis: int = 0) -> Tensor:
    """−Σ p ln p / ln K over the K classes of `axis` (paper imperfect, 3.1, there without the division)."""
    count = probabilities.shape[axis]
    return -torch.xlogy(probabilities, probabilities).sum(axis) / math.log(count)


def parts_of(members: Tensor) -> Tensor:
    """Total, data and model part `(3, …)` of the probabilities of M members `(M, K, …)`; total = data + model."""
    total = entropy(members.mean(0))
    data = entropy(members, axis=1).mean(0).minimum(total)  # equal up to rounding where the members agree
    return torch.stack([total, data, total - data])
