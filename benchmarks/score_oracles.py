"""Every frame of every real sequence, perturbed in seven ways: our figures against those of the other implementations.

    python benchmarks/score_oracles.py

Needs the data folder (UNFADE_DATA) and no other implementation: their figures stand in tests/oracles, written by
`make oracles`. Prints one JSON line per sequence and implementation: how many figures were compared and the largest
difference. The tests compare the same on shorter excerpts. Fails if a figure differs by more than 1e-9, but for those
set aside below, each with its reason.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.equal import test_score_tracking as tracking
from tests.oracles.perturb import COMPLETE, WAYS, Excerpt, digest, load, perturbed, rows
from unfade.score.matches import match_sequence
from unfade.score.sequence import score_matches

# Its table states children before their parents (the drawn case "child stated before its parent"): with the same rows
# in the order of birth py-ctcmetrics 1.3.3 gives 0.4339410928540257 instead, as traccuracy and we do.
SET_ASIDE = {("py-ctcmetrics", "DIC-C2DH-HeLa 02 0:84 / swap ids"): {"CHOTA"}}
CALLED = {"py-ctcmetrics": tracking.SAME, "traccuracy": tracking.GRAPH | tracking.DIVISIONS}


def compare(root: Path, excerpt: Excerpt) -> bool:
    """One sequence against both; whether all figures agree."""
    began = time.perf_counter()
    sequence = load(root, excerpt)
    table = pd.DataFrame(rows(sequence.truth), columns=tracking.COLUMNS)
    counted, worst = dict.fromkeys(CALLED, 0), dict.fromkeys(CALLED, 0.0)
    aside: dict[str, list[str]] = {oracle: [] for oracle in CALLED}
    for way in WAYS:
        result = perturbed(sequence.outlines, way, excerpt.name)
        told = pd.DataFrame(rows(result), columns=tracking.COLUMNS)
        scores = score_matches(match_sequence(result.frames, told, sequence.truth.frames, table, sequence.seg))
        for oracle, names in CALLED.items():
            answer = tracking.expected(oracle).get(f"{excerpt.name} / {way}")
            if answer is None:
                raise SystemExit(f"{oracle} was not asked about {excerpt.name}; run make oracles.")
            if answer["digest"] != digest(result):
                raise SystemExit(f"{excerpt.name} / {way}: {oracle} saw other pixels; run make oracles again.")
            odd = SET_ASIDE.get((oracle, f"{excerpt.name} / {way}"), set())
            aside[oracle] += [f"{way}: {name}" for name in odd]
            odd = odd | ({"DET"} if oracle == "traccuracy" else set())  # counts splits of m >= 3 differently
            asked = {k: v for k, v in names.items() if v in answer and k not in odd}
            counted[oracle] += len(asked)
            apart = [distance(scores[ours].value, answer[theirs]) for ours, theirs in asked.items()]
            worst[oracle] = max(worst[oracle], *apart)
    for oracle in CALLED:
        line = {"sequence": excerpt.name, "oracle": oracle, "figures": counted[oracle], "largest": worst[oracle]}
        line |= {"set aside": aside[oracle]} if aside[oracle] else {}
        print(json.dumps({**line, "seconds": round(time.perf_counter() - began, 1)}), flush=True)
    return max(worst.values()) <= tracking.EXACT


def distance(ours: float, theirs: Any) -> float:
    """Difference, relative for figures above 1; None of the other stands for not defined."""
    if theirs is None:
        return 0.0 if math.isnan(ours) else math.inf
    return abs(ours - theirs) / max(1.0, abs(theirs)) if not math.isnan(ours) else math.inf


def main() -> int:
    root = Path(os.environ.get("UNFADE_DATA", ROOT.parent / "shared" / "data"))
    agreed = [compare(root, excerpt) for excerpt in COMPLETE]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
