"""Ask another implementation for the tracking measures of perturbed sequences; writes `<name>-<version>.json` here.

Run in the oracle's own environment (tests/oracles/tracking-*.txt), with UNFADE_DATA set or ../shared/data present:

    python tests/oracles/make_tracking.py py-ctcmetrics
    python tests/oracles/make_tracking.py traccuracy
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from perturb import EXCERPTS, WAYS, digest, load, perturbed, write, write_truth  # noqa: E402

CTC = ["CHOTA", "DET", "SEG", "TRA", "LNK", "CT", "TF", "BC", "CCA", "BIO", "OP_CSB", "OP_CTB", "OP_CLB"]
CTC += ["MOTA", "HOTA", "IDF1"]


def py_ctcmetrics(result: Path, truth: Path) -> dict[str, Any]:
    from ctc_metrics.scripts.evaluate import evaluate_sequence

    return evaluate_sequence(str(result), str(truth), list(CTC), threads=1)


def traccuracy(result: Path, truth: Path) -> dict[str, Any]:
    from traccuracy import run_metrics
    from traccuracy.loaders import load_ctc_data
    from traccuracy.matchers import CTCMatcher
    from traccuracy.metrics import CellCycleAccuracy, CHOTAMetric, CTCMetrics, DivisionMetrics

    out: dict[str, Any] = {}
    for metric in (CTCMetrics(), CHOTAMetric(), CellCycleAccuracy(), DivisionMetrics(max_frame_buffer=3)):
        pred, gt = load_ctc_data(str(result)), load_ctc_data(str(truth / "TRA"))
        try:
            found, _ = run_metrics(gt_data=gt, pred_data=pred, matcher=CTCMatcher(), metrics=[metric])
        except TypeError:  # divisions need one-to-one matches
            continue
        for name, value in found[0]["results"].items():
            if isinstance(value, dict):
                out |= {f"{part} ({name.removeprefix('Frame Buffer ')})": v for part, v in value.items()}
            else:
                out[name] = value
    return out


ORACLES: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "py-ctcmetrics": py_ctcmetrics,
    "traccuracy": traccuracy,
}


def plain(value: Any) -> float | None:
    number = None if value is None else float(value)
    return None if number is None or math.isnan(number) else number


def main(name: str) -> None:
    warnings.simplefilter("ignore")
    logging.disable()
    root = Path(os.environ.get("UNFADE_DATA", HERE.parents[2] / "shared" / "data"))
    cases: dict[str, dict[str, float | int | None]] = {}
    for excerpt in EXCERPTS:
        truth, seg = load(root, excerpt)
        for way in WAYS:
            with tempfile.TemporaryDirectory() as folder:
                gt, res = Path(folder) / "01_GT", Path(folder) / "01_RES"
                write_truth(truth, seg, gt)
                result = perturbed(truth, way, excerpt.name)
                write(result, res)
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    found = ORACLES[name](res, gt)
            cases[f"{excerpt.name} / {way}"] = {
                "digest": digest(result),
                **{key: plain(value) for key, value in found.items()},
            }
            sys.stderr.write(f"{excerpt.name} / {way}\n")
    text = json.dumps({"oracle": name, "version": version(name), "cases": cases}, indent=1)
    path = HERE / f"{name}-{version(name)}.json"
    part = path.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    main(sys.argv[1])
