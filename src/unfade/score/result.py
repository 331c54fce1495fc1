"""What every score hands out: a number, what was counted for it, and how it was made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

COMPUTED_WITH = ("unfade", "numpy", "scipy", "scikit-image")

Setting = str | int | float | bool


@dataclass(frozen=True)
class Interval:
    """Range that holds a figure when its units are drawn again (bootstrap)."""

    low: float
    high: float
    level: float  # 0.95: 95 of 100 drawn figures lie inside
    draws: int
    units: int  # how many units were drawn from
    unit: str  # what was drawn, in the plural: "sequences", "objects", "images"
    seed: int


@dataclass(frozen=True)
class Figure:
    """A score with its count: `value` over `count` pieces of `of`, NaN where it is not defined.

    `how` names what decides the number: the matcher, its threshold and whether it is strict, the ranking, the source.
    """

    value: float
    count: int
    of: str  # what `count` counts, in the plural: "objects of the truth"
    how: Mapping[str, Setting] = field(default_factory=dict)
    interval: Interval | None = None

    def plain(self) -> dict[str, Any]:
        """Plain values for JSON; a number that is not finite becomes None."""
        out: dict[str, Any] = {"value": finite(self.value), "count": self.count, "of": self.of, "how": dict(self.how)}
        if self.interval is not None:
            out["interval"] = {name: finite(v) for name, v in vars(self.interval).items()}
        return out


@dataclass(frozen=True, eq=False)
class Scores(Mapping[str, Figure]):
    """Figures by their usual abbreviations (`SEG`, `DET`, `F1@0.50`), in the order in which they were put in.

    `curves` holds what is no single number (reliability, risk-coverage); `absent` says of each group of figures that
    the inputs do not allow why; `parts` are the scores of each sequence where several were joined; `about` what was
    compared, and how the intervals were drawn.
    """

    figures: Mapping[str, Figure]
    curves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Scores] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Figure:
        return self.figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def __or__(self, other: Scores) -> Scores:
        """Both collections as one.

        Raises
        ------
        ValueError
            If a name is in both, so that no figure is lost in silence.
        """
        twice = [name for name in other if name in self.figures]
        if twice:
            raise ValueError(f"Both collections hold {', '.join(twice)}; score each metric once.")
        return Scores(
            {**self.figures, **other.figures},
            {**self.curves, **other.curves},
            {**self.absent, **other.absent},
            {**self.parts, **other.parts},
            {**self.about, **other.about},
        )

    def only(self, names: Iterable[str]) -> Scores:
        """The figures of these names, in their order, of the parts as well; names that are not here are left out."""
        chosen = tuple(names)
        kept = {name: self.figures[name] for name in chosen if name in self.figures}
        return replace(self, figures=kept, parts={key: part.only(chosen) for key, part in self.parts.items()})

    @property
    def metrics(self) -> dict[str, float | None]:
        """The bare numbers by abbreviation; None where a figure is not defined."""
        return {name: finite(figure.value) for name, figure in self.figures.items()}

    def plain(self) -> dict[str, Any]:
        """Plain values for JSON: `metrics` (abbreviation to number), `figures` (with counts), `versions`, and more."""
        out: dict[str, Any] = {
            **self.about,
            "metrics": self.metrics,
            "figures": {name: figure.plain() for name, figure in self.figures.items()},
            "versions": versions(),
        }
        for name in ("curves", "absent"):
            if found := getattr(self, name):
                out[name] = {key: dict(v) if isinstance(v, Mapping) else v for key, v in found.items()}
        if self.parts:
            out["sequences"] = {key: _part(one) for key, one in self.parts.items()}
        return out

    def rows(self) -> list[dict[str, Any]]:
        """One flat row per figure for tables: `metric, value, low, high, drawn, count, of, how`."""
        out = []
        for name, figure in self.figures.items():
            span = figure.interval
            out.append(
                {
                    "metric": name,
                    "value": finite(figure.value),
                    "low": None if span is None else finite(span.low),
                    "high": None if span is None else finite(span.high),
                    "drawn": None if span is None else span.unit,
                    "count": figure.count,
                    "of": figure.of,
                    "how": "; ".join(f"{key} {value}" for key, value in figure.how.items()),
                }
            )
        return out


def _part(one: Scores) -> dict[str, Any]:
    whole = one.plain()
    del whole["versions"]
    return whole


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for name in COMPUTED_WITH:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:  # run from a source tree
            found.append((name, "unknown"))
    return tuple(found)


def versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    return dict(_versions())


def finite(value: Any) -> Any:
    """The value as JSON takes it: numpy scalars as Python ones, None for a number that is not finite."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
