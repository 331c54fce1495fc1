"""Folders of stills with label images, and the Data Science Bowl 2018 nuclei with their split.

Layout: `images/NAME.tif` beside `masks/NAME.tif` (labels, 0 is background), file names match. A movie `(T, Y, X)` or
`(T, C, Y, X)` beside labels `(T, Y, X)` may stand in place of a still. An optional `split.csv` with the
columns `file, group, part` (part = train | val | test) keeps related stills on one side.

Data Science Bowl 2018: Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl",
Nature Methods 16 (2019); Broad Bioimage Benchmark Collection BBBC038v1, CC0.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tifffile

from unfade.errors import MissingInputError, ShapeError, TruthError
from unfade.ops.relabel import areas, of_kind

SUFFIXES = (".tif", ".tiff", ".png")


@dataclass(frozen=True)
class Still:
    """One labelled sequence of L frames (a still has one): `image (L, C, Y, X)`, `labels (L, Y, X)`."""

    name: str
    image: np.ndarray
    labels: np.ndarray
    part: str  # train | val | test

    @property
    def outlined(self) -> np.ndarray:
        """Frames `(L,)` in which every object is outlined: all."""
        return np.ones(len(self.labels), bool)

    @property
    def diameter_px(self) -> float:
        """Median equivalent diameter of its objects, every frame by itself, NaN without objects."""
        area = np.concatenate([np.zeros(0), *(areas(frame)[1] for frame in self.labels)])
        return float(np.median(2 * np.sqrt(area / np.pi))) if area.size else float("nan")

    def only(self, kind: str) -> Still:
        """The same with the labels of one kind, where cells come with their nuclei marked."""
        return replace(self, labels=of_kind(self.labels, kind))


def read_stills(folder: Path, parts: tuple[str, ...] = ("train", "val", "test"), seed: int = 0) -> list[Still]:
    """All stills of the named parts, in the order of their names.

    Without a `split.csv`, a tenth of the files (drawn with `seed`) is `val`, the rest `train`.

    Raises
    ------
    MissingInputError
        If the folders or the mask of an image are missing.
    ShapeError
        If an image and its mask differ in size.
    """
    images, masks = folder / "images", folder / "masks"
    for need in (images, masks):
        if not need.is_dir():
            raise MissingInputError(f"{folder} is no training folder: it has no '{need.name}' folder inside.")
    files = sorted(p for p in images.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise MissingInputError(f"There is no TIFF or PNG image in {images}.")
    part_of = _split(folder / "split.csv", [p.name for p in files], seed)
    out = []
    for path in files:
        part = part_of[path.name]
        if part not in parts:
            continue
        mask = next((masks / (path.stem + s) for s in SUFFIXES if (masks / (path.stem + s)).is_file()), None)
        if mask is None:
            raise MissingInputError(f"There is no mask for {path.name} in {masks}.")
        out.append(_still(path, read_pixels(path), read_pixels(mask), part))
    return out


def _still(path: Path, image: np.ndarray, labels: np.ndarray, part: str) -> Still:
    """Labels `(Y, X)` belong to a still, grey or in colour, labels `(T, Y, X)` to a movie of one or more channels."""
    shapes = f"{path.name} is {image.shape} but its mask is {labels.shape}."
    if labels.ndim == 2:
        image, labels = (image.mean(axis=-1) if image.ndim == 3 else image)[None], labels[None]
    image = image[:, None] if image.ndim == 3 else image
    if image.ndim != 4 or labels.ndim != 3 or (len(image), *image.shape[2:]) != labels.shape:
        raise ShapeError(shapes)
    return Still(path.stem, image, labels.astype(np.int32), part)


def write_stills(folder: Path, stills: Iterable[Still]) -> int:
    """Write stills of one channel as `images/`, `masks/` and `split.csv`; give their number.

    What comes before an `@` in a name is its group, so that crops of one image stay on one side.

    Raises
    ------
    TruthError
        If a still has more than 65,535 objects, or two have the same name.
    ShapeError
        If there is more than one frame or channel.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = [("file", "group", "part")]
    known: set[str] = set()
    for still in stills:
        require_single(still)
        if still.name in known:
            raise TruthError(f"There are two images of the name {still.name}; give one of them another name.")
        known.add(still.name)
        if int(still.labels.max(initial=0)) > 65_535:
            raise TruthError(f"{still.name} has labels above 65,535, which a mask image cannot hold; renumber them.")
        file = f"{still.name}.tif"
        tifffile.imwrite(folder / "images" / file, np.ascontiguousarray(still.image[0, 0]), compression="zlib")
        tifffile.imwrite(folder / "masks" / file, still.labels[0].astype(np.uint16), compression="zlib")
        rows.append((file, still.name.split("@")[0], still.part))
    with (folder / "split.csv").open("w", newline="", encoding="utf-8") as file_:
        csv.writer(file_, lineterminator="\n").writerows(rows)
    return len(rows) - 1


def require_single(still: Still) -> None:
    """Make sure that it is one frame of one channel.

    Raises
    ------
    ShapeError
        If it is a movie, or has several channels.
    """
    frames, channels = still.image.shape[:2]
    if frames != 1 or channels != 1:
        raise ShapeError(
            f"{still.name} has {frames} frames and {channels} channels, but a still is one frame of one channel; "
            "save its frames as images of their own."
        )


def read_pixels(path: Path) -> np.ndarray:
    """A TIFF, PNG or JPEG image as it is stored."""
    if path.suffix.lower() in {".tif", ".tiff"}:
        return np.asarray(tifffile.imread(path))
    import imagecodecs

    return np.asarray(imagecodecs.imread(path))


def _split(path: Path, names: list[str], seed: int) -> dict[str, str]:
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            known = {row["file"]: row["part"] for row in csv.DictReader(file)}
        missing = [n for n in names if n not in known]
        if missing:
            raise TruthError(f"{path} does not name {len(missing)} of the images, the first is {missing[0]}.")
        return known
    order = np.random.default_rng(seed).permutation(len(names))
    held = set(order[: max(1, len(names) // 10)].tolist()) if len(names) > 1 else set()
    return {n: "val" if i in held else "train" for i, n in enumerate(names)}
