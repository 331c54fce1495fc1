"""Synthetic movies on disk, with their truth beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unfade.data import ctc
from unfade.data.outputs import replacing
from unfade.data.table import write_table
from unfade.data.tiff_writer import write_frames, write_label_frames, write_ome_tiff
from unfade.datasets.stills import read_stills, require_single
from unfade.errors import MissingInputError, OutputError, SettingsError
from unfade.settings import write_toml
from unfade.synth import (
    CellMovie,
    CellMovieSettings,
    NucleusShapes,
    StillMovie,
    StillSettings,
    TranslocationMovie,
    TranslocationSettings,
)

Progress = Callable[[str, int, int], None]
RECIPE = "synth.toml"  # settings of the movie, beside its truth


def synthesize(
    out: Path,
    settings: CellMovieSettings | TranslocationSettings,
    truth: Path | None = None,
    progress: Progress | None = None,
    stills: Path | None = None,
    overwrite: bool = False,
) -> CellMovie | TranslocationMovie:
    """Write a synthetic movie as OME-TIFF, and its truth to a folder where one is named.

    The folder is a training folder in the challenge's layout: `01` (frames of the first channel), `01_GT` (nuclei and
    lineage, `TRA` and `SEG`); beside them `cells` (label images of whole cells with the same ids), `objects.csv` (true
    areas, concentrations and ratios) and `synth.toml`. A translocation movie takes the shapes and textures of its
    nuclei from the train part of `stills` (`images/` and `masks/`), or draws them; a still that moves is one of that
    folder, of any part. With `overwrite` an earlier movie is replaced, and its truth, which must be named.

    Raises
    ------
    OutputError
        If the movie's name does not end in `.tif` or `.tiff`, a place is taken, or something cannot be written.
    SettingsError
        If stills are given for a movie that draws its own nuclei, or the nuclei are larger than the field.
    """
    _require_free(out, truth, overwrite)
    made = compose(settings, stills)

    def say(done: int, total: int) -> None:
        if progress is not None:
            progress("synthesize", done, total)

    if truth is None:
        write_ome_tiff(out, made.movie(), say)
        return made
    with replacing(truth) as part:
        _write_truth(part, made)
        write_ome_tiff(out, made.movie(), say)
    return made


def _require_free(out: Path, truth: Path | None, overwrite: bool) -> None:
    """Refuse places that hold something, unless it is an earlier movie and its truth that may be replaced."""
    if out.suffix.lower() not in {".tif", ".tiff"}:
        raise OutputError(f"A synthetic movie is an OME-TIFF; call it '{out.stem}.ome.tif' instead of '{out.name}'.")
    if out.is_dir() or (out.exists() and not overwrite):
        raise OutputError(f"{out} is there already; choose another name, remove it or give --overwrite.")
    if truth is None or not truth.exists() or (truth.is_dir() and not any(truth.iterdir())):
        return
    if not (truth / RECIPE).is_file():
        raise OutputError(f"{truth} is there already; choose another place for the truth or remove it.")
    if not overwrite:
        raise OutputError(f"{truth} is there already; choose another place, remove it or give --overwrite.")


def _write_truth(truth: Path, made: CellMovie | TranslocationMovie) -> None:
    """Masks, lineage, frames of the first channel, tables and settings of a movie."""
    nuclei = truth / "01_GT"
    ctc.write(nuclei / "TRA", made.labels().frames(), made.lineage, role="truth")
    write_label_frames(nuclei / "SEG", made.labels().frames(), "man_seg")
    write_frames(truth / "01", made.movie().frames(0))
    write_label_frames(truth / "cells", made.labels("cell").frames())
    write_table(truth / "objects.csv", made.truth())
    write_toml(truth / RECIPE, made.settings.plain())


def compose(
    settings: CellMovieSettings | TranslocationSettings, stills: Path | None = None
) -> CellMovie | TranslocationMovie:
    """The movie of these settings, not yet drawn.

    Raises
    ------
    SettingsError
        If stills are given for a movie that draws its own nuclei, or missing for one that shows a still, or the nuclei
        are larger than the field.
    MissingInputError, ShapeError
        If there is no such still, or it cannot be used.
    """
    if isinstance(settings, StillSettings):
        if stills is None:
            raise SettingsError("A still that moves is one of a folder with images/ and masks/; name it (--stills).")
        return _moving(stills, settings)
    nuclei = settings.nuclei if isinstance(settings, TranslocationSettings) else settings.growth
    if nuclei.diameter_px > min(settings.height_px, settings.width_px):
        raise SettingsError(
            f"Nuclei of {nuclei.diameter_px:g} px do not fit a field of {settings.height_px} x {settings.width_px} px; "
            "make the field larger (--height, --width) or the nuclei smaller (--diameter)."
        )
    if isinstance(settings, TranslocationSettings):
        return TranslocationMovie(settings, None if stills is None else shapes_of(stills))
    if stills is not None:
        raise SettingsError("Stills give the nuclei of a translocation movie; choose that kind or leave them out.")
    return CellMovie(settings)


def _moving(folder: Path, settings: StillSettings) -> StillMovie:
    """The movie of one still of a folder."""
    found = [s for s in read_stills(folder) if settings.still in ("", s.name) or s.name == Path(settings.still).stem]
    if not found:
        raise MissingInputError(f"There is no still '{settings.still}' in {folder / 'images'}; check its name.")
    require_single(found[0])
    return StillMovie(found[0].image[0, 0], found[0].labels[0], settings.changed(still=found[0].name))


def shapes_of(folder: Path, part: str = "train") -> NucleusShapes:
    """Nuclei of one part of a folder of stills.

    Raises
    ------
    MissingInputError
        If it is no such folder.
    ShapeError
        If no nucleus in it can be used.
    """
    found = read_stills(folder, (part,))
    return NucleusShapes.from_stills((np.asarray(s.image[0, 0]) for s in found), (s.labels[0] for s in found))
