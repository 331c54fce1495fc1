"""Columns of the objects table: names, order, types and units."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from unfade.measure.bars import BARS
from unfade.records import KINDS, Calibration

ORIGINS = ("seen", "updated", "interpolated")
KIND_TYPE = pd.CategoricalDtype(list(KINDS))
ORIGIN_TYPE = pd.CategoricalDtype(list(ORIGINS))

LENGTHS = ("y", "x", "equivalent_diameter", "perimeter", "major_axis", "minor_axis")  # `_px`, and `_um` where known
AREAS = ("area", "ring_area")  # `_px`, and `_um2` where known
BOX = ("box_y0_px", "box_x0_px", "box_y1_px", "box_x1_px")
DOUBTS = ("u_total", "u_data", "u_model")  # uncertainty of the mask 0..1, its data part and its model part
ENDINGS = {"px": "px", "um": "µm", "um2": "µm²", "s": "s", "rad": "rad"}  # what follows the last `_`
PARTS = ("mean", "median", "std", "max", "integrated", "ring_mean", "ring_median")  # of every channel


def suffixes(names: Sequence[str]) -> tuple[str, ...]:
    """Channel names as endings of column names: lower case, anything but letters and digits as `_`, all different.

    `ERK reporter` becomes `erk_reporter`; a name without any letter or digit becomes its place, `channel_0`.
    """
    found: list[str] = []
    for place, name in enumerate(names):
        plain = re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_") or f"channel_{place}"
        candidate, copy = plain, 2
        while candidate in found:
            candidate, copy = f"{plain}_{copy}", copy + 1
        found.append(candidate)
    return tuple(found)


def column_types(
    channels: Sequence[str], calibration: Calibration, background: bool, repaired: bool = False
) -> dict[str, Any]:
    """Columns of the objects table in order, each with its type; `channels` are suffixes."""
    size, timed = calibration.pixel_um is not None, calibration.seconds(0) is not None
    real = np.dtype(np.float64)
    whole = np.dtype(np.int32)
    columns: dict[str, Any] = {"frame": whole, "track": whole, "kind": KIND_TYPE}
    columns |= {"y_px": real, "x_px": real, "area_px": whole}
    columns |= {"time_s": real} if timed else {}
    columns |= {**{f"{n}_um": real for n in LENGTHS[:2]}, "area_um2": real} if size else {}
    columns |= {f"{n}_px": real for n in LENGTHS[2:]}
    columns |= {f"{n}_um": real for n in LENGTHS[2:]} if size else {}
    columns |= {"eccentricity": real, "orientation_rad": real}
    columns |= dict.fromkeys(BOX, whole)
    columns |= {"touches_border": np.dtype(bool), "ring_area_px": whole}
    columns |= {"ring_area_um2": real} if size else {}
    for channel in channels:
        columns |= {f"{part}_{channel}": real for part in (*PARTS, "ratio")}
        columns |= {f"background_{channel}": real} if background else {}
    if repaired:
        columns |= {f"{end}_ratio_{channel}": real for channel in channels for end in ("low", "high")}
        columns |= dict.fromkeys(BARS, real)
    return columns | {"origin": ORIGIN_TYPE, "age": whole, "confidence": real} | dict.fromkeys(DOUBTS, real)


def units(columns: Mapping[str, Any], channels: Sequence[str]) -> dict[str, str]:
    """Unit of each column that has one; intensities are in those of the movie, `a.u.`."""
    special = {f"{area}_px": "px²" for area in AREAS} | {"age": "frames"}
    special |= {f"{part}_{channel}": "a.u." for part in (*PARTS, "background") for channel in channels}
    special |= {f"{end}_area_px": "px²" for end in ("low", "high")}
    special |= {
        f"{end}ratio_{channel}": "" for channel in channels for end in ("", "low_", "high_")
    }  # a channel's name may end like a unit
    found = {name: special.get(name, ENDINGS.get(name.rsplit("_", 1)[-1], "")) for name in columns}
    return {name: unit for name, unit in found.items() if unit}


def as_frame(values: Mapping[str, Any], types: Mapping[str, Any]) -> pd.DataFrame:
    """Values of the columns as a table with exactly these columns, types and order."""
    return pd.DataFrame({name: _typed(values[name], kind) for name, kind in types.items()}, copy=False)


def constant(value: str, kind: pd.CategoricalDtype, count: int) -> pd.Categorical:
    """A column of `count` equal words."""
    return pd.Categorical.from_codes(np.full(count, kind.categories.get_loc(value), np.int8), dtype=kind)


def _typed(values: Any, kind: Any) -> Any:
    return values if isinstance(kind, pd.CategoricalDtype) else np.asarray(values).astype(kind, copy=False)
