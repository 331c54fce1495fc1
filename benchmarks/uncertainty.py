"""Does uncertainty mean something: held-out objects, ranked by each estimator and by the plain score.

Every object found is given the IoU with the true object that fits it best. Printed per estimator, for objects of the
test part: Spearman correlation of the total uncertainty (and of its model part) with 1 - IoU over matched objects (IoU
of at least 0.1), with an interval from bootstrap over stills; area under the risk-coverage curve over all
objects found, beside that of the network's own score without any estimator; the expected calibration error of 1 -
uncertainty against "IoU > 0.5", before and after a temperature that is fitted on the validation part.

python benchmarks/uncertainty.py ../shared/data/dsb2018 --estimators none,tta,dropout
python benchmarks/uncertainty.py FOLDER --system shape-aware --weights FILE --estimators none,tta,dropout,wta
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from unfade.datasets.stills import Still, read_stills
from unfade.instances.boxes import taken
from unfade.ops.overlap import contingency_of_instances
from unfade.ops.relabel import of_kind
from unfade.pipeline.segmenting import open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.diameter import zoom_for
from unfade.records import KINDS, Instances
from unfade.score.bootstrap import Plan, interval
from unfade.score.calibration import fit_temperature, reliability, risk_coverage, spearman

LEAST_IOU, RIGHT_IOU = 0.1, 0.5
COLUMNS = ("score", "u_total", "u_data", "u_model", "iou", "still")


def objects(engine: Any, stills: list[Still], zoomed: bool) -> dict[str, np.ndarray]:
    """Columns of all objects found in stills."""
    rows: list[np.ndarray] = []
    kinds = engine.system.view.kinds
    for number, still in enumerate(stills):
        zoom = zoom_for(still.only(kinds[-1]).diameter_px, engine.system.view) if zoomed else 1.0
        for image, truth in zip(still.image, still.labels, strict=True):
            kind = kinds[0]
            found = engine.instances(image, zoom)
            mine = taken(found, np.flatnonzero(found.kind == KINDS.index(kind)))
            overlap = contingency_of_instances(mine, Instances.of(of_kind(truth, kind), kind=kind))
            best = np.zeros(len(mine))
            np.maximum.at(best, overlap.i, overlap.sparse_iou())
            of = np.full(len(mine), number)
            rows.append(np.stack([mine.score, mine.u_total, mine.u_data, mine.u_model, best, of], axis=1))
    table = np.concatenate(rows) if rows else np.zeros((0, len(COLUMNS)))
    return dict(zip(COLUMNS, table.T.astype(np.float64), strict=True))


def rounded(value: float) -> float:
    return round(float(value), 4)


def calibrated(val: dict[str, np.ndarray], test: dict[str, np.ndarray], column: str) -> dict[str, float]:
    """Calibration error of a confidence on the test part, as it is and with the temperature of the validation part."""

    def logits(table: dict[str, np.ndarray]) -> np.ndarray:
        sure = table[column] if column == "score" else 1 - table[column]
        sure = np.clip(sure, 1e-4, 1 - 1e-4)
        return np.stack([np.zeros_like(sure), np.log(sure) - np.log1p(-sure)])

    def error(temperature: float) -> float:
        sure = 1 / (1 + np.exp(-logits(test)[1] / temperature))
        return reliability(sure, test["iou"] > RIGHT_IOU).ece()

    temperature = fit_temperature(logits(val), (val["iou"] > RIGHT_IOU).astype(int))
    return {"ECE": rounded(error(1.0)), "temperature": rounded(temperature), "ECE after": rounded(error(temperature))}


def ranked(table: dict[str, np.ndarray], doubt: np.ndarray) -> dict[str, Any]:
    """Spearman over matched objects with its interval, and the area under the risk-coverage curve over all."""
    matched = table["iou"] >= LEAST_IOU
    u, risk = doubt[matched], 1 - table["iou"][matched]
    _, of = np.unique(table["still"][matched], return_inverse=True)
    places = [np.flatnonzero(of == k) for k in range(of.max(initial=-1) + 1)]

    def drawn(stills: np.ndarray) -> float:
        at = np.concatenate([places[k] for k in stills])
        return spearman(u[at], risk[at])

    span = interval(len(places), drawn, "stills", Plan())
    return {
        "Spearman": rounded(spearman(u, risk)),
        "interval": [rounded(span.low), rounded(span.high)],
        "matched": int(matched.sum()),
        "AURC": rounded(risk_coverage(doubt, 1 - table["iou"]).aurc()),
    }


def row(name: str, val: dict[str, np.ndarray], test: dict[str, np.ndarray], plain: float | None) -> dict[str, Any]:
    out: dict[str, Any] = {"estimator": name, "objects": len(test["iou"]), "mean IoU": rounded(test["iou"].mean())}
    if name == "none":
        out["score"] = {**ranked(test, 1 - test["score"]), **calibrated(val, test, "score")}
    out["u_total"] = {**ranked(test, test["u_total"]), **calibrated(val, test, "u_total")}
    if not np.isnan(test["u_model"]).any() and np.ptp(test["u_model"]) > 0:
        out["u_model"] = ranked(test, test["u_model"])
    out["AURC of the score of the same objects"] = rounded(risk_coverage(1 - test["score"], 1 - test["iou"]).aurc())
    if plain is not None:
        # An estimator finds other objects than the network alone, whose curve is told for comparison.
        out["AURC of the plain score"] = plain
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--system", default="nuclei-unet")
    parser.add_argument("--weights")
    parser.add_argument("--members", default="", help="weights of further members, joined by a comma")
    parser.add_argument("--estimators", default="none,tta,dropout")
    parser.add_argument("--every", type=int, default=1, help="take every n-th still of each part")
    parser.add_argument("--own-scale", action="store_true", help="do not rescale by the true diameter")
    options = parser.parse_args()
    parts = {part: read_stills(options.data, (part,))[:: options.every] for part in ("val", "test")}
    plain: float | None = None
    for name in options.estimators.split(","):
        members = [m for m in options.members.split(",") if m] if name in ("ensemble", "snapshot") else []
        chosen: dict[str, Any] = {"members": members}
        if name != "none":
            chosen["uncertainty"] = name
        system, weights = open_system(SystemSettings(name=options.system, weights=options.weights))
        engine = open_predictor(system, weights, PredictSettings.parse(chosen))
        began = time.perf_counter()
        found = {part: objects(engine, stills, not options.own_scale) for part, stills in parts.items()}
        facts = row(name, found["val"], found["test"], plain)
        if name == "none":
            plain = facts["score"]["AURC"]
        print(json.dumps({**facts, "seconds": round(time.perf_counter() - began, 1)}), flush=True)


if __name__ == "__main__":
    main()
