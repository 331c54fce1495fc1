"""Third stage of a run: tables of objects and tracks, written chunk by chunk so that memory does not grow with time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from unfade.data import open_labels
from unfade.data.table import column_names, write_table
from unfade.data.table_writer import TableWriter
from unfade.data.zarr import label_kinds
from unfade.errors import SettingsError, ShapeError
from unfade.measure import Haze, MeasureSettings, ObjectMeasurer, find_haze, track_table
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.linking import read_lineage
from unfade.pipeline.repairing import ORIGINS, read_provenance
from unfade.pipeline.segmenting import frame_path, read_instances
from unfade.records import KINDS, Image, Kind, LabelImage, Labels, Lineage, Movie, Rows, Table

Progress = Callable[[str, int, int], None]


class Measured(NamedTuple):
    """What one frame gave."""

    rows: list[pd.DataFrame]
    objects: int
    empty_rings: int


def measure_haze(
    settings: MeasureSettings, marker: Image | Rows, nuclei: LabelImage | Rows | None
) -> tuple[MeasureSettings, Haze]:
    """Settings that hold the share and spread of the light out of focus, and how they were found.

    The first frame of a movie tells them, so that frames that come one by one are measured as those of a whole movie:
    its segmented channel `(Y, X)` and the nuclei found in it.
    """
    found = Haze(reason="no nuclei are segmented") if nuclei is None else find_haze(marker, nuclei)
    spread = found.spread_px or settings.haze_px
    return settings.changed(haze=found.share, haze_px=spread), found


def haze_of_run(
    settings: MeasureSettings, folder: RunFolder, movie: Movie, channel: int
) -> tuple[MeasureSettings, dict[str, Any]]:
    """The same for a run whose objects are linked, with what its record says of it; as they are where nothing asks."""
    if settings.haze != "measured":
        return settings, {}
    seen = "nucleus" in label_kinds(folder.labels)
    nuclei = open_labels(folder.labels, "nucleus").rows(0) if seen else None
    known, found = measure_haze(settings, movie.rows(0).plane(channel), nuclei)
    return known, {"haze": found._asdict()}


def measurer(
    movie: Movie, channels: tuple[int, ...], settings: MeasureSettings, repaired: bool = False
) -> ObjectMeasurer:
    """The stage that measures some channels of a movie at its own resolution."""
    named = tuple((c, movie.channels[c]) for c in channels)
    return ObjectMeasurer(settings, named, movie.calibration, repaired=repaired)


def measured(folder: RunFolder, movie: Movie, stage: ObjectMeasurer, frames: Iterable[int]) -> Iterator[Measured]:
    """Every object of some frames of a run whose objects are linked."""
    if folder.is_repaired():
        yield from _measured_repaired(folder, movie, stage, frames)
        return
    lineage, kinds = read_lineage(folder.lineage), label_kinds(folder.labels)
    order = np.argsort(lineage.frame, kind="stable")
    bounds = np.searchsorted(lineage.frame[order], np.arange(len(movie) + 1))
    labels = [open_labels(folder.labels, kind) for kind in kinds]
    stages = [ObjectMeasurer(stage.settings, stage.channels, stage.calibration, kind) for kind in kinds]
    for t in frames:
        nodes, image = order[bounds[t] : bounds[t + 1]], movie.rows(t)
        found = []
        for kind, of_kind, measure in zip(kinds, labels, stages, strict=True):
            item = (t, image, of_kind.rows(t), *_doubts(folder, lineage, t, nodes, kind))
            state, rows = measure.push(measure.start(), item)
            found.append(Measured(rows, state.objects, state.empty_rings))
        rows = [row for one in found for row in one.rows]
        yield Measured(rows, found[0].objects, sum(one.empty_rings for one in found))


def _measured_repaired(
    folder: RunFolder, movie: Movie, stage: ObjectMeasurer, frames: Iterable[int]
) -> Iterator[Measured]:
    """The same for repaired labels: every row says whether its object was seen or carried, and how sure that is."""
    made, seen, labels = read_provenance(folder.provenance), read_lineage(folder.lineage), open_labels(folder.repaired)
    ends = np.searchsorted(made.lineage.frame, np.arange(len(movie) + 1))
    known = np.argsort(seen.frame, kind="stable")
    bounds = np.searchsorted(seen.frame[known], np.arange(len(movie) + 1))
    for t in frames:
        at = slice(ends[t], ends[t + 1])
        tracks = made.lineage.track[at].tolist()
        _, parts = _doubts(folder, seen, t, known[bounds[t] : bounds[t + 1]])
        before = zip(tracks, made.seen_as[at].tolist(), made.origin[at].tolist(), strict=True)
        doubt = {k: parts[was] for k, was, origin in before if origin == 0}
        words = [ORIGINS[k] for k in made.origin[at]]
        origin = dict(zip(tracks, zip(words, made.age[at].tolist(), strict=True), strict=True))
        sure = dict(zip(tracks, made.sure[at].tolist(), strict=True))
        state, rows = stage.push(stage.start(), (t, movie.rows(t), labels.rows(t), sure, doubt, origin))
        yield Measured(rows, state.objects, state.empty_rings)


def final_lineage(folder: RunFolder) -> Lineage:
    """The lineage that the run's tables are made of, after repair where it was repaired."""
    return read_provenance(folder.provenance).lineage if folder.is_repaired() else read_lineage(folder.lineage)


