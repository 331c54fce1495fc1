"""All challenge measures of one folder: ours against py-ctcmetrics with one worker, time and memory side by side.

    python benchmarks/score_speed.py --oracle .oracles/tracking-py-ctcmetrics/bin/python

Both read the same files (a perturbed truth, written for the run), each in a process of its own, one thread. `unfade
score` is the whole verb, `api.score` with the challenge's and the association measures. Imports are not counted in the
first time, but in `process`: from start to end, as a person waits for it. `rise` is how far memory went above what was
held after the imports (Linux). The runs alternate; the best of each is kept. The bar: at least 8 times faster, equal
figures, memory of a few frames.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BAR = 8.0
SEQUENCES = (("Fluo-N2DH-SIM+", "01", 65), ("DIC-C2DH-HeLa", "01", 84))
SHOWN = ("SEG", "DET", "TRA", "LNK", "CT", "TF", "BC(0)", "BIO(0)", "CCA", "CHOTA", "HOTA", "MOTA", "IDF1")
ASKED = ["Valid", "CHOTA", "BC", "DET", "SEG", "TRA", "CT", "TF", "CCA", "MOTA", "HOTA", "IDF1", "LNK", "BIO"]
ASKED += ["OP_CTB", "OP_CSB", "OP_CLB"]


def memory_mib(entry: str) -> float:
    """`VmRSS` (now) or `VmHWM` (peak since the programme began; unlike ru_maxrss it leaves out the parent process)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(entry)) / 1024


def ours(result: Path, truth: Path) -> dict[str, Any]:
    from unfade import api
    from unfade.pipeline import scoring  # noqa: F401, imports are not counted

    before, start = memory_mib("VmRSS"), time.perf_counter()
    scores = api.score(result, truth, ["challenge", "association"], draws=0)
    return answer(time.perf_counter() - start, before, scores.metrics)


def theirs(result: Path, truth: Path) -> dict[str, Any]:
    from ctc_metrics.scripts.evaluate import evaluate_sequence

    before, start = memory_mib("VmRSS"), time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        found = evaluate_sequence(str(result), str(truth), list(ASKED), threads=1)
    seconds = time.perf_counter() - start
    return answer(seconds, before, {name: None if value is None else float(value) for name, value in found.items()})


def answer(seconds: float, before: float, metrics: dict[str, float | None]) -> dict[str, Any]:
    peak = memory_mib("VmHWM")
    return {"s": seconds, "rise": max(peak - before, 0.0), "peak": peak, "metrics": metrics}


def child(python: str, who: str, result: Path, truth: Path) -> dict[str, Any]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [python, __file__, "--child", who, str(result), str(truth)]
    start = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True, check=True)
    whole = time.perf_counter() - start
    told: dict[str, Any] = json.loads(done.stdout)
    return {**told, "process": whole}


def best(runs: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The quickest run, and the quickest process."""
    return {**min(runs, key=lambda run: run["s"]), "process": min(run["process"] for run in runs)}


def compare(oracle: str, dataset: str, sequence: str, frames: int, repeats: int) -> bool:
    sys.path.insert(0, str(ROOT))
    from tests.oracles.perturb import Excerpt, load, perturbed, write, write_truth

    data = Path(os.environ.get("UNFADE_DATA", ROOT.parent / "shared" / "data"))
    known = load(data, Excerpt(dataset, sequence, 0, frames))
    with tempfile.TemporaryDirectory() as folder:
        gt, res = Path(folder) / "01_GT", Path(folder) / "01_RES"
        write_truth(known.truth, known.seg, gt)
        write(perturbed(known.outlines, "erode", dataset), res)
        runs = [(child(sys.executable, "ours", res, gt), child(oracle, "theirs", res, gt)) for _ in range(repeats)]
    own, other = (best(side) for side in zip(*runs, strict=True))
    times, whole = other["s"] / own["s"], other["process"] / own["process"]
    odd = [n for n in SHOWN if abs((own["metrics"][n] or 0.0) - (other["metrics"][n] or 0.0)) > 1e-9]
    print(
        f"{dataset} {sequence}, {frames} frames: {times:.1f} times faster (bar {BAR:g}), as a process {whole:.1f} times"
    )
    for name, run in (("unfade score", own), ("py-ctcmetrics", other)):
        memory = f"peak {run['peak']:6.0f} MiB   rise {run['rise']:6.1f} MiB"
        print(f"  {name:14}{run['s']:8.3f} s   process {run['process']:8.3f} s   {memory}")
    print(f"  figures that differ by more than 1e-9: {', '.join(odd) or 'none'}")
    return times >= BAR and not odd


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle", help="python of the environment that holds py-ctcmetrics")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--child", nargs=3, metavar=("WHO", "RESULT", "TRUTH"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        who, result, truth = chosen.child
        print(json.dumps({"ours": ours, "theirs": theirs}[who](Path(result), Path(truth))))
        return 0
    if not chosen.oracle:
        parser.error("--oracle is needed: the python of the environment that holds py-ctcmetrics")
    passed = [compare(chosen.oracle, *sequence, chosen.repeats) for sequence in SEQUENCES]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
