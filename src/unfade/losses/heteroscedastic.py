"""Cross-entropy of logits with a learnt noise: the data part of a network's uncertainty.

Paper imperfect, equation 1, after Kendall and Gal, "What uncertainties do we need in Bayesian deep learning for
computer vision?", NIPS 2017, section 3.3. Neither the paper nor its text names the number of samples T.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def corrupted(logits: Tensor, log_sigma: Tensor, noise: Tensor) -> Tensor:
    """Logits `(T, N, K, …)` with Gaussian noise of the predicted scale.

    `logits` are `(N, K, …)`, `log_sigma` `(N, 1, …)` the logarithm of their standard deviation, `noise`
    `(T, N, K, …)` of unit spread.
    """
    return logits + log_sigma.exp() * noise


def expected_log_likelihood(logits: Tensor, log_sigma: Tensor, truth: Tensor, noise: Tensor) -> Tensor:
    """−log (1/T Σ_t softmax(ŝ_t)[c']) of every pixel (equation 1), `(N, …)`; the paper sums it over pixels.

    `truth` `(N, …)` holds the number of the right class c'. All is done with logarithms: a pixel whose every sample is
    far off gives a large number, not infinity.
    """
    chance = torch.log_softmax(corrupted(logits, log_sigma, noise), dim=2)
    right = chance.gather(2, truth[None, :, None].expand(len(noise), *truth[:, None].shape))[:, :, 0]
    return math.log(len(noise)) - torch.logsumexp(right, dim=0)


def mean_probability(logits: Tensor, log_sigma: Tensor, noise: Tensor) -> Tensor:
    """Mean softmax of the corrupted logits `(N, K, …)`: the pseudo-probabilities whose entropy the paper takes."""
    return torch.softmax(corrupted(logits, log_sigma, noise), dim=2).mean(dim=0)