def final_labels(folder: RunFolder) -> Labels:
    """The label images that the run's tables are made of."""
    return open_labels(folder.repaired if folder.is_repaired() else folder.labels)


def measure_into(
    folder: RunFolder,
    movie: Movie,
    channels: tuple[int, ...],
    settings: MeasureSettings,
    progress: Progress | None = None,
    found: Iterable[Measured] | None = None,
) -> dict[str, Any]:
    """Write the tables of objects and tracks; give counts. `found` holds all frames if others have measured them."""
    stage, count = measurer(movie, channels, settings, folder.is_repaired()), len(movie)
    objects = empty_rings = 0
    with TableWriter(folder.objects.with_suffix(""), Table(stage.empty_table(), stage.units())) as writer:
        for t, one in enumerate(measured(folder, movie, stage, range(count)) if found is None else found):
            for part in one.rows:
                writer.append(part)
            objects, empty_rings = objects + one.objects, empty_rings + one.empty_rings
            if progress is not None:
                progress("measure", t + 1, count)
    tracks = track_table(read_summary(folder), final_lineage(folder).tracks(), movie.calibration)
    write_table(folder.tracks, tracks)
    return {
        "objects": objects,
        "tracks": len(tracks),
        "empty_rings": empty_rings,
        "ratios": [list(r) for r in stage.ratios()],
    }


def read_summary(folder: RunFolder) -> pd.DataFrame:
    """The columns of the objects table that tracks and report are made from; the others stay on disk."""
    wanted = {"frame", "track", "kind", "y_px", "x_px", "area_px", "touches_border"}
    wanted |= {"origin", "age", "confidence", "place_error_px"}
    names = column_names(folder.objects)
    return pd.read_parquet(folder.objects, columns=[n for n in names if n in wanted or n.startswith("ratio_")])


def _doubts(
    folder: RunFolder, lineage: Lineage, t: int, nodes: np.ndarray, kind: Kind = "nucleus"
) -> tuple[dict[int, float], dict[int, tuple[float, ...]]]:
    """Confidence of every track seen in frame `t`, one minus the mean uncertainty of its object, and its parts."""
    found = read_instances(frame_path(folder.instances, t))
    mine = found.kind == KINDS.index(kind)
    parts = np.stack([found.u_total, found.u_data, found.u_model], axis=1)[mine].tolist()
    by_label = dict(zip(found.id[mine].tolist(), map(tuple, parts), strict=True))
    pairs = zip(lineage.track[nodes].tolist(), lineage.label[nodes].tolist(), strict=True)
    of = {track: by_label[label] for track, label in pairs if label in by_label}  # a cell may lack its nucleus
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
    settings = _told_by_any_channel(settings, movie, labels)
    stage = ObjectMeasurer(settings, tuple(enumerate(movie.channels)), movie.calibration, labels.kind)
    state, parts = stage.start(), [stage.empty_table()]
    for t in range(len(movie)):
        state, rows = stage.push(state, (t, movie.rows(t), labels.rows(t), None))
        parts.extend(part for part in rows if len(part))
        if progress is not None:
            progress("measure", t + 1, len(movie))
    return Table(pd.concat(parts[1:] or parts, ignore_index=True), stage.units())


def _told_by_any_channel(settings: MeasureSettings, movie: Movie, labels: Labels) -> MeasureSettings:
    """Settings with the haze of the channel that tells it best: no one says here which is the marker.

    Raises
    ------
    SettingsError
        If no channel tells it.
    """
    if settings.haze != "measured":
        return settings
    nuclei = labels.rows(0) if labels.kind == "nucleus" and len(movie) else None
    told = [measure_haze(settings, movie.rows(0).plane(c), nuclei) for c in range(movie.shape[1] if len(movie) else 0)]
    best = min(
        (pair for pair in told if pair[1].share > 0), key=lambda pair: pair[1].error / pair[1].share, default=None
    )
    if best is None:
        reason = told[0][1].reason if told else "there is no frame"
        raise SettingsError(f"The haze cannot be told, as {reason}; give its share, or 0.")
    return best[0]
