"""A user's training folder of any known layout, as stills or sequences with labels."""

from __future__ import annotations

from pathlib import Path

from unfade.datasets.challenge import is_challenge, read_annotated
from unfade.datasets.stills import Still, read_stills
from unfade.errors import MissingInputError


def read_training_folder(folder: Path) -> list[Still]:
    """Labelled images of `images/` + `masks/` (with an optional `split.csv`) or of a challenge folder.

    Raises
    ------
    MissingInputError
        If the folder is missing or has neither layout.
    """
    if not folder.is_dir():
        raise MissingInputError(f"There is no folder {folder}.")
    if (folder / "images").is_dir() or (folder / "masks").is_dir():
        return read_stills(folder)
    if is_challenge(folder):
        return read_annotated(folder)
    raise MissingInputError(
        f"{folder} is no training folder: it needs images/ and masks/, or sequences like 01/ with 01_GT/SEG/."
    )
