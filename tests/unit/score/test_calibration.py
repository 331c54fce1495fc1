"""Calibration, risk-coverage, correlations and temperature: drawn cases, plain definitions, properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from unfade.errors import ShapeError
from unfade.score.bootstrap import Plan, Statistic, interval
from unfade.score.calibration import (
    excess_aurc,
    fit_temperature,
    pearson,
    reliability,
    risk_coverage,
    score_uncertainty,
    spearman,
    top_class,
)

SAMPLES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)
RISKS = st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), min_size=1, max_size=20)


def test_a_drawn_reliability_curve() -> None:
    seen = reliability([0.1, 0.2, 0.5, 0.9, 1.0, 0.0], [0, 1, 1, 1, 0, 0], bins=2)
    assert seen.edges.tolist() == [0, 0.5, 1]
    assert seen.count.tolist() == [4, 2]  # 0.5 belongs to the lower bin
    np.testing.assert_allclose(seen.confidence, [0.2, 0.95])
    np.testing.assert_allclose(seen.accuracy, [0.5, 0.5])
    assert seen.ece() == pytest.approx((4 * 0.3 + 2 * 0.45) / 6)
    assert seen.mce() == pytest.approx(0.45)


def test_empty_bins_are_not_defined_and_do_not_count() -> None:
    seen = reliability([0.95, 0.95], [1, 0], bins=10)
    assert np.isnan(seen.accuracy[:9]).all()
    assert seen.ece() == seen.mce() == pytest.approx(0.45)
    none = reliability([], [])
    assert math.isnan(none.ece())
    assert math.isnan(none.mce())


@given(SAMPLES, st.integers(1, 12))
@settings(deadline=None)
def test_ece_equals_its_definition(samples: list[tuple[float, bool]], bins: int) -> None:
    sure, right = np.array([s for s, _ in samples]), np.array([r for _, r in samples])
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for b in range(bins):
        inside = (sure > edges[b]) & (sure <= edges[b + 1]) | ((sure == 0) & (b == 0))
        total += abs(right[inside].sum() - sure[inside].sum())
    seen = reliability(sure, right, bins)
    assert seen.ece() == pytest.approx(total / len(sure), abs=1e-12)
    assert 0 <= seen.ece() <= seen.mce() + 1e-12
    assert seen.ece() >= abs(right.mean() - sure.mean()) - 1e-12  # bins can only add to the gap of the whole


def test_a_sure_and_right_model_is_perfect() -> None:
    assert reliability(np.ones((4, 5)), np.ones((4, 5), bool)).ece() == 0
    assert reliability(np.ones(5), np.zeros(5)).ece() == 1


def test_top_class() -> None:
    chance = np.array([[[0.2, 0.7]], [[0.5, 0.2]], [[0.3, 0.1]]])
    sure, right = top_class(chance, np.array([[1, 2]]))
    assert sure.tolist() == [[0.5, 0.7]]
    assert right.tolist() == [[True, False]]


def test_a_drawn_risk_coverage_curve() -> None:
    seen = risk_coverage([0.1, 0.9, 0.3], [0.0, 0.6, 0.3])
    assert seen.coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert seen.risk.tolist() == pytest.approx([0, 0.15, 0.3])
    assert seen.aurc() == pytest.approx(0.15)
    assert excess_aurc([0.1, 0.9, 0.3], [0.0, 0.6, 0.3]) == 0
    assert math.isnan(risk_coverage([], []).aurc())


@given(RISKS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_risk_coverage_is_the_mean_over_orders_of_equals(rows, random) -> None:  # type: ignore[no-untyped-def]
    """With ties the curve is what is expected when equal objects are shuffled, and their order never matters."""
    doubt, risk = np.array([u for u, _ in rows]), np.array([r for _, r in rows])
    seen = risk_coverage(doubt, risk)
    order = list(range(len(rows)))
    random.shuffle(order)
    np.testing.assert_allclose(risk_coverage(doubt[order], risk[order]).risk, seen.risk)
    np.testing.assert_allclose(risk_coverage(10 * doubt + 3, risk).risk, seen.risk)
    for k in range(1, len(rows) + 1):
        expected = 0.0
        for value in np.unique(doubt):
            before, group = (doubt < value).sum(), doubt == value
            expected += np.clip(k - before, 0, group.sum()) * risk[group].mean()
        assert seen.risk[k - 1] == pytest.approx(expected / k)
    assert seen.risk[-1] == pytest.approx(risk.mean())
    assert excess_aurc(doubt, risk) >= -1e-12


@given(RISKS)
@settings(deadline=None)
def test_correlations_equal_scipy(rows: list[tuple[int, float]]) -> None:
    doubt, risk = np.array([float(u) for u, _ in rows]), np.array([round(r, 3) for _, r in rows])
    if len(rows) < 2 or np.ptp(doubt) == 0 or np.ptp(risk) == 0:
        assert math.isnan(spearman(doubt, risk))
        assert math.isnan(pearson(doubt, risk))
        return
    assert spearman(doubt, risk) == pytest.approx(stats.spearmanr(doubt, risk).statistic, abs=1e-9)
    assert pearson(doubt, risk) == pytest.approx(stats.pearsonr(doubt, risk).statistic, abs=1e-9)
    assert spearman(doubt, risk) == pytest.approx(spearman(risk, doubt))
    assert spearman(doubt, doubt) == pytest.approx(1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_temperature_is_found_again(temperature: float) -> None:
    random = np.random.default_rng(2)
    logits = random.normal(0, 2, (3, 200, 100))
    chance = np.cumsum(special.softmax(logits, axis=0), axis=0)
    truth = (random.random((200, 100)) > chance).sum(axis=0)
    fitted = fit_temperature(logits * temperature, truth)
    assert fitted == pytest.approx(temperature, rel=0.03)
    before, right = top_class(special.softmax(logits * 3, axis=0), truth)
    after, _ = top_class(special.softmax(logits * 3 / fit_temperature(logits * 3, truth), axis=0), truth)
    assert reliability(after, right).ece() < 0.1 * reliability(before, right).ece()


def test_scores_of_objects() -> None:
    random = np.random.default_rng(4)
    iou = random.random(300)
    doubt = np.clip(1 - iou + random.normal(0, 0.2, 300), 0, 1)
    doubt[:7] = np.nan
    scores = score_uncertainty(doubt, iou, plan=Plan(draws=50))
    known = slice(7, None)
    assert [figure.count for figure in scores.values()] == [293] * 5
    assert scores["ECE"].value == reliability(1 - doubt[known], iou[known] > 0.5).ece()
    assert scores["Spearman"].value == spearman(doubt[known], 1 - iou[known]) > 0.7
    assert scores["AURC"].value == risk_coverage(doubt[known], 1 - iou[known]).aurc() < (1 - iou[known]).mean()
    for name in ("AURC", "Spearman", "Pearson"):
        span = scores[name].interval
        assert span is not None
        assert span.low < scores[name].value < span.high
        assert span.units == 293
    shuffled = score_uncertainty(random.permutation(doubt), iou)
    assert abs(shuffled["Spearman"].value) < 0.3
    assert shuffled["Excess AURC"].value > 3 * scores["Excess AURC"].value


def test_scores_without_objects() -> None:
    assert set(score_uncertainty([], [], plan=Plan(draws=3)).metrics.values()) == {None}


CALLS = {
    "shapes": lambda: reliability([0.5, 0.6], [1]),
    "above 1": lambda: reliability([1.2], [1]),
    "nan": lambda: reliability([float("nan")], [1]),
    "nan risk": lambda: risk_coverage([0.1], [float("nan")]),
    "classes": lambda: top_class(np.ones((2, 3)), np.ones(2)),
    "no sample": lambda: fit_temperature(np.ones((2, 0)), np.ones(0)),
    "objects": lambda: score_uncertainty([0.1, 0.2], [0.5]),
}


@pytest.mark.parametrize("name", CALLS)
def test_bad_input_is_refused(name: str) -> None:
    with pytest.raises(ShapeError):
        CALLS[name]()


def test_intervals_by_weights_are_those_of_drawn_objects() -> None:
    random = np.random.default_rng(3)
    doubt = random.integers(0, 12, 60) / 12  # ties
    iou = np.round(np.clip(1 - doubt + random.normal(0, 0.3, 60), 0, 1), 1)
    risk, right, plan = 1 - iou, iou > 0.5, Plan(draws=40, seed=2)
    plain: dict[str, Statistic] = {
        "ECE": lambda at: reliability(1 - doubt[at], right[at], 15).ece(),
        "AURC": lambda at: risk_coverage(doubt[at], risk[at]).aurc(),
        "Excess AURC": lambda at: excess_aurc(doubt[at], risk[at]),
        "Spearman": lambda at: spearman(doubt[at], risk[at]),
        "Pearson": lambda at: pearson(doubt[at], risk[at]),
    }
    scores = score_uncertainty(doubt, iou, plan=plan)
    assert set(scores) == set(plain)
    for name, measure in plain.items():
        seen, wanted = scores[name].interval, interval(60, measure, "objects", plan)
        assert seen is not None
        assert (seen.low, seen.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert len(set(scores.metrics.values())) == 5
    assert sum(scores.curves["reliability"]["count"]) == 60
