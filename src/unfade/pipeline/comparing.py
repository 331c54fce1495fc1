"""Several results of one movie side by side: what each holds, where they disagree, and which is nearer to a truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.data.outputs import guarded, write_json, write_text
from unfade.errors import OutputError, SettingsError, ShapeError
from unfade.ops.relabel import areas
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.scoring import score_pairs
from unfade.pipeline.sides import LabelsLike, Side, open_side
from unfade.records import LabelImage
from unfade.score.bootstrap import Plan, interval_of_sums, quotient
from unfade.score.detection import count_objects
from unfade.score.result import Figure, Scores, versions

Progress = Callable[[str, int, int], None]
FILES = ("figures.csv", "frames.csv", "compared.json")


@dataclass(frozen=True)
class Compared:
    """What `compare` finds; results are called by their names everywhere."""

    names: tuple[str, ...]
    facts: Mapping[str, Mapping[str, Any]]  # of each result: objects, tracks, sizes, how it was made
    frames: pd.DataFrame  # frame, then `objects NAME`; `F1 A ~ B` of two results, `F1 NAME` against the truth
    agreement: Mapping[tuple[str, str], Figure]  # F1 of the objects of two results, neither being the truth
    scores: Mapping[str, Scores] = field(default_factory=dict)  # against the truth
    gains: Mapping[str, Figure] = field(default_factory=dict)  # F1 of each minus that of the first

    def plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "results": list(self.names),
            "facts": {name: dict(found) for name, found in self.facts.items()},
            "agreement": [{"results": list(pair), **figure.plain()} for pair, figure in self.agreement.items()],
            "scores": {name: found.plain() for name, found in self.scores.items()},
            "gains": {name: figure.plain() for name, figure in self.gains.items()},
            "versions": versions(),
        }

    def rows(self) -> dict[str, list[Any]]:
        """Of every figure its values for all results: facts first, then scores."""
        known = dict.fromkeys(key for found in self.facts.values() for key in found)
        rows = {key: [self.facts[n].get(key) for n in self.names] for key in known}
        scored = dict.fromkeys(key for found in self.scores.values() for key in found)
        return rows | {key: [self._value(n, key) for n in self.names] for key in scored}

    def _value(self, name: str, key: str) -> float | None:
        found = self.scores[name].get(key)
        return None if found is None else found.value


def compare(
    results: Sequence[LabelsLike],
    truth: LabelsLike | None = None,
    names: Sequence[str] | None = None,
    threshold: float = 0.5,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Compared:
    """Results of one movie side by side; with a truth also its figures and what each gains over the first.

    Objects are the same where their IoU exceeds `threshold`. Gains are differences of F1 pooled over the frames whose
    truth outlines every object; their intervals draw frames, the same for both (paired bootstrap).

    Raises
    ------
    ShapeError
        If results or truth differ in frames or size.
    SettingsError
        For fewer than two results, or names that do not fit.
    InputError, TruthError
        If a side cannot be read.
    """
    sides = [open_side(result) for result in results]
    called = _names(sides, names)
    against = None if truth is None else open_side(truth)
    _check(called, sides, against)
    seen = _look(sides, against, threshold, progress)
    plan = Plan(draws=draws, seed=seed) if draws else None
    scores, gains = {}, {}
    if truth is not None:
        for name, result in zip(called, results, strict=True):
            scores[name] = score_pairs([(result, truth)], None, 0, seed, progress)
        gains = {n: _gain(seen.nearness[0], seen.nearness[k], plan, threshold) for k, n in enumerate(called) if k}
    return Compared(
        names=called,
        facts={n: _facts(side, sizes) for n, side, sizes in zip(called, sides, seen.sizes, strict=True)},
        frames=_table(called, seen),
        agreement={(called[a], called[b]): _pooled(counts, plan, threshold) for (a, b), counts in seen.between.items()},
        scores=scores,
        gains=gains,
    )


def write(folder: Path, found: Compared) -> Path:
    """Write figures and frames as CSV and all of it as JSON into a folder; give the folder.

    Raises
    ------
    OutputError
        If it is a file, or holds something else already.
    """
    if folder.is_file() or (folder.is_dir() and any(p.name not in FILES for p in folder.iterdir())):
        raise OutputError(f"{folder} is taken by something else; choose another folder.")
    with guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / FILES[0], _figures(found).to_csv(index_label="figure", lineterminator="\n"))
        write_text(folder / FILES[1], found.frames.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
        write_json(folder / FILES[2], found.plain())
    return folder


def _figures(found: Compared) -> pd.DataFrame:
    """A row per figure and a column per result."""
    return pd.DataFrame.from_dict(found.rows(), orient="index", columns=list(found.names), dtype=object)


@dataclass(frozen=True)
class _Seen:
    """What one pass over all frames counts."""

    sizes: list[list[NDArray[np.int64]]]  # of each result and frame: areas of the objects
    between: dict[tuple[int, int], NDArray[np.float64]]  # of two results: tp, fp, fn of each frame `(T, 3)`
    nearness: list[NDArray[np.float64]]  # of each result against the truth, `(T, 3)`, NaN where it is not outlined


def _look(sides: Sequence[Side], truth: Side | None, threshold: float, progress: Progress | None) -> _Seen:
    """Read every frame of every side once."""
    count = len(sides[0].labels)
    between = {pair: np.zeros((count, 3)) for pair in combinations(range(len(sides)), 2)}
    seen = _Seen([[] for _ in sides], between, [np.full((count, 3), np.nan) for _ in sides])
    for t in range(count):
        images = [side.labels.frame(t) for side in sides]
        for sizes, image in zip(seen.sizes, images, strict=True):
            sizes.append(np.asarray(areas(image)[1]))
        for (a, b), counts in between.items():
            counts[t] = _counts(images[a], images[b], threshold)
        outlined = None if truth is None else _outlines(truth, t)
        if outlined is not None:
            for near, image in zip(seen.nearness, images, strict=True):
                near[t] = _counts(image, outlined, threshold)
        if progress is not None:
            progress("compare", t + 1, count)
    return seen


def _outlines(truth: Side, t: int) -> LabelImage | None:
    """Outlines of every object of a frame, if the truth has them."""
    marker = truth.labels.frame(t)
    found = marker if truth.outlines is None else truth.outlines.get(t)
    complete = found is not None and np.isin(areas(marker)[0], np.unique(marker[found > 0])).all()
    return found if complete else None


def _counts(a: LabelImage, b: LabelImage, threshold: float) -> tuple[int, int, int]:
    counts = count_objects(a, b, threshold, strict=True)
    return counts.tp, counts.fp, counts.fn


def _f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of counts `(…, 3)`."""
    return quotient(2 * sums[..., 0], 2 * sums[..., 0] + sums[..., 1] + sums[..., 2])


