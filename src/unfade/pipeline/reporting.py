"""Last stage of a run: the page for people."""

from __future__ import annotations

from typing import Any

import pandas as pd

from unfade.pipeline.folder import RunFolder
from unfade.pipeline.measuring import final_labels, read_summary
from unfade.records import Movie
from unfade.report.attention import worth_a_look
from unfade.report.content import ReportContent, Rescaling, Snapshot
from unfade.report.page import write
from unfade.report.pictures import cut, sketch, spread

VERSION = 1
SNAPSHOTS = 4


def report_into(folder: RunFolder, movie: Movie, channel: int, manifest: dict[str, Any]) -> dict[str, Any]:
    """Write `report.html` from the tables and a few frames."""
    objects, tracks = read_summary(folder), pd.read_csv(folder.tracks)
    labels = final_labels(folder)
    ratios = tuple((column, name) for column, name in manifest["stages"]["measure"]["ratios"])
    shown = spread(len(movie), SNAPSHOTS)
    shots = [sketch(Snapshot(t, movie.rows(t).plane(channel), labels.rows(t))) for t in shown]
    looks = worth_a_look(objects, tracks, len(movie), tuple(column for column, _ in ratios))
    write(
        folder.report,
        ReportContent(
            title=movie.source.name if movie.source is not None else "movie",
            shape=movie.shape,
            channels=movie.channels,
            calibration=movie.calibration,
            objects=objects,
            tracks=tracks,
            source=manifest["input"]["path"],
            ratios=ratios,
            snapshots=shots,
            snapshot_channel=movie.channels[channel],
            attention=looks,
            crops=cut(looks, lambda t: movie.rows(t).plane(channel), labels.rows),
            rescaling=_rescaling(manifest),
            manifest=manifest,
            notes=tuple(manifest["notes"]),
        ),
    )
    return {}


def _rescaling(manifest: dict[str, Any]) -> Rescaling:
    found = manifest["diameter"]
    low, high = manifest["system"]["settings"]["diameter_px"]
    how = {"given": "The diameter was given.", "measured": "The network measured the diameter itself."}
    return Rescaling(found["zoom"], found["px"], (low, high), how.get(found["origin"], "No object was found."))


def notes_of(movie: Movie, manifest: dict[str, Any]) -> list[str]:
    """What a user should know about a measured run: sentences for the page and the terminal."""
    notes = [*manifest.get("watched", ()), *movie.notes]
    if len(movie) == 1:
        notes.append("The movie has one frame: there is nothing to link.")
    if manifest.get("diameter", {}).get("origin") == "none found":
        notes.append("The diameter of objects could not be told, and frames were taken as they are; give --diameter.")
    measured = manifest["stages"]["measure"]
    if measured["objects"] == 0:
        notes.append("No object was found in any frame.")
    elif measured["empty_rings"]:
        few = f"{measured['empty_rings']} of {measured['objects']} objects"
        notes.append(f"{few} have no room for a cytoplasm ring; their ratios are missing.")
    haze = measured.get("haze")
    if haze is not None:
        notes.append(
            f"Light out of focus was taken off: {haze['share']:.1%} of it, spread by {haze['spread_px']:.1f} px."
            if haze["share"]
            else f"Light out of focus was not taken off, as its share cannot be told: {haze['reason']}."
        )
    mended = manifest["stages"].get("repair", {})
    carried = mended.get("updated", 0) + mended.get("interpolated", 0)
    if carried:
        notes.append(f"{carried} of {measured['objects']} objects were carried by repair, not seen in their frame.")
    return notes
