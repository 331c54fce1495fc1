"""The 79 annotated fluorescence images of paper nuclei-unet, from a user's own download.

Layout: `rawimages/NAME.tif` beside `groundtruth/NAME.tif` (labels, 0 is background); other folders are left alone.

Kromp et al., "An annotated fluorescence image dataset for training nuclear segmentation methods", Scientific Data 7
(2020); BioStudies S-BSST265, CC0. Paper nuclei-unet, section II.1: 70 images to train on and 9 to test; it does not say
which, so they are drawn here, and one in ten of the 70 is validation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unfade.datasets.stills import Still, read_pixels
from unfade.errors import MissingInputError, ShapeError

IMAGES, TEST, HELD = 79, 9, 7  # all, test, validation among the other 70
_ENDINGS = (".tif", ".tiff")


def is_kromp(folder: Path) -> bool:
    """Whether the folder has the download's layout."""
    return (folder / "rawimages").is_dir() and (folder / "groundtruth").is_dir()


def read_kromp(folder: Path, parts: tuple[str, ...] = ("train", "val", "test"), seed: int = 0) -> list[Still]:
    """Images of the named parts with their labels, in the order of their names.

    Of a folder that does not hold all 79 images the same shares are drawn, at least one of each part.

    Raises
    ------
    MissingInputError
        If the layout is another, there are fewer than three images, or an image has no mask.
    ShapeError
        If an image and its mask differ in size.
    """
    if not is_kromp(folder):
        raise MissingInputError(
            f"{folder} is no download of S-BSST265: it needs the folders rawimages and groundtruth."
        )
    files = sorted(p for p in (folder / "rawimages").iterdir() if p.suffix.lower() in _ENDINGS)
    if len(files) < 3:
        raise MissingInputError(f"{folder / 'rawimages'} holds {len(files)} images; {IMAGES} are expected.")
    part = _parts(len(files), seed)
    out = []
    for n, path in enumerate(files):
        if part[n] not in parts:
            continue
        mask = next((m for s in _ENDINGS if (m := folder / "groundtruth" / (path.stem + s)).is_file()), None)
        if mask is None:
            raise MissingInputError(f"There is no mask for {path.name} in {folder / 'groundtruth'}.")
        image, labels = read_pixels(path), read_pixels(mask)
        image = image.mean(axis=-1) if image.ndim == 3 else image
        if image.shape != labels.shape:
            raise ShapeError(f"{path.name} is {image.shape} but its mask is {labels.shape}.")
        out.append(Still(path.stem, image[None, None], labels[None].astype(np.int32), part[n]))
    return out


def _parts(count: int, seed: int) -> list[str]:
    test, held = (max(1, round(count * n / IMAGES)) for n in (TEST, HELD))
    order = np.random.default_rng(seed).permutation(count)
    kind = np.full(count, "train", dtype=object)
    kind[order[:test]], kind[order[test : test + held]] = "test", "val"
    return [str(k) for k in kind]
