"""Bootstrap intervals: known cases, both ways equal, seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unfade.errors import SettingsError
from unfade.score import bootstrap
from unfade.score.bootstrap import Plan, interval, interval_of_sums, mean_figure, quotient

VALUES = np.random.default_rng(5).normal(3, 2, 400)


def test_interval_of_a_mean_is_near_theory() -> None:
    span = interval_of_sums(VALUES[:, None], lambda s: s[:, 0] / 400, "objects", Plan(draws=4000, level=0.9, seed=1))
    half = 1.6449 * VALUES.std() / math.sqrt(400)
    assert span.low == pytest.approx(VALUES.mean() - half, abs=0.02)
    assert span.high == pytest.approx(VALUES.mean() + half, abs=0.02)
    assert (span.units, span.unit, span.draws, span.level, span.seed) == (400, "objects", 4000, 0.9, 1)


@pytest.mark.parametrize("block", [1, 3000, 1 << 22])
def test_fast_and_general_way_agree(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(draws=50, seed=9)
    expected = interval(400, lambda rows: float(VALUES[rows].mean()), "objects", plan)
    monkeypatch.setattr(bootstrap, "BLOCK", block)
    seen = interval_of_sums(VALUES[:, None], lambda s: s[:, 0] / 400, "objects", plan)
    assert (seen.low, seen.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_seed_decides_the_draws() -> None:
    def span(seed: int) -> tuple[float, float]:
        seen = interval_of_sums(VALUES[:, None], lambda s: s[:, 0] / 400, "objects", Plan(draws=60, seed=seed))
        return seen.low, seen.high

    assert span(4) == span(4)
    assert span(4) != span(5)


def test_draws_without_a_figure_are_left_out() -> None:
    table = np.array([[1.0, 2.0], [0.0, 0.0]])  # drawing the second unit twice gives 0/0
    span = interval_of_sums(table, lambda s: quotient(s[:, 0], s[:, 1]), "images", Plan(draws=200))
    assert (span.low, span.high) == (0.5, 0.5)


def test_no_units() -> None:
    assert math.isnan(interval(0, lambda rows: 1.0, "images").low)
    figure = mean_figure([float("nan")], "images", {}, Plan())
    assert figure.count == 0
    assert math.isnan(figure.value)
    assert figure.interval is not None
    assert math.isnan(figure.interval.high)


def test_mean_figure_leaves_out_what_is_not_defined() -> None:
    figure = mean_figure([1.0, float("nan"), 3.0], "images", {"of": "pixels"})
    assert (figure.value, figure.count, figure.of, figure.how, figure.interval) == (
        2,
        2,
        "images",
        {"of": "pixels"},
        None,
    )


@pytest.mark.parametrize("plan", [{"draws": 0}, {"level": 1.0}, {"level": 0.0}])
def test_impossible_plans_are_refused(plan: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Plan(**plan)  # type: ignore[arg-type]
