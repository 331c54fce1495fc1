"""Annotated frames of Cell Tracking Challenge folders.

Layout: frames `SEQ/tNNN.tif`, outlines `SEQ_GT/SEG/man_segNNN.tif` on some frames. Maška et al., "The Cell Tracking
Challenge: 10 years of objective benchmarking", Nature Methods 20 (2023). The data are for research use and must be
cited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from unfade.datasets.stills import Still
from unfade.errors import MissingInputError, ShapeError
from unfade.ops.overlap import contingency
from unfade.ops.relabel import areas, remap

SEQUENCE = re.compile(r"^\d\d$")
NUMBER = re.compile(r"(\d+)\.tif$")
UNKNOWN = -1  # label of pixels that may be object or background
OWN_IDS = 1 << 17  # ids of outlines without a mark begin above this


def is_challenge(folder: Path) -> bool:
    """Whether the folder holds at least one sequence with segmentation truth."""
    return any((folder / f"{p.name}_GT" / "SEG").is_dir() for p in _sequences(folder))


def read_annotated(folder: Path, held_share: float = 0.1) -> list[Still]:
    """The frames that have segmentation truth; the last `held_share` of every sequence is validation.

    Later frames are held out together, since neighbours in time look alike.

    Raises
    ------
    MissingInputError
        If a truth image has no frame.
    ShapeError
        If a frame and its truth differ in size.
    """
    out = []
    for sequence in _sequences(folder):
        truths = sorted((folder / f"{sequence.name}_GT" / "SEG").glob("man_seg*.tif"))
        held = max(1, round(len(truths) * held_share)) if len(truths) > 1 else 0
        for place, truth in enumerate(truths):
            found = NUMBER.search(truth.name)
            number = found.group(1) if found else ""
            image = sequence / f"t{number}.tif"
            if not image.is_file():
                raise MissingInputError(f"{truth.name} of {sequence.name} has no frame {image.name}.")
            pixels, labels = tifffile.imread(image), tifffile.imread(truth)
            if pixels.shape != labels.shape:
                raise ShapeError(f"{image.name} is {pixels.shape} but {truth.name} is {labels.shape}.")
            part = "val" if place >= len(truths) - held else "train"
            out.append(Still(f"{sequence.name}/t{number}", pixels[None, None], labels[None].astype(np.int32), part))
    return out


@dataclass(frozen=True)
class Tracked(Still):
    """A sequence `image (L, 1, Y, X)` whose ids persist; labels below 0 are unknown, object or background."""

    full: np.ndarray  # (L,) whether every object of the frame is outlined, so that its background is known

    @property
    def outlined(self) -> np.ndarray:
        """Frames `(L,)` that can be compared object by object."""
        return self.full

    @property
    def diameter_px(self) -> float:
        """Median equivalent diameter of the objects of the outlined frames, NaN without any."""
        found = [areas(np.maximum(frame, 0))[1] for frame in self.labels[self.full]]
        each = np.concatenate([np.zeros(0), *found])
        return float(np.median(2 * np.sqrt(each / np.pi))) if each.size else float("nan")


def read_tracked(
    folder: Path, sequences: tuple[str, ...] = (), silver: bool = False, held_share: float = 0.0
) -> list[Tracked]:
    """Whole sequences with outlines and marks of tracks merged to ids that persist (paper hourglass, section 4.2).

    `sequences` are those to read, such as ("01",); empty = all. With `silver`, outlines of `SEQ_ST` stand in where a
    frame has none of its own. The last `held_share` of the frames of each sequence is validation.

    Raises
    ------
    MissingInputError
        If a sequence or its marks are missing.
    ShapeError
        If a frame and its truth differ in size.
    """
    places = [folder / name for name in sequences] or _sequences(folder)
    out = []
    for place in places:
        marks = _numbered(place.with_name(f"{place.name}_GT") / "TRA", "man_track")
        if not marks or not place.is_dir():
            raise MissingInputError(f"{folder} has no sequence {place.name} with marks in {place.name}_GT/TRA.")
        whole = _tracked(place, marks, silver)
        stop = len(marks) - round(len(marks) * held_share)
        for part, span in (("train", slice(0, stop)), ("val", slice(stop, len(marks)))):
            if span.start < span.stop:
                pieces = (whole.image[span], whole.labels[span], part, whole.full[span])
                out.append(Tracked(f"{place.name} {part}", *pieces))
    return out


def merged_truth(marks: np.ndarray, outlines: np.ndarray | None, above: int = OWN_IDS) -> tuple[np.ndarray, bool]:
    """Outlines `(Y, X)` with the ids of the marks `(Y, X)` that they cover most, and whether every mark is covered.

    Outlines without a mark are numbered from `above` + 1 on, since nothing says which they are in other frames. Where a
    mark has no outline, it stands for its object, and the rest of the frame is -1 (unknown).
    """
    out = np.where(marks > 0, marks.astype(np.int32), np.int32(UNKNOWN))
    if outlines is None:
        return out, False
    shared = contingency(outlines, marks)
    owner = np.zeros(len(shared.ids_a), np.int64)
    order = np.argsort(shared.n, kind="stable")
    owner[shared.i[order]] = shared.ids_b[shared.j[order]]  # the last write, of the largest share, stays
    unmarked = owner == 0
    owner[unmarked] = above + 1 + np.arange(unmarked.sum())
    full = bool(np.isin(shared.ids_b, owner).all())
    objects = remap(outlines, shared.ids_a, owner)
    if full:
        out[out == UNKNOWN] = 0
    out[objects > 0] = objects[objects > 0]
    return out, full


def _tracked(place: Path, marks: dict[int, Path], silver: bool) -> Tracked:
    gold = _numbered(place.with_name(f"{place.name}_GT") / "SEG", "man_seg")
    other = _numbered(place.with_name(f"{place.name}_ST") / "SEG", "man_seg") if silver else {}
    frames = _numbered(place, "t")
    images, labels, full = [], [], []
    above = OWN_IDS
    for number, path in marks.items():
        if number not in frames:
            raise MissingInputError(f"{path.name} of {place.name} has no frame of that number.")
        pixels, dots = tifffile.imread(frames[number]), tifffile.imread(path)
        truth = gold.get(number, other.get(number))
        outlines = None if truth is None else tifffile.imread(truth)
        if pixels.shape != dots.shape or (outlines is not None and outlines.shape != dots.shape):
            raise ShapeError(f"Frame {number} of {place.name} is {pixels.shape} but its truth is {dots.shape}.")
        found, whole = merged_truth(dots, outlines, above)
        if not whole and number in gold and number in other:
            found, whole = merged_truth(dots, tifffile.imread(other[number]), above)
        above = max(above, int(found.max()))
        images.append(pixels[None])
        labels.append(found)
        full.append(whole)
    return Tracked(place.name, np.stack(images), np.stack(labels), "train", np.array(full))


def _numbered(folder: Path, stem: str) -> dict[int, Path]:
    """Files `stem` + digits + `.tif` by their number, ascending; none where there is no folder."""
    found = {int(p.stem.removeprefix(stem)): p for p in folder.glob(f"{stem}*.tif") if p.stem[len(stem) :].isdigit()}
    return dict(sorted(found.items()))


def _sequences(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and SEQUENCE.match(p.name))
