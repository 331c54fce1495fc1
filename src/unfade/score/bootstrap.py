"""How sure a figure is: percentile bootstrap over units (sequences, images or objects), seeded.

The units are drawn with replacement, as many as there are, and the figure is computed again on each draw; the
interval holds the middle part of these figures (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13).
Draw over sequences where there are several: objects of one movie are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.errors import SettingsError
from unfade.score.result import Figure, Interval, Setting

BLOCK = 1 << 22  # entries drawn at a time, so that memory stays bounded
KEPT = 1 << 20  # draws of up to this many entries are kept for the next figure of the same units

Statistic = Callable[[NDArray[np.int64]], float]  # places of the drawn units (U,) to the figure
OfWeights = Callable[[NDArray[np.float64]], float]  # how often each unit was drawn (U,) to the figure
OfSums = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # sums (D, K) to the figures (D,)
ManyOfSums = Callable[[NDArray[np.float64]], Mapping[str, NDArray[np.float64]]]


@dataclass(frozen=True)
class Plan:
    """How to draw: number of draws, part of them that the interval holds, seed."""

    draws: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 1 or not 0 < self.level < 1:
            told = f"got {self.draws} draws and a level of {self.level}"
            raise SettingsError(f"A bootstrap needs at least one draw (0 = no intervals) and a level in 0..1, {told}.")


def interval(units: int, statistic: Statistic, unit: str, plan: Plan = Plan()) -> Interval:
    """Interval of any figure: `statistic` gets the places (units,) of the drawn units and returns the figure.

    Draws on which the figure is not defined (NaN) are left out; without any unit both ends are NaN.
    """
    figures = [statistic(row) for block in _drawn(units, plan) for row in block]
    return _percentiles(np.array(figures, np.float64), units, unit, plan)


def interval_of_sums(table: ArrayLike, statistic: OfSums, unit: str, plan: Plan = Plan()) -> Interval:
    """Interval of a figure that depends on sums over units only, as means, F1 of pooled counts and AP do.

    `table` (U, K) holds one row of numbers per unit; `statistic` gets their sums on each draw, (D, K), and returns
    the figures (D,). It equals `interval` with the same plan, many times faster.
    """
    return intervals_of_sums(table, lambda sums: {"": statistic(sums)}, unit, plan)[""]


def intervals_of_sums(table: ArrayLike, statistics: ManyOfSums, unit: str, plan: Plan = Plan()) -> dict[str, Interval]:
    """Intervals of several figures from the same draws; `statistics` gives them by name, each `(D,)`."""
    rows = np.asarray(table, np.float64)
    blocks = [statistics(rows[:0].sum(axis=0)[None][:0])]
    blocks += [statistics(weight @ rows) for weight in weights(len(rows), plan)]
    return {
        name: _percentiles(np.concatenate([block[name] for block in blocks]), len(rows), unit, plan)
        for name in blocks[0]
    }


def interval_of_weights(units: int, statistic: OfWeights, unit: str, plan: Plan = Plan()) -> Interval:
    """Interval of a figure that can be computed with a weight per unit, as ranks and sorted sums can.

    `statistic` gets how often each unit was drawn, `(units,)`. It equals `interval` with the same plan, without
    sorting again on every draw.
    """
    figures = [statistic(row) for block in weights(units, plan) for row in block]
    return _percentiles(np.array(figures, np.float64), units, unit, plan)


def weights(units: int, plan: Plan) -> Iterator[NDArray[np.float64]]:
    """How often each unit was drawn, `(draws, units)`, in blocks of rows."""
    if 0 < units * plan.draws <= min(KEPT, BLOCK):
        yield _kept(units, plan)
    else:
        yield from (_counted(block, units) for block in _drawn(units, plan))


@lru_cache(maxsize=4)
def _kept(units: int, plan: Plan) -> NDArray[np.float64]:
    (block,) = _drawn(units, plan)
    return _counted(block, units)


def _counted(block: NDArray[np.int64], units: int) -> NDArray[np.float64]:
    shifted = block + units * np.arange(len(block))[:, None]
    return np.bincount(shifted.ravel(), minlength=block.size).reshape(block.shape).astype(np.float64)


def mean_figure(
    values: Sequence[float] | NDArray[np.float64], of: str, how: Mapping[str, Setting], plan: Plan | None = None
) -> Figure:
    """Mean of the values that are defined (not NaN), their count, and with a plan its interval over them."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    value = float(known.mean()) if len(known) else float("nan")
    span = None
    if plan is not None:
        span = interval_of_sums(known[:, None], lambda sums: sums[:, 0] / len(known), of, plan)
    return Figure(value, len(known), of, how, span)


def quotient(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """`part / whole` entry by entry, NaN where `whole` is 0."""
    out: NDArray[np.float64] = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def _drawn(units: int, plan: Plan) -> Iterator[NDArray[np.int64]]:
    """Places of the drawn units, `(draws, units)`, in blocks of rows."""
    if units == 0:
        return
    random = np.random.default_rng(plan.seed)
    rows = max(1, BLOCK // units)
    for first in range(0, plan.draws, rows):
        yield random.integers(0, units, (min(rows, plan.draws - first), units))


def _percentiles(figures: NDArray[np.float64], units: int, unit: str, plan: Plan) -> Interval:
    known = figures[~np.isnan(figures)]
    low, high = float("nan"), float("nan")
    if len(known):
        tail = 50 * (1 - plan.level)
        low, high = (float(v) for v in np.percentile(known, [tail, 100 - tail]))
    return Interval(low, high, plan.level, plan.draws, units, unit, plan.seed)
