"""Summaries of tracks: how long, how far, how fast, how large, and how their ratios went."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.errors import ShapeError
from unfade.records import Calibration, Table

Floats = NDArray[np.float64]
LINEAGE = ("track", "first", "last", "frames", "parent")


def track_table(objects: pd.DataFrame, tracks: pd.DataFrame, calibration: Calibration = Calibration()) -> Table:
    """One row per track, in the order of `tracks` (columns `track, first, last, frames, parent`, 0 = no parent).

    `objects` holds one row per object and frame; where a cell and its nucleus share a track, the nucleus counts.
    `length` is in frames from first to last; `displacement` is straight from the first place to the last, `path` along
    all places (straight over gaps), `speed` is path over time. Speed is NaN for a track with one place; everything but
    the lineage is NaN for a track without objects. Of the ratios, frames without one are left out.

    Raises
    ------
    ShapeError
        If `tracks` lacks a column, a track stands in it twice, or `objects` holds a track that is not in it.
    """
    missing = [name for name in LINEAGE if name not in tracks]
    if missing:
        raise ShapeError(f"The table of tracks lacks the column '{missing[0]}'.")
    ids = pd.Index(tracks["track"].to_numpy(np.int64))
    if not ids.is_unique:
        raise ShapeError(f"Track {ids[ids.duplicated()][0]} stands twice in the table of tracks.")
    rows = _one_kind(objects).sort_values(["track", "frame"], kind="stable")
    owner = ids.get_indexer(pd.Index(rows["track"].to_numpy(np.int64)))
    if (owner < 0).any():
        raise ShapeError(f"Track {rows['track'].to_numpy()[owner < 0][0]} has objects but is not in the lineage.")
    out = tracks[list(LINEAGE)].astype("int64").reset_index(drop=True)
    out["length"] = out["last"] - out["first"] + 1
    values = _motion(rows, owner, len(out), calibration) | _summaries(rows, owner, len(out), calibration)
    return Table(pd.concat([out, pd.DataFrame(values)], axis=1), _units([*out.columns, *values]))


def _one_kind(objects: pd.DataFrame) -> pd.DataFrame:
    if "kind" not in objects:
        return objects
    kind = objects["kind"]
    both = objects.duplicated(["track", "frame"], keep=False)
    return objects[(kind == "nucleus") | ~both]


def _motion(rows: pd.DataFrame, owner: NDArray[np.intp], count: int, calibration: Calibration) -> dict[str, Floats]:
    """Displacement, path, speed of tracks `(count,)`; rows ascend by track, then frame."""
    y, x = rows["y_px"].to_numpy(np.float64), rows["x_px"].to_numpy(np.float64)
    frame = rows["frame"].to_numpy(np.int64)
    same = owner[1:] == owner[:-1]
    path: Floats = np.bincount(owner[1:][same], np.hypot(np.diff(y), np.diff(x))[same], count).astype(np.float64)
    begin = np.flatnonzero(np.append(True, ~same)[: len(rows)])
    end = np.append(begin[1:], len(rows))[: len(begin)] - 1
    who = owner[begin]
    nan = np.full(count, np.nan)
    displacement, steps, duration = nan.copy(), nan.copy(), nan.copy()
    displacement[who] = np.hypot(y[end] - y[begin], x[end] - x[begin])
    steps[who] = frame[end] - frame[begin]
    path[np.isnan(displacement)] = np.nan
    values: dict[str, Floats] = {
        "displacement_px": displacement,
        "path_px": path,
        "speed_px_per_frame": _ratio(path, steps),
    }
    if "place_error_px" in rows:  # of repaired movies
        error = rows["place_error_px"].to_numpy(np.float64)
        of_steps = np.bincount(owner[1:][same], (error[1:] ** 2 + error[:-1] ** 2)[same], count).astype(np.float64)
        values["speed_error_px_per_frame"] = _ratio(np.sqrt(of_steps), steps)
    if calibration.pixel_um is not None:
        values |= {"displacement_um": displacement * calibration.pixel_um, "path_um": path * calibration.pixel_um}
    if calibration.seconds(0) is not None:
        stamps = [calibration.seconds(t) for t in range(int(frame.max(initial=0)) + 1)]
        time = np.array(stamps, np.float64)
        duration[who] = time[frame[end]] - time[frame[begin]]
        values["duration_s"] = duration
    if "path_um" in values and "duration_s" in values:
        values["speed_um_per_s"] = _ratio(values["path_um"], duration)
    return values


def _summaries(rows: pd.DataFrame, owner: NDArray[np.intp], count: int, calibration: Calibration) -> dict[str, Floats]:
    """Mean and median area and the median, least and largest of every ratio, `(count,)` each."""
    ratios = [str(name) for name in rows.columns if str(name).startswith("ratio_")]
    groups = rows[["area_px", *ratios]].astype("float64").groupby(owner)
    places = np.arange(count)
    median, mean = groups.median().reindex(places), groups["area_px"].mean().reindex(places)
    least, most = groups.min().reindex(places), groups.max().reindex(places)
    values = {"mean_area_px": mean.to_numpy(), "median_area_px": median["area_px"].to_numpy()}
    if calibration.pixel_um is not None:
        values |= {f"{n}_area_um2": values[f"{n}_area_px"] * calibration.pixel_um**2 for n in ("mean", "median")}
    for name in ratios:
        values |= {f"median_{name}": median[name].to_numpy()}
        values |= {f"min_{name}": least[name].to_numpy(), f"max_{name}": most[name].to_numpy()}
    return values


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _units(names: list[str]) -> dict[str, str]:
    known = {
        "length": "frames",
        "speed_px_per_frame": "px/frame",
        "speed_error_px_per_frame": "px/frame",
        "speed_um_per_s": "µm/s",
        "duration_s": "s",
    }
    known |= {f"{n}_area_px": "px²" for n in ("mean", "median")} | {f"{n}_area_um2": "µm²" for n in ("mean", "median")}
    known |= {f"{n}_px": "px" for n in ("displacement", "path")} | {f"{n}_um": "µm" for n in ("displacement", "path")}
    return {name: known[name] for name in names if name in known}
