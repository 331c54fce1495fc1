"""Scores of anything against anything: run folders, challenge folders and label stacks in any mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from unfade.data import ctc, open_labels
from unfade.errors import SettingsError, ShapeError
from unfade.ops.relabel import areas
from unfade.pipeline.folder import RunFolder
from unfade.records import LabelImage, Labels
from unfade.score.bootstrap import Plan
from unfade.score.boundaries import score_boundaries
from unfade.score.detection import score_objects
from unfade.score.pixels import score_pixels
from unfade.score.result import Scores
from unfade.score.sequence import score_sequence


@dataclass(frozen=True)
class Side:
    """One side of a comparison: labels, tracks where known, outlines where they are apart from the labels."""

    path: Path
    labels: Labels
    tracks: pd.DataFrame | None = None  # track, first, last, parent
    outlines: Mapping[int, LabelImage] | None = None  # None: the labels are the outlines


@dataclass(frozen=True)
class _Lazy(Mapping[int, LabelImage]):
    """Every frame of labels as a mapping that reads when asked."""

    labels: Labels

    def __getitem__(self, t: int) -> LabelImage:
        return self.labels.frame(t)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.labels)))

    def __len__(self) -> int:
        return len(self.labels)


def open_side(path: Path) -> Side:
    """Labels and tracks of a run folder, a challenge folder or a label stack.

    Raises
    ------
    InputError, TruthError
        If it is none of them or breaks the rules of its format.
    """
    run = RunFolder(path)
    if run.labels.is_dir():
        tracks = pd.read_csv(run.tracks) if run.tracks.is_file() else None
        return Side(path, open_labels(path), tracks)
    if path.is_dir() and ctc.is_challenge(path):
        found = ctc.read(path)
        return Side(path, found.labels, found.tracks, found.seg if found.role == "truth" else None)
    return Side(path, open_labels(path))


def score_paths(
    pred: Path, truth: Path, metrics: Sequence[str] | None = None, draws: int = 1000, seed: int = 0
) -> Scores:
    """All figures that the two sides allow, or those named.

    Objects (`AP@…`, `F1@…`, `PQ@…`), pixels (`Dice`, …) and boundaries (`HD`, …) are scored on frames whose truth
    outlines every object, the latter two on the union of all masks; tracking and challenge
    figures need more than one frame. Intervals are 95 % bootstraps of `draws` over frames, for SEG over
    objects; 0 draws give none.

    Raises
    ------
    ShapeError
        If the sides differ in frames or size.
    SettingsError
        If a named metric is not among the figures that these sides give.
    """
    a, b = open_side(pred), open_side(truth)
    if a.labels.shape != b.labels.shape:
        raise ShapeError(
            f"{pred} has frames {a.labels.shape} but {truth} has {b.labels.shape} (T, Y, X); score like with like."
        )
    out, plan = Scores({}), Plan(draws=draws, seed=seed) if draws else None
    if len(a.labels) > 1:
        outlines = b.outlines if b.outlines is not None else _Lazy(b.labels)
        out = out | score_sequence(
            a.labels.frames(), a.tracks, b.labels.frames(), b.tracks, outlines or None, plan=plan
        )
    frames = [t for t in range(len(b.labels)) if _complete(b, t)]
    if frames:

        def pairs() -> Iterator[tuple[LabelImage, LabelImage]]:
            for t in frames:
                yield a.labels.frame(t), b.outlines[t] if b.outlines else b.labels.frame(t)

        out = out | score_objects(pairs(), strict=True, plan=plan)
        out = out | score_pixels(pairs(), plan) | score_boundaries(pairs(), plan)
    return out if not metrics else _chosen(out, metrics)


def _complete(truth: Side, t: int) -> bool:
    """Whether every object of the truth has an outline in frame `t`."""
    if truth.outlines is None:
        return True
    if t not in truth.outlines:
        return False
    return len(areas(truth.outlines[t])[0]) >= len(areas(truth.labels.frame(t))[0])


def _chosen(scores: Scores, metrics: Sequence[str]) -> Scores:
    by_name = {name.lower(): name for name in scores}
    missing = [m for m in metrics if m.lower() not in by_name]
    if missing:
        raise SettingsError(f"There is no figure '{missing[0]}' here; there are {', '.join(scores)}.")
    return Scores({by_name[m.lower()]: scores[by_name[m.lower()]] for m in metrics})
