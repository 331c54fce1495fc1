"""Which objects are worth a look: likely mistakes of segmentation and linking, the most urgent first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.report.content import nuclei_of

COLUMNS = ("frame", "track", "reason", "detail", "y_px", "x_px", "area_px", "urgency")


@dataclass(frozen=True)
class Limits:
    """From when on an object is worth a look."""

    small: float = 0.4  # area, as a share of the median of all objects
    jump: float = 1.7  # area, as a multiple of that in the frame before or after
    short: float = 0.15  # frames of a track, as a share of the movie


def worth_a_look(
    objects: pd.DataFrame,
    tracks: pd.DataFrame,
    frames: int,
    ratios: tuple[str, ...] = (),
    limits: Limits = Limits(),
) -> pd.DataFrame:
    """Rows `frame, track, reason, detail, y_px, x_px, area_px, urgency` (0..1), by falling urgency.

    A track appears at most once per reason, with the frame where it shows most: `area jumps` (two objects merged,
    one cut in two, or a wrong link), `small`, `short-lived`, `gap`, `empty ring` (a ratio of `ratios` is missing),
    `touches border`, and after repair `carried`, the less sure the more urgent.
    """
    rows = nuclei_of(objects).reset_index(drop=True).sort_values(["track", "frame"], kind="stable")
    if rows.empty:
        return pd.DataFrame({name: pd.Series(dtype="object") for name in COLUMNS})
    found = [
        _jumps(rows, limits.jump),
        _small(rows, limits.small),
        _short(rows, tracks, frames, limits),
        _gaps(rows),
        _empty(rows, ratios),
        _border(rows),
        _carried(rows),
    ]
    parts = [part for part in found if len(part)]
    every = pd.concat(parts or found[:1], ignore_index=True)
    worst = every.sort_values(["urgency", "track", "frame"], ascending=[False, True, True], kind="stable")
    return worst.drop_duplicates(["track", "reason"]).reset_index(drop=True)


def _jumps(rows: pd.DataFrame, limit: float) -> pd.DataFrame:
    area = rows["area_px"].to_numpy(np.float64)
    follows = (np.diff(rows["track"]) == 0) & (np.diff(rows["frame"]) == 1)
    times = np.where(follows, area[1:] / np.maximum(area[:-1], 1e-9), 1.0)
    factor = np.append(1.0, np.maximum(times, 1 / np.maximum(times, 1e-9)))
    cut = rows["touches_border"].to_numpy(bool)  # such an area says nothing
    factor[cut | np.append(False, cut[:-1])] = 1.0
    hit = factor > limit
    before = np.append(area[:1], area[:-1])[hit]
    detail = [f"{a:,.0f} to {b:,.0f} px²" for a, b in zip(before, area[hit], strict=True)]
    return _rows(rows[hit], "area jumps", detail, 0.6 + 0.4 * (1 - limit / factor[hit]))


def _small(rows: pd.DataFrame, limit: float) -> pd.DataFrame:
    area = rows["area_px"].to_numpy(np.float64)
    usual = float(np.median(area)) if len(area) else 1.0
    hit = (area < limit * usual) & ~rows["touches_border"].to_numpy(bool)
    detail = [f"{100 * a / usual:.0f} % of the median area" for a in area[hit]]
    return _rows(rows[hit], "small", detail, 0.4 + 0.4 * (1 - area[hit] / (limit * usual)))


def _short(rows: pd.DataFrame, tracks: pd.DataFrame, frames: int, limits: Limits) -> pd.DataFrame:
    longest = limits.short * frames
    short = tracks.loc[tracks["frames"] <= longest, ["track", "frames"]]
    first = rows.drop_duplicates("track").merge(short, on="track")
    number = first["frames"].to_numpy(np.int64)
    detail = [f"{n} frame{'s' * (n > 1)} of {frames}" for n in number.tolist()]
    return _rows(first, "short-lived", detail, 0.3 + 0.3 * (1 - number / max(longest + 1, 1)))


def _gaps(rows: pd.DataFrame) -> pd.DataFrame:
    step = np.where(np.diff(rows["track"], prepend=-1) == 0, np.diff(rows["frame"], prepend=0), 1)
    hit = step > 1
    missing = step[hit] - 1
    detail = [f"{n} frame{'s' * (n > 1)} missing before" for n in missing.tolist()]
    return _rows(rows[hit], "gap", detail, 0.35 + 0.2 * (1 - 1 / (1 + missing)))


def _empty(rows: pd.DataFrame, ratios: tuple[str, ...]) -> pd.DataFrame:
    missing = rows[list(ratios)].isna().any(axis=1).to_numpy() if ratios else np.zeros(len(rows), bool)
    times = rows.loc[missing, "track"].map(rows.loc[missing, "track"].value_counts()).to_numpy(np.int64)
    detail = [f"no ratio in {n} frame{'s' * (n > 1)}" for n in times.tolist()]
    return _rows(rows[missing], "empty ring", detail, 0.2 + 0.2 * (1 - 1 / (1 + times)))


def _carried(rows: pd.DataFrame) -> pd.DataFrame:
    """Tracks that repair has carried, with the frame in which that is least sure."""
    if "origin" not in rows:
        return _rows(rows[:0], "carried", [], np.zeros(0))
    hit = rows["origin"].astype(str).to_numpy() != "seen"
    found = rows[hit]
    times = found["track"].map(found["track"].value_counts()).to_numpy(np.int64)
    sure = found["confidence"].to_numpy(np.float64, na_value=0.0)
    age = found["age"].to_numpy(np.int64)
    detail = [
        f"not seen in {n} frame{'s' * (n > 1)}; here {a} frame{'s' * (a > 1)} from where it was, confidence {s:.2f}"
        for n, a, s in zip(times.tolist(), age.tolist(), sure.tolist(), strict=True)
    ]
    return _rows(found, "carried", detail, 0.2 + 0.7 * (1 - np.clip(sure, 0, 1)))


def _border(rows: pd.DataFrame) -> pd.DataFrame:
    hit = rows["touches_border"].to_numpy(bool)
    times = rows.loc[hit, "track"].map(rows.loc[hit, "track"].value_counts()).to_numpy(np.int64)
    detail = [f"in {n} frame{'s' * (n > 1)}" for n in times.tolist()]
    return _rows(rows[hit], "touches border", detail, 0.1 * (1 - 1 / (1 + times)))


def _rows(rows: pd.DataFrame, reason: str, detail: list[str], urgency: NDArray[np.float64]) -> pd.DataFrame:
    out = rows[["frame", "track"]].copy()
    out["reason"], out["detail"] = reason, detail
    for name in ("y_px", "x_px", "area_px"):
        out[name] = rows[name]
    out["urgency"] = np.round(np.asarray(urgency, np.float64), 3)
    return out
