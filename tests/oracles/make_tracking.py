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

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.cases.lineages import CASES, images, table  # noqa: E402
from tests.oracles.perturb import COMPLETE, EXCERPTS, WAYS, Tracked, digest, load, perturbed, write, write_truth  # noqa: E402

Answer = dict[str, float | int | str | None]

CTC = ["CHOTA", "DET", "SEG", "TRA", "LNK", "CT", "TF", "BC", "CCA", "BIO", "OP_CSB", "OP_CTB", "OP_CLB"]
CTC += ["MOTA", "HOTA", "IDF1"]


def py_ctcmetrics(result: Path, truth: Path) -> dict[str, Any]:
    from ctc_metrics.scripts.evaluate import evaluate_sequence

    return evaluate_sequence(str(result), str(truth), list(CTC), threads=1)


def traccuracy(result: Path, truth: Path) -> dict[str, Any]:
    from traccuracy.loaders import load_ctc_data
    from traccuracy.matchers import CTCMatcher
    from traccuracy.metrics import CellCycleAccuracy, CHOTAMetric, CTCMetrics, DivisionMetrics

    out: dict[str, Any] = {}
    matched = CTCMatcher().compute_mapping(load_ctc_data(str(truth / "TRA")), load_ctc_data(str(result)))
    for metric in (CTCMetrics(), CHOTAMetric(), CellCycleAccuracy(), DivisionMetrics(max_frame_buffer=3)):
        try:
            found = metric.compute(matched).to_dict()["results"]
        except TypeError:  # divisions need one-to-one matches
            continue
        for name, value in found.items():
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


def ask(name: str, truth: Tracked, seg: dict[int, Any], result: Tracked, tables: tuple[Any, Any] | None) -> Answer:
    """Write both as challenge folders and ask; `tables` are written as they are, if given."""
    with tempfile.TemporaryDirectory() as folder:
        gt, res = Path(folder) / "01_GT", Path(folder) / "01_RES"
        write_truth(truth, seg, gt)
        write(result, res)
        if tables is not None:
            np.savetxt(gt / "TRA" / "man_track.txt", tables[0], fmt="%d")
            np.savetxt(res / "res_track.txt", tables[1], fmt="%d")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                found = ORACLES[name](res, gt)
            except Exception as error:  # the answer to some drawn cases: it is written down too
                return {"digest": digest(result), "error": type(error).__name__}
    return {"digest": digest(result), **{key: plain(value) for key, value in found.items()}}


def main(name: str) -> None:
    """Ask about every case; answers are kept after each sequence, so that a run that was cut short goes on."""
    warnings.simplefilter("ignore")
    logging.disable()
    root = Path(os.environ.get("UNFADE_DATA", HERE.parents[2] / "shared" / "data"))
    path = HERE / f"{name}-{version(name)}.json"
    part = path.with_suffix(".part")
    known: dict[str, Answer] = json.loads(part.read_text(encoding="utf-8"))["cases"] if part.is_file() else {}
    cases: dict[str, Answer] = {}
    for title, case in CASES.items():
        truth, result = (Tracked(images(rows, case.frames, case.places), {}) for rows in (case.truth, case.result))
        seg = dict(enumerate(truth.frames))
        cases[title] = ask(name, truth, seg, result, (table(case.truth), table(case.result)))
    for excerpt in dict.fromkeys((*EXCERPTS, *COMPLETE)):
        titles = {way: f"{excerpt.name} / {way}" for way in WAYS}
        if known.keys() >= set(titles.values()):
            cases |= {title: known[title] for title in titles.values()}
            continue
        sequence = load(root, excerpt)
        for way, title in titles.items():
            result = perturbed(sequence.outlines, way, excerpt.name)
            cases[title] = ask(name, sequence.truth, sequence.seg, result, None)
            sys.stderr.write(f"{title}\n")
        write_answers(part, name, cases)
    write_answers(part, name, cases)
    part.replace(path)


def write_answers(path: Path, name: str, cases: dict[str, Answer]) -> None:
    """One line per case."""
    lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(answer)}" for case, answer in cases.items())
    text = f'{{"oracle": "{name}", "version": "{version(name)}", "cases": {{\n{lines}\n}}}}\n'
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
