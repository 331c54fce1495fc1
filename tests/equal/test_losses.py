"""Losses equal their formulas written out in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unfade.losses.focal import focal_loss
from unfade.losses.heteroscedastic import expected_log_likelihood, mean_probability


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_equation_1_equals_its_float64_definition(scale: float) -> None:
    rng = np.random.default_rng(0)
    logits, log_sigma = rng.normal(0, scale, (3, 3, 2, 2)), rng.normal(0, 0.5, (3, 1, 2, 2))
    noise, truth = rng.normal(0, 1, (10, 3, 3, 2, 2)), rng.integers(0, 3, (3, 2, 2))
    want = np.zeros(truth.shape)
    for n, y, x in np.ndindex(*truth.shape):
        chances = []
        for t in range(len(noise)):
            s = logits[n, :, y, x] + np.exp(log_sigma[n, 0, y, x]) * noise[t, n, :, y, x]
            s = s.astype(np.longdouble)
            chances.append(np.exp(s[truth[n, y, x]] - np.log(np.exp(s).sum())))
        want[n, y, x] = -np.log(np.mean(chances))
    given = (torch.from_numpy(a).float() for a in (logits, log_sigma))
    found = expected_log_likelihood(*given, torch.from_numpy(truth), torch.from_numpy(noise).float())
    assert found.shape == truth.shape
    assert found.numpy() == pytest.approx(want, rel=1e-4, abs=1e-5)


def test_logits_that_overflow_a_plain_exponential_stay_finite() -> None:
    logits = torch.tensor([[900.0, -900.0]]).reshape(1, 2, 1, 1)
    found = expected_log_likelihood(
        logits, torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, dtype=torch.long), torch.zeros(4, 1, 2, 1, 1)
    )
    assert found.item() == pytest.approx(1800.0)


def test_noise_makes_a_sure_pixel_less_sure() -> None:
    logits = torch.tensor([3.0, 0.0]).reshape(1, 2, 1, 1)
    noise = torch.randn(4000, 1, 2, 1, 1, generator=torch.Generator().manual_seed(0))
    quiet = mean_probability(logits, torch.full((1, 1, 1, 1), -20.0), noise)
    loud = mean_probability(logits, torch.full((1, 1, 1, 1), 2.0), noise)
    assert quiet[0, 0].item() == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-5)
    assert loud[0, 0].item() < 0.7
    assert loud.sum(1).item() == pytest.approx(1.0, abs=1e-5)


def test_focal_loss_equals_its_float64_definition() -> None:
    rng = np.random.default_rng(1)
    logits, truth = rng.normal(0, 3, 50), rng.integers(0, 2, 50).astype(float)
    p = 1 / (1 + np.exp(-logits))
    right, share = np.where(truth > 0, p, 1 - p), np.where(truth > 0, 0.25, 0.75)
    want = -share * (1 - right) ** 2 * np.log(right)
    found = focal_loss(torch.from_numpy(logits), torch.from_numpy(truth))
    assert found.numpy() == pytest.approx(want, rel=1e-9)
