"""What is compared: a run folder, a challenge folder or label stack as one side, and parents that hold several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from unfade.data import ctc, open_labels
from unfade.data.reading import is_zarr
from unfade.errors import InputError, MissingInputError
from unfade.instances.boxes import taken
from unfade.pipeline.folder import RunFolder
from unfade.records import KINDS, Instances, LabelImage, Labels
from unfade.score.comparison import Repaired

IMAGES = (".tif", ".tiff", ".png")
LabelsLike = Labels | np.ndarray | str | Path


@dataclass(frozen=True)
class Side:
    """One side of a comparison: labels, tracks where known, outlines where they are apart from the labels."""

    path: Path | None  # None: from memory
    labels: Labels
    tracks: pd.DataFrame | None = None  # track, first, last, parent
    outlines: Mapping[int, LabelImage] | None = None  # None: the labels are the outlines
    found: Callable[[int], Instances] | None = None  # objects of a frame as segmented
    repaired: Callable[[int], Repaired] | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the labels" if self.path is None else str(self.path)


@dataclass(frozen=True)
class Pair:
    """A result and its truth."""

    name: str  # of the sequence
    pred: LabelsLike
    truth: LabelsLike


def open_side(source: LabelsLike) -> Side:
    """Labels and tracks of a run folder, a challenge folder, a label stack, or an array `(T, Y, X)`.

    Raises
    ------
    InputError, TruthError
        If it is none of them or breaks the rules of its format.
    """
    if isinstance(source, Labels | np.ndarray):
        return Side(None, source if isinstance(source, Labels) else Labels.of(source))
    path = Path(source)
    run = RunFolder(path)
    if run.labels.is_dir():
        return _open_run(run)
    if path.is_dir() and ctc.is_challenge(path):
        read = ctc.read(path)
        return Side(path, read.labels, read.tracks, read.seg if read.role == "truth" else None)
    inside = sequences(path)
    if len(inside) == 1:
        return open_side(inside[0])
    if inside:
        raise InputError(f"{path} holds several sequences; give one of them: {', '.join(p.name for p in inside)}.")
    return Side(path, open_labels(path))


def pair_up(pred: LabelsLike, truth: LabelsLike) -> list[Pair]:
    """The pair as it is, or one pair per sequence where both are parents: `01_RES` with `01_GT`, `02_RES` with `02_GT`.

    Sequences are joined by name, without `_RES` and `_GT`.

    Raises
    ------
    InputError
        If one side is a parent and the other is not, or a sequence of the truth has no result.
    """
    if not isinstance(pred, str | Path) or not isinstance(truth, str | Path):
        return [Pair("", pred, truth)]
    left, right = sequences(Path(pred), "_RES"), sequences(Path(truth), "_GT")
    if not left and not right:
        return [Pair("", pred, truth)]
    if len(left) + len(right) == 1:  # a folder that holds nothing but the one sequence
        return [Pair("", left[0], truth) if left else Pair("", pred, right[0])]
    if not left or not right:
        parent, inside, one = (pred, left, truth) if left else (truth, right, pred)
        raise InputError(
            f"{parent} holds the sequences {', '.join(p.name for p in inside)}, but {one} is a single one or holds "
            "none; give two single ones or two parents."
        )
    results = {_sequence(p): p for p in left}
    lost = [p.name for p in right if _sequence(p) not in results]
    if lost:
        raise MissingInputError(
            f"{pred} has no result for {', '.join(lost)} of {truth}; it has {', '.join(p.name for p in left)}."
        )
    return [Pair(_sequence(p), results[_sequence(p)], p) for p in right]


def sequences(folder: Path, suffix: str = "") -> list[Path]:
    """Folders inside a parent that can be scored, by name; none if it is no parent.

    Those that end with `suffix` if there are any, otherwise run folders, challenge folders and OME-Zarr labels.
    """
    if not folder.is_dir() or is_zarr(folder) or RunFolder(folder).labels.is_dir() or ctc.is_challenge(folder):
        return []
    inside = sorted(folder.iterdir())
    if any(p.suffix.lower() in IMAGES for p in inside):
        return []
    readable = [p for p in inside if RunFolder(p).labels.is_dir() or ctc.is_challenge(p) or is_zarr(p)]
    named = [p for p in readable if p.name.endswith(suffix)]
    return named or readable


def _sequence(path: Path) -> str:
    """Name of a sequence: `01` of `01_GT`, `01_RES` and `01.ome.zarr`."""
    name = path.name.partition(".")[0]
    return name.removesuffix("_GT").removesuffix("_RES")


def _found(run: RunFolder) -> Callable[[int], Instances] | None:
    """Reads the objects of a frame as they were segmented; None where the run did not keep them."""
    if not run.instances.is_dir() or not any(run.instances.glob("*.npz")):
        return None

    def read(t: int) -> Instances:
        from unfade.pipeline.segmenting import frame_path, read_instances

        return _of_kind(read_instances(frame_path(run.instances, t)), KINDS.index("nucleus"))

    return read


def _of_kind(found: Instances, kind: int) -> Instances:
    """The objects of one kind in the frame in question, the last one of those that were segmented together."""
    last = found.shape[0] - 1
    keep = np.flatnonzero((found.kind == kind) & (found.frame == last))
    if len(keep) == len(found) and last == 0:
        return found
    return replace(taken(found, keep), shape=(1, *found.shape[1:]), frame=np.zeros(len(keep), np.int32))


def _open_run(run: RunFolder) -> Side:
    """The labels that the run's tables are made of: after repair where it was repaired."""
    tracks = pd.read_csv(run.tracks) if run.tracks.is_file() else None
    if not run.is_repaired():
        return Side(run.root, open_labels(run.labels), tracks, found=_found(run))
    return Side(run.root, open_labels(run.repaired), tracks, found=_found(run), repaired=_repaired(run))


def _repaired(run: RunFolder) -> Callable[[int], Repaired]:
    """Reads the labels of a frame before repair and the origin of its objects."""
    labels = open_labels(run.labels)
    rows = pd.read_parquet(run.objects, columns=["frame", "track", "origin"])
    changed = rows[rows["origin"] != "seen"]
    origin: dict[int, dict[int, str]] = {}
    for frame, track, word in zip(changed["frame"], changed["track"], changed["origin"], strict=True):
        origin.setdefault(int(frame), {})[int(track)] = str(word)

    def read(t: int) -> Repaired:
        return Repaired(labels.frame(t), origin.get(t, {}))

    return read
