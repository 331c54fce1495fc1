"""Annotated frames of Cell Tracking Challenge folders.

Layout: frames `SEQ/tNNN.tif`, outlines `SEQ_GT/SEG/man_segNNN.tif` on some frames. Maška et al., "The Cell Tracking
Challenge: 10 years of objective benchmarking", Nature Methods 20 (2023). The data are for research use and must be
cited.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import tifffile

from unfade.datasets.stills import Still
from unfade.errors import MissingInputError, ShapeError

SEQUENCE = re.compile(r"^\d\d$")
NUMBER = re.compile(r"(\d+)\.tif$")


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


def _sequences(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and SEQUENCE.match(p.name))
