"""Frames of a finished run as something to learn from, for trainings that need no truth (imperfect, section 3.3)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unfade.data import open_labels, open_movie
from unfade.datasets.stills import Still
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.settings import RunSettings
from unfade.settings import read_toml

MOST = 100  # frames taken at most, evenly over the movie
HELD = 10  # the last of so many frames is kept for validation


def is_run(folder: Path) -> bool:
    """Whether this is a finished run folder."""
    return folder.is_dir() and RunFolder(folder).complete()


def read_run(folder: Path) -> list[Still]:
    """Frames of the segmented channel of a finished run with the objects that were seen in them.

    Raises
    ------
    InputError
        If the movie of the run is missing.
    """
    run = RunFolder(folder)
    settings = RunSettings.parse(read_toml(run.settings))
    movie = open_movie(Path(settings.input.path or run.read_manifest()["input"]["path"]), settings.input.read)
    channel, labels = movie.channel(settings.input.segment_channel), open_labels(run.labels)
    chosen = np.unique(np.linspace(0, len(movie) - 1, min(len(movie), MOST)).round().astype(int)).tolist()
    stills = []
    for k, t in enumerate(chosen):
        part = "val" if k % HELD == HELD - 1 else "train"
        image = np.asarray(movie.frame(t, channel))[None, None]
        stills.append(Still(f"frame {t}", image, np.asarray(labels.frame(t), np.int32)[None], part))
    return stills