def _pooled(counts: NDArray[np.float64], plan: Plan | None, threshold: float) -> Figure:
    """F1 over all frames."""
    how = {"IoU": threshold, "strict": True}
    span = None if plan is None else interval_of_sums(counts, _f1, "frames", plan)
    objects = int((2 * counts[:, 0] + counts[:, 1] + counts[:, 2]).sum())
    return Figure(float(_f1(counts.sum(axis=0))), objects, "objects of both", how, span)


def _gain(first: NDArray[np.float64], other: NDArray[np.float64], plan: Plan | None, threshold: float) -> Figure:
    """F1 of `other` minus that of `first`, over the frames that the truth outlines."""
    both = np.concatenate([first, other], axis=1)
    both = both[~np.isnan(both).any(axis=1)]

    def difference(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return _f1(sums[..., 3:]) - _f1(sums[..., :3])

    how = {"IoU": threshold, "strict": True}
    span = None if plan is None else interval_of_sums(both, difference, "frames", plan)
    return Figure(float(difference(both.sum(axis=0))), len(both), "frames", how, span)


def _table(names: Sequence[str], seen: _Seen) -> pd.DataFrame:
    """A row per frame."""
    columns: dict[str, Any] = {"frame": np.arange(len(seen.sizes[0]))}
    columns |= {f"objects {name}": [len(s) for s in sizes] for name, sizes in zip(names, seen.sizes, strict=True)}
    columns |= {f"F1 {names[a]} ~ {names[b]}": _f1(counts) for (a, b), counts in seen.between.items()}
    near = {f"F1 {name}": _f1(counts) for name, counts in zip(names, seen.nearness, strict=True)}
    columns |= {name: values for name, values in near.items() if np.isfinite(values).any()}
    return pd.DataFrame(columns)


def _facts(side: Side, sizes: Sequence[NDArray[np.int64]]) -> dict[str, Any]:
    """What a result holds, and of a run folder how it was made."""
    number = np.array([len(s) for s in sizes])
    together = np.concatenate(sizes) if len(sizes) else np.zeros(0)
    out: dict[str, Any] = {
        "objects": int(number.sum()),
        "objects per frame": round(float(number.mean()), 2),
        "median area, px": float(np.median(together)) if len(together) else None,
    }
    if side.tracks is not None:
        lengths = side.tracks["last"] - side.tracks["first"] + 1
        mothers = side.tracks["parent"][side.tracks["parent"] > 0].value_counts()
        out["tracks"] = len(side.tracks)
        out["median track, frames"] = float(lengths.median()) if len(lengths) else None
        out["tracks over all frames"] = int((lengths == len(sizes)).sum())
        out["divisions"] = int((mothers > 1).sum())
    return out if side.path is None else {**out, **_made(RunFolder(side.path))}


def _made(run: RunFolder) -> dict[str, Any]:
    """System, weights, diameter and seconds of a run folder; nothing of anything else."""
    if not run.manifest.is_file():
        return {}
    told = run.read_manifest()
    seconds = sum(float(stage.get("seconds", 0)) for stage in told["stages"].values())
    return {
        "system": told.get("system", {}).get("name"),
        "weights": told.get("weights", {}).get("name"),
        "diameter, px": told.get("diameter", {}).get("px"),
        "repaired": run.is_repaired(),
        "seconds": round(seconds, 1),
    }


def _check(names: Sequence[str], sides: Sequence[Side], truth: Side | None) -> None:
    """All sides must be of the same frames."""
    for name, side in [*zip(names, sides, strict=True), *([] if truth is None else [("the truth", truth)])]:
        if side.labels.shape != sides[0].labels.shape:
            raise ShapeError(
                f"{name} has frames {side.labels.shape} but {names[0]} has {sides[0].labels.shape} (T, Y, X); "
                "compare results of the same movie."
            )
    runs = [(n, RunFolder(s.path)) for n, s in zip(names, sides, strict=True) if s.path is not None]
    of = {name: run.read_manifest()["input"].get("hash") for name, run in runs if run.manifest.is_file()}
    first = next(iter(of), None)
    for name, content in of.items():
        if content != of[first or name]:
            raise SettingsError(f"{name} is a run of another movie than {first}; compare results of the same movie.")


def _names(sides: Sequence[Side], given: Sequence[str] | None) -> tuple[str, ...]:
    """One name per result: those given, or the last parts of the paths that tell them apart."""
    if len(sides) < 2:
        raise SettingsError(f"A comparison needs two results or more, got {len(sides)}.")
    if given is not None:
        if len(given) != len(sides) or len(set(given)) != len(given) or not all(given):
            raise SettingsError(f"{len(sides)} results need as many different names, got {', '.join(given) or 'none'}.")
        return tuple(given)
    parts = [("labels",) if side.path is None else side.path.resolve().parts for side in sides]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-length:]) for p in parts]
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(f"{n} {name[-1]}" for n, name in enumerate(parts, 1))
