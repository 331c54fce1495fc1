"""Does a confidence mean what it says: calibration, ranking by uncertainty, and a temperature that puts it right.

Confidences lie in 0..1 and say how likely a pixel or object is right; uncertainties are any number that rises with
doubt. An object's confidence is 1 - its uncertainty, and its quality the IoU with the true object that fits it best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.errors import ShapeError
from unfade.score.bootstrap import OfWeights, Plan, interval_of_weights
from unfade.score.result import Figure, Scores, Setting, finite

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

    def plain(self) -> dict[str, list[float | None]]:
        """The curve as lists for JSON, None in bins without samples."""
        return {name: [finite(float(v)) for v in getattr(self, name)] for name in vars(self)}

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
    place = _bin(sure, bins)
    count = np.bincount(place, minlength=bins)
    used = np.where(count > 0, count, np.nan)
    edges = np.linspace(0, 1, bins + 1)
    return Reliability(
        edges, count, np.bincount(place, sure, bins) / used, np.bincount(place, right.astype(np.float64), bins) / used
    )


def _bin(confidence: Array, bins: int) -> NDArray[np.int64]:
    """Bin of each confidence: the upper edge belongs to the bin, the lower one does not."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")


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

    def plain(self, points: int = 101) -> dict[str, list[float]]:
        """At most `points` of the curve as lists for JSON, the last one at full coverage."""
        at = np.unique(np.linspace(0, len(self.risk) - 1, min(points, len(self.risk))).round().astype(np.int64))
        return {"coverage": self.coverage[at].tolist(), "risk": self.risk[at].tolist()}


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
    from scipy.stats import rankdata

    doubt, loss = _columns(uncertainty, risk)
    return _pearson(rankdata(doubt), rankdata(loss))


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
    from scipy import optimize, special

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
    curve = reliability(1 - doubt, right, bins)
    kept = risk_coverage(doubt, risk)
    values = {
        "ECE": curve.ece(),
        "AURC": kept.aurc(),
        "Excess AURC": excess_aurc(doubt, risk),
        "Spearman": spearman(doubt, risk),
        "Pearson": pearson(doubt, risk),
    }
    how: dict[str, Mapping[str, Setting]] = {"ECE": {"bins": bins, "right": f"IoU > {right_iou}"}}
    drawn = {} if plan is None else _drawn_measures(doubt, risk, right, bins)
    figures = {}
    for name, value in values.items():
        span = None if plan is None else interval_of_weights(len(doubt), drawn[name], "objects", plan)
        figures[name] = Figure(value, len(doubt), "predicted objects", how.get(name, {"risk": "1 - IoU"}), span)
    return Scores(figures, curves={"reliability": curve.plain(), "risk-coverage": kept.plain()})


def _drawn_measures(doubt: Array, risk: Array, right: NDArray[np.bool_], bins: int) -> dict[str, OfWeights]:
    """The measures of drawn objects, from how often each was drawn."""
    place, off = _bin(1 - doubt, bins), right - (1 - doubt)
    by_doubt, by_risk = _Ordered.of(doubt), _Ordered.of(risk)
    return {
        "ECE": lambda w: float(np.abs(np.bincount(place, w * off, bins)).sum() / w.sum()),
        "AURC": lambda w: by_doubt.aurc(risk, w),
        "Excess AURC": lambda w: by_doubt.aurc(risk, w) - by_risk.aurc(risk, w),
        "Spearman": lambda w: _weighted_pearson(by_doubt.ranks(w), by_risk.ranks(w), w),
        "Pearson": lambda w: _weighted_pearson(doubt, risk, w),
    }


@dataclass(frozen=True)
class _Ordered:
    """Groups of equal values in ascending order, so that draws need no sorting."""

    group: NDArray[np.int64]  # (N,) of each object
    harmonic: Array  # (N + 1,) 1 + 1/2 + ... + 1/n

    @classmethod
    def of(cls, values: Array) -> _Ordered:
        _, group = np.unique(values, return_inverse=True)
        return cls(group, np.concatenate([[0.0], np.cumsum(1 / np.arange(1, len(values) + 1))]))

    def aurc(self, risk: Array, weight: Array) -> float:
        """Area under the risk-coverage curve of the drawn objects, summed in closed form over each group."""
        size = np.bincount(self.group, weight)
        loss = np.bincount(self.group, weight * risk)
        mean = np.divide(loss, size, out=np.zeros_like(loss), where=size > 0)
        end = np.cumsum(size).astype(np.int64)
        begin, before = end - size.astype(np.int64), np.cumsum(loss) - loss
        return float((loss + (before - begin * mean) * (self.harmonic[end] - self.harmonic[begin])).sum() / end[-1])

    def ranks(self, weight: Array) -> Array:
        """Mean rank of each object among the drawn ones."""
        size = np.bincount(self.group, weight)
        rank: Array = (np.cumsum(size) - (size - 1) / 2)[self.group]
        return rank


def _weighted_pearson(a: Array, b: Array, weight: Array) -> float:
    drawn = weight > 0
    if np.ptp(a[drawn]) == 0 or np.ptp(b[drawn]) == 0:
        return float("nan")
    x, y = (v - np.average(v, weights=weight) for v in (a, b))
    return float((weight * x * y).sum() / np.sqrt((weight * x * x).sum() * (weight * y * y).sum()))


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
