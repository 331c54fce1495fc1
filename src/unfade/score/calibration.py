"""Does a confidence mean what it says: calibration, ranking by uncertainty, and a temperature that puts it right.

Confidences lie in 0..1 and say how likely a pixel or object is right; uncertainties are any number that rises with
doubt. An object's confidence is 1 - its uncertainty, and its quality the IoU with the true object that fits it best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from unfade.errors import ShapeError
from unfade.score.bootstrap import Plan, Statistic, interval
from unfade.score.result import Figure, Scores, Setting

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """Confidence against how often it was right, in equal bins of 0..1; NaN in bins without samples."""

    edges: Array  # (B + 1,) bin b holds edges[b] < confidence <= edges[b + 1], the first bin also 0
    count: NDArray[np.int64]  # (B,)
    confidence: Array  # (B,) mean
    accuracy: Array  # (B,) share that is right

    def ece(self) -> float:
        """Expected calibration error: |accuracy - confidence| by bin, averaged over samples (Guo et al., 2017)."""
        used = self.count > 0
        if not used.any():
            return float("nan")
        return float(np.average(self._gap()[used], weights=self.count[used]))

    def mce(self) -> float:
        """Maximum calibration error: the largest |accuracy - confidence| of a bin (Guo et al., 2017)."""
        return float(np.nanmax(self._gap())) if self.count.any() else float("nan")

    def _gap(self) -> Array:
        return np.abs(self.accuracy - self.confidence)


def reliability(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> Reliability:
    """Reliability curve of samples of any shape: confidence 0..1, and whether it was right (bool, 0 or 1).

    Raises
    ------
    ShapeError
        For different shapes, and confidences that are NaN or outside 0..1.
    """
    sure, right = _columns(confidence, correct)
    if sure.size and not (sure.min() >= 0 and sure.max() <= 1):
        raise ShapeError(f"Confidences must lie in 0..1, got {sure.min():.3g}..{sure.max():.3g}.")
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], sure, side="left")
    count = np.bincount(place, minlength=bins)
    used = np.where(count > 0, count, np.nan)
    return Reliability(
        edges, count, np.bincount(place, sure, bins) / used, np.bincount(place, right.astype(np.float64), bins) / used
    )


def top_class(probabilities: ArrayLike, truth: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """Confidence of the likeliest class and whether it is the true one, from `(K, ...)` and class numbers `(...)`.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    """
    chance, true = np.asarray(probabilities, np.float64), np.asarray(truth)
    if chance.shape[1:] != true.shape:
        raise ShapeError(f"Probabilities {chance.shape} need a truth of shape {chance.shape[1:]}, got {true.shape}.")
    return chance.max(axis=0), chance.argmax(axis=0) == true


@dataclass(frozen=True)
class RiskCoverage:
    """Mean risk of the objects that are kept when the most uncertain ones are left out."""

    coverage: Array  # (N,) share of objects kept: 1/N, 2/N, ..., 1
    risk: Array  # (N,) their mean risk

    def aurc(self) -> float:
        """Area under the curve: mean risk over all coverages (Geifman et al., ICLR 2019); lower is better."""
        return float(self.risk.mean()) if len(self.risk) else float("nan")


def risk_coverage(uncertainty: ArrayLike, risk: ArrayLike) -> RiskCoverage:
    """Risk-coverage curve of N objects: keep the surest ones, take the mean of their risk, often 1 - IoU.

    Objects of equal uncertainty come in with the mean risk of their group, so their order does not matter.

    Raises
    ------
    ShapeError
        For different shapes or values that are NaN.
    """
    doubt, loss = _columns(uncertainty, risk)
    _, place, count = np.unique(doubt, return_inverse=True, return_counts=True)
    ordered = np.repeat(np.bincount(place, loss, len(count)) / count, count) if len(count) else loss
    kept = np.arange(1, len(ordered) + 1)
    return RiskCoverage(kept / max(len(kept), 1), np.cumsum(ordered) / kept)


def excess_aurc(uncertainty: ArrayLike, risk: ArrayLike) -> float:
    """AURC minus that of the best possible order, the risk itself (Geifman et al., ICLR 2019); 0 is best."""
    return risk_coverage(uncertainty, risk).aurc() - risk_coverage(risk, risk).aurc()


def spearman(uncertainty: ArrayLike, risk: ArrayLike) -> float:
    """Rank correlation; NaN for fewer than two objects or where one side is constant."""
    doubt, loss = _columns(uncertainty, risk)
    return _pearson(stats.rankdata(doubt), stats.rankdata(loss))


def pearson(uncertainty: ArrayLike, risk: ArrayLike) -> float:
    """Linear correlation; NaN for fewer than two objects or where one side is constant."""
    return _pearson(*_columns(uncertainty, risk))


def fit_temperature(logits: ArrayLike, truth: ArrayLike) -> float:
    """The T > 0 for which softmax(logits / T) of N samples is likeliest: temperature scaling (Guo et al., 2017).

    `logits` are `(K, N)` or `(K, ...)`, `truth` the class numbers `(N,)` or `(...)`. T above 1 makes a network less
    sure, and never changes which class is the likeliest. It is sought within 0.01..100.

    Raises
    ------
    ShapeError
        If the shapes do not fit or there is no sample.
    """
    score, true = np.asarray(logits, np.float64), np.asarray(truth, np.int64)
    if score.shape[1:] != true.shape or true.size == 0:
        raise ShapeError(f"Logits {score.shape} need a truth of shape {score.shape[1:]}, not empty; got {true.shape}.")
    score, true = score.reshape(len(score), -1), true.ravel()

    def loss(log_t: float) -> float:
        scaled = score / np.exp(log_t)
        return float((special.logsumexp(scaled, axis=0) - scaled[true, np.arange(true.size)]).mean())

    ends = (np.log(0.01), np.log(100))
    best = optimize.minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def score_uncertainty(
    uncertainty: ArrayLike, iou: ArrayLike, *, right_iou: float = 0.5, bins: int = 15, plan: Plan | None = None
) -> Scores:
    """Figures of N objects from their uncertainty 0..1 and their IoU with the truth, both `(N,)`.

    `ECE` compares 1 - uncertainty with how often the IoU exceeds `right_iou`; `AURC`, its excess over the best order,
    `Spearman` and `Pearson` set the uncertainty against 1 - IoU. Objects of unknown uncertainty (NaN) are left out,
    which the count shows. With a bootstrap plan every figure has an interval over objects.

    Raises
    ------
    ShapeError
        For different shapes, and known uncertainties outside 0..1.
    """
    doubt, quality = np.asarray(uncertainty, np.float64), np.asarray(iou, np.float64)
    if doubt.shape != quality.shape:
        raise ShapeError(f"Every object needs an uncertainty and an IoU, got {doubt.shape} and {quality.shape}.")
    known = ~np.isnan(doubt)
    doubt, quality = doubt[known], quality[known]
    risk, right = 1 - quality, quality > right_iou
    measures: dict[str, Statistic] = {
        "ECE": lambda at: reliability(1 - doubt[at], right[at], bins).ece(),
        "AURC": lambda at: risk_coverage(doubt[at], risk[at]).aurc(),
        "Excess AURC": lambda at: excess_aurc(doubt[at], risk[at]),
        "Spearman": lambda at: spearman(doubt[at], risk[at]),
        "Pearson": lambda at: pearson(doubt[at], risk[at]),
    }
    how: dict[str, Mapping[str, Setting]] = {"ECE": {"bins": bins, "right": f"IoU > {right_iou}"}}
    figures = {}
    for name, measure in measures.items():
        span = None if plan is None else interval(len(doubt), measure, "objects", plan)
        note = how.get(name, {"risk": "1 - IoU"})
        figures[name] = Figure(measure(np.arange(len(doubt))), len(doubt), "predicted objects", note, span)
    return Scores(figures)


def _pearson(a: Array, b: Array) -> float:
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _columns(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if left.shape != right.shape:
        raise ShapeError(f"Both columns need one entry per sample, got shapes {left.shape} and {right.shape}.")
    left, right = left.ravel(), right.ravel()
    if np.isnan(left).any() or np.isnan(right).any():
        raise ShapeError("A confidence, uncertainty or risk is NaN; leave such samples out first.")
    return left, right
