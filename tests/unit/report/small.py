"""A small run to report about: six nuclei that cross ten frames, one of them seen late, one with a gap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.records import Calibration
from unfade.report.attention import worth_a_look
from unfade.report.content import ReportContent, Rescaling, Snapshot
from unfade.report.pictures import cut

FRAMES, HEIGHT, WIDTH = 10, 48, 80
TRACKS = 6
HOSTILE = "<img src=x onerror=\"document.title='broken'\"></script><script>window.broken=1</script> '&amp; \u202e名"


def stack(frames: int = FRAMES) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """A movie `(T, Y, X)` of discs and its labels."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    labels = np.zeros((frames, HEIGHT, WIDTH), np.int32)
    for t in range(frames):
        for track in range(1, TRACKS + 1):
            if (track == 5 and t < frames - 1 and frames > 1) or (track == 6 and t == 4):
                continue
            centre = (14 + 20 * ((track - 1) // 3), 10 + 27 * ((track - 1) % 3) + t)
            labels[t][(y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= (3 if track == 4 else 7) ** 2] = track
    noise = np.random.default_rng(0).integers(0, 40, labels.shape)
    return (100 + 900 * (labels > 0) + noise).astype(np.uint16), labels


def objects_of(labels: NDArray[np.int32]) -> pd.DataFrame:
    """The objects table of a stack of labels."""
    rows = []
    for t, image in enumerate(labels):
        for track in np.unique(image[image > 0]).tolist():
            y, x = np.nonzero(image == track)
            border = bool(y.min() == 0 or x.min() == 0 or y.max() == HEIGHT - 1 or x.max() == WIDTH - 1)
            ratio = np.nan if (track, t) == (2, 3) else (2.0 if t < 5 else 1.0) + 0.05 * track
            rows.append((t, track, "nucleus", y.mean(), x.mean(), len(y), border, ratio))
    names = ["frame", "track", "kind", "y_px", "x_px", "area_px", "touches_border", "ratio_a"]
    return pd.DataFrame(rows, columns=names)


def content(frames: int = FRAMES, empty: bool = False, **changes: Any) -> ReportContent:
    """Everything for a report of the small run."""
    image, labels = stack(frames)
    if empty:
        labels = np.zeros_like(labels)
    objects = objects_of(labels)
    groups = objects.groupby("track")["frame"]
    tracks = groups.agg(first="min", last="max", frames="size").reset_index()
    tracks["parent"] = np.where(tracks["track"] == 5, 1, 0)
    looks = worth_a_look(objects, tracks, frames, ("ratio_a",))
    shown = sorted({0, frames - 1})
    given: dict[str, Any] = {
        "title": "small",
        "shape": (frames, 2, HEIGHT, WIDTH),
        "channels": ("marker", "reporter"),
        "calibration": Calibration(0.5, 300.0),
        "objects": objects,
        "tracks": tracks,
        "ratios": (("ratio_a", "reporter"),),
        "snapshots": [Snapshot(t, image[t], labels[t]) for t in shown],
        "snapshot_channel": "marker",
        "attention": looks,
        "crops": cut(looks, lambda t: image[t], lambda t: labels[t]),
        "rescaling": Rescaling(1.5, 14.0, (15.0, 32.0), "The objects are smaller than those it knows."),
        "manifest": {"version": "0.1.0", "settings": {"link": {"gap": 2, "names": ["a", "b"]}}, "seed": 0},
        "notes": ("One ring was empty.",),
    }
    return ReportContent(**{**given, **changes})
