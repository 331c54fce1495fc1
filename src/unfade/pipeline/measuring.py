"""Third stage of a run: tables of objects and tracks, written chunk by chunk so that memory does not grow with time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from unfade.data import open_labels
from unfade.data.table import column_names, write_table
from unfade.data.table_writer import TableWriter
from unfade.errors import ShapeError
from unfade.measure import MeasureSettings, ObjectMeasurer, track_table
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.linking import read_lineage
from unfade.pipeline.segmenting import frame_path, read_instances
from unfade.records import Labels, Lineage, Movie, Table

Progress = Callable[[str, int, int], None]


def measure_into(
    folder: RunFolder,
    movie: Movie,
    channels: tuple[int, ...],
    settings: MeasureSettings,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure every object of every frame at the movie's own resolution, then every track; give counts."""
    lineage, labels = read_lineage(folder.lineage), open_labels(folder.labels)
    stage = ObjectMeasurer(settings, tuple((c, movie.channels[c]) for c in channels), movie.calibration)
    state = stage.start()
    order = np.argsort(lineage.frame, kind="stable")
    bounds = np.searchsorted(lineage.frame[order], np.arange(len(movie) + 1))
    with TableWriter(folder.objects.with_suffix(""), Table(stage.empty_table(), stage.units())) as writer:
        for t in range(len(movie)):
            nodes = order[bounds[t] : bounds[t + 1]]
            state, rows = stage.push(state, (t, movie.frame(t), labels.frame(t), *_doubts(folder, lineage, t, nodes)))
            for part in rows:
                writer.append(part)
            if progress is not None:
                progress("measure", t + 1, len(movie))
    tracks = track_table(read_summary(folder), lineage.tracks(), movie.calibration)
    write_table(folder.tracks, tracks)
    return {"objects": state.objects, "empty_rings": state.empty_rings, "ratios": [list(r) for r in stage.ratios()]}


def read_summary(folder: RunFolder) -> pd.DataFrame:
    """The columns of the objects table that tracks and report are made from; the others stay on disk."""
    wanted = {"frame", "track", "kind", "y_px", "x_px", "area_px", "touches_border"}
    names = column_names(folder.objects)
    return pd.read_parquet(folder.objects, columns=[n for n in names if n in wanted or n.startswith("ratio_")])


def _doubts(
    folder: RunFolder, lineage: Lineage, t: int, nodes: np.ndarray
) -> tuple[dict[int, float], dict[int, tuple[float, ...]]]:
    """Confidence of every track seen in frame `t`, one minus the mean uncertainty of its object, and its parts."""
    found = read_instances(frame_path(folder.instances, t))
    parts = np.stack([found.u_total, found.u_data, found.u_model], axis=1).tolist()
    by_label = dict(zip(found.id.tolist(), map(tuple, parts), strict=True))
    of = {int(k): by_label[int(n)] for k, n in zip(lineage.track[nodes], lineage.label[nodes], strict=True)}
    return {track: 1 - total for track, (total, _, _) in of.items()}, of


def measure_labels(movie: Movie, labels: Labels, settings: MeasureSettings, progress: Progress | None = None) -> Table:
    """Measure labels that come from anywhere; all channels, confidences unknown.

    Raises
    ------
    ShapeError
        If movie and labels differ in frames or size.
    """
    if labels.shape != (len(movie), *movie.shape[2:]):
        raise ShapeError(f"The labels are {labels.shape} but the movie has frames {(len(movie), *movie.shape[2:])}.")
    stage = ObjectMeasurer(settings, tuple(enumerate(movie.channels)), movie.calibration, labels.kind)
    state, parts = stage.start(), [stage.empty_table()]
    for t in range(len(movie)):
        state, rows = stage.push(state, (t, movie.frame(t), labels.frame(t), None))
        parts.extend(part for part in rows if len(part))
        if progress is not None:
            progress("measure", t + 1, len(movie))
    return Table(pd.concat(parts[1:] or parts, ignore_index=True), stage.units())
