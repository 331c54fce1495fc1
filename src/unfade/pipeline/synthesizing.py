"""Synthetic movies on disk, with their truth beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unfade.data import ctc
from unfade.data.table import write_table
from unfade.data.tiff_writer import write_label_frames, write_ome_tiff
from unfade.errors import OutputError
from unfade.settings import write_toml
from unfade.synth import CellMovie, CellMovieSettings

Progress = Callable[[str, int, int], None]


def synthesize(
    out: Path, settings: CellMovieSettings, truth: Path | None = None, progress: Progress | None = None
) -> CellMovie:
    """Write a synthetic movie as OME-TIFF, and its truth to a folder where one is named.

    The folder gets `01_GT` (nuclei and lineage in the challenge's layout, `TRA` and `SEG`), `cells` (label images of
    whole cells with the same ids), `objects.csv` (true areas, concentrations and ratios) and `synth.toml`.

    Raises
    ------
    OutputError
        If the movie's name does not end in `.tif` or `.tiff`, the folder is taken, or something cannot be written.
    """
    if out.suffix.lower() not in {".tif", ".tiff"}:
        raise OutputError(f"A synthetic movie is an OME-TIFF; call it '{out.stem}.ome.tif' instead of '{out.name}'.")
    if truth is not None and truth.exists() and (not truth.is_dir() or any(truth.iterdir())):
        raise OutputError(f"{truth} is there already; choose another place for the truth or remove it.")
    made = CellMovie(settings)

    def say(done: int, total: int) -> None:
        if progress is not None:
            progress("synthesize", done, total)

    write_ome_tiff(out, made.movie(), say)
    if truth is not None:
        nuclei = truth / "01_GT"
        ctc.write(nuclei / "TRA", made.labels().frames(), made.lineage, role="truth")
        write_label_frames(nuclei / "SEG", made.labels().frames(), "man_seg")
        write_label_frames(truth / "cells", made.labels("cell").frames())
        write_table(truth / "objects.csv", made.truth())
        write_toml(truth / "synth.toml", settings.plain())
    return made
