"""Repair on a real kinase reporter: nuclei from the ERK channel alone, held against those of the nuclear marker.

F1 per frame, mean IoU, ratio curves and coverage of intervals on rows 768-1023, with the width of intervals that covers
90 % on rows 0-639; with `--choice` F1 and mean IoU of rows 640-767 instead, on which rules were chosen.

The truth is the silver set made from the marker channel; nuclei of fewer than 30 px are left out. Everything that was
chosen was chosen on rows 0-767. Figures go out as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from repair import DIAMETER_PX, Case, figures, repaired, segmented, treated

from unfade import api
from unfade.measure import MeasureSettings, ObjectMeasurer
from unfade.ops.overlap import contingency
from unfade.ops.relabel import remap
from unfade.pipeline.settings import SystemSettings
from unfade.records import Labels, Movie
from unfade.repair import RepairSettings
from unfade.score.detection import count_objects

DATA = Path(os.environ.get("UNFADE_DATA", "../shared/data")) / "ktr"
ERK = 1
ROWS = {"calibration": (0, 640), "choice": (640, 768), "test": (768, 1024)}
LEAST_PX = 30
TOUCHING = 0.1  # IoU from which an object is that of a silver nucleus
SHARE = 0.9


def reporter(rows: tuple[int, int]) -> tuple[Movie, np.ndarray]:
    """The ERK channel of some rows and its silver nuclei."""
    movie = api.open_movie(DATA / "ktr_left.ome.tif")
    first, stop = rows
    size = (len(movie), 1, stop - first, movie.shape[3])
    read = lambda t: np.ascontiguousarray(movie.frame(t)[ERK : ERK + 1, first:stop])  # noqa: E731
    silver = tifffile.imread(DATA / "ktr_left_nuclei_silver.tif")[:, first:stop].astype(np.int32)
    return Movie(size, movie.dtype, ("ERK",), read, movie.calibration), np.stack([large(s) for s in silver])


def large(labels: np.ndarray) -> np.ndarray:
    """Without objects of fewer than `LEAST_PX` pixels."""
    ids, count = np.unique(labels, return_counts=True)
    keep = ids[(count >= LEAST_PX) & (ids > 0)]
    return remap(labels, keep, keep)


def measured(movie: Movie, t: int, labels: np.ndarray, objects: list[Any] | None) -> pd.DataFrame:
    """Ratios of the objects of a frame; with `objects` also their likely errors."""
    stage = ObjectMeasurer(MeasureSettings(), ((0, "erk"),), repaired=objects is not None)
    sure = {} if objects is None else {o.track: o.confidence for o in objects}
    origin = {} if objects is None else {o.track: (o.origin, o.age) for o in objects}
    _, (rows,) = stage.push(stage.start(), (t, movie.frame(t), labels, sure, None, origin))
    return rows.set_index("track")


def partners(labels: np.ndarray, silver: np.ndarray) -> dict[int, int]:
    """The silver nucleus that fits each object best."""
    pairs = contingency(labels, silver)
    iou = pairs.sparse_iou()
    order = np.argsort(iou, kind="stable")
    order = order[iou[order] >= TOUCHING]
    return dict(zip(pairs.ids_a[pairs.i[order]].tolist(), pairs.ids_b[pairs.j[order]].tolist(), strict=True))


def compared(case: Case, silver: np.ndarray, frames: list[Any]) -> pd.DataFrame:
    """One row per object that has a silver nucleus: its ratio, that nucleus' ratio, before or after repair."""
    out = []
    movie, seen = case.material.movie, case.material.labels
    for frame in frames:
        t = frame.t
        truth = measured(movie, t, silver[t], None)["ratio_erk"]
        for name, labels, objects in (("before", seen.frame(t), None), ("after", frame.labels, frame.objects)):
            rows = measured(movie, t, labels, objects)
            for track, nucleus in partners(labels, silver[t]).items():
                row = rows.loc[track]
                one = {"when": name, "frame": t, "ratio": row["ratio_erk"], "truth": truth.loc[nucleus]}
                if objects is not None:
                    one |= {"high": row["high_ratio_erk"], "low": row["low_ratio_erk"], "origin": row["origin"]}
                out.append(one)
    return pd.DataFrame(out).dropna(subset=["ratio", "truth"])


def f1(labels: np.ndarray, silver: np.ndarray) -> float:
    c = count_objects(labels, silver, 0.5, strict=True)
    return round(2 * c.tp / max(2 * c.tp + c.fp + c.fn, 1), 4)


def curves(table: pd.DataFrame) -> dict[str, float]:
    """How far the median curve of all cells, and single ratios, lie from those of the silver nuclei."""
    out = {}
    for when, rows in table.groupby("when"):
        middle = rows.groupby("frame")[["ratio", "truth"]].median()
        out[f"median curve, mean |error|, {when}"] = round(float((middle["ratio"] - middle["truth"]).abs().mean()), 4)
        single = np.abs(np.log(rows["ratio"] / rows["truth"]))
        out[f"single ratios, median |log error|, {when}"] = round(float(single.median()), 4)
        out[f"objects with a nucleus, {when}"] = len(rows)
    return out


def look(part: str, args: argparse.Namespace) -> tuple[dict[str, Any], np.ndarray]:
    """Figures of some rows, and by how many likely errors each repaired ratio is off."""
    movie, silver = reporter(ROWS[part])
    system = SystemSettings(name=args.system, weights=args.weights)
    case = segmented("ktr", movie, Labels.of(silver), DIAMETER_PX, system)
    settings = RepairSettings.parse({"motion": args.motion, "diameter_px": args.diameter})
    frames, seconds = repaired(case, settings, args.scratch)
    seen = case.material.labels
    per_frame = [(f1(seen.frame(f.t), silver[f.t]), f1(f.labels, silver[f.t])) for f in frames]
    table = compared(case, silver, frames)
    after = table[table["when"] == "after"]
    likely = np.log(after["high"] / after["ratio"]) / MeasureSettings().bars.widen
    off = np.abs(np.log(after["truth"] / after["ratio"])) / likely
    facts = {
        "rows": ROWS[part],
        "system": args.system,
        "F1@0.5 before, after": [round(float(np.mean(v)), 4) for v in zip(*per_frame, strict=True)],
        "the same from frame 8 on": [round(float(np.mean(v)), 4) for v in zip(*per_frame[8:], strict=True)],
        "per frame": per_frame,
        "mean IoU": figures(treated(case, frames)),
        **curves(table),
        "coverage as set": round(float((off <= MeasureSettings().bars.widen).mean()), 4),
        "median likely error of log ratio": round(float(np.median(likely)), 4),
        "segment_s": round(case.seconds, 2),
        "repair_s": round(seconds, 2),
    }
    return facts, np.asarray(off)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", default="nuclei-unet")
    parser.add_argument("--weights")
    parser.add_argument("--motion", default="mean-flow")
    parser.add_argument("--scratch", type=Path, default=Path("scratch-repair"))
    parser.add_argument("--diameter", type=float, help="usual diameter of a nucleus, px, told to repair too")
    parser.add_argument("--choice", action="store_true", help="rows 640-767 alone")
    args = parser.parse_args()
    if args.choice:
        print(json.dumps(look("choice", args)[0]))
        return
    chosen, off = look("calibration", args)
    widen = float(np.quantile(off, SHARE))
    print(json.dumps({**chosen, "widen for 90 %": round(widen, 3)}), flush=True)
    facts, off = look("test", args)
    print(json.dumps({**facts, "coverage, calibrated": round(float((off <= widen).mean()), 4)}))


if __name__ == "__main__":
    main()
