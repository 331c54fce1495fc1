"""A run folder in the formats of others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from unfade.data import ctc
from unfade.data.geff import write_geff
from unfade.data.outputs import guarded, replacing
from unfade.data.table import read_table, sidecar
from unfade.errors import MissingInputError, OutputError
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.measuring import final_labels, final_lineage
from unfade.records import Lineage

Format = Literal["ctc", "geff", "csv"]


def export(run: Path, to: Format, destination: Path) -> Path:
    """Write a finished run as a challenge result folder, a GEFF graph or CSV tables; give the place written to.

    Raises
    ------
    MissingInputError
        If `run` is no finished run folder.
    OutputError
        If the destination is taken.
    """
    folder = RunFolder(run)
    if not (run.is_dir() and folder.complete()):
        raise MissingInputError(f"{run} is no finished run folder; make one with 'unfade run MOVIE -o {run}'.")
    if destination.exists() and not (destination.is_dir() and not any(destination.iterdir())):
        raise OutputError(f"{destination} is there already; choose another place or remove it.")
    tracks, labels = by_track(final_lineage(folder)), final_labels(folder)
    with guarded(destination):
        if to == "ctc":
            ctc.write(destination, labels.frames(), tracks, renumber=True)
        elif to == "geff":
            write_geff(destination, tracks, read_table(folder.objects), labels.calibration)
        else:
            _write_tables(destination, folder, tracks)
    return destination


def _write_tables(destination: Path, folder: RunFolder, tracks: Lineage) -> None:
    """The tables of objects and tracks with their units, and who descends from whom."""
    with replacing(destination) as part:
        part.mkdir()
        for table in (folder.objects.with_suffix(".csv"), folder.tracks):
            for file in (table, sidecar(table)):
                shutil.copyfile(file, part / file.name)
        pd.DataFrame(tracks.parents, columns=["child", "parent"]).to_csv(part / "parents.csv", index=False)


def by_track(lineage: Lineage) -> Lineage:
    """The lineage as the run's label images show it: the value of an object is its track."""
    return Lineage(lineage.frame, lineage.track.astype(np.int32), lineage.track, lineage.confidence, lineage.parents)
