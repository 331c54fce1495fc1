"""Tracking measures equal those of other implementations on perturbed real sequences."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.oracles.perturb import EXCERPTS, WAYS, digest, load, perturbed, rows
from unfade.score.result import Scores
from unfade.score.sequence import score_sequence

ORACLES = Path(__file__).parents[1] / "oracles"
COLUMNS = ["track", "first", "last", "parent"]
EXACT = 1e-9

SAME = {name: name for name in ("SEG", "DET", "TRA", "LNK", "OP_CSB", "OP_CTB", "AOGM", "CT", "TF", "CCA")}
SAME |= {name: name for name in ("CHOTA", "HOTA", "MOTA", "IDF1")}
SAME |= {name: f"AOGM_{name}" for name in ("NS", "FN", "FP", "ED", "EA", "EC")}
SAME |= {f"{name}({i})": f"{name}({i})" for name in ("BC", "BIO", "OP_CLB") for i in range(4)}

GRAPH = {"DET": "DET", "FN": "fn_nodes", "FP": "fp_nodes", "ED": "fp_edges", "EA": "fn_edges", "CHOTA": "CHOTA"}
DIVISIONS = {"DIV_P": "Division Precision", "DIV_R": "Division Recall", "DIV_F1": "Division F1"}


@cache
def expected(name: str) -> dict[str, Any]:
    (path,) = ORACLES.glob(f"{name}-*.json")
    cases: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return cases


@cache
def ours(root: Path, excerpt_name: str) -> dict[str, tuple[Scores, int]]:
    """Scores and digest of every perturbation of an excerpt."""
    (excerpt,) = (e for e in EXCERPTS if e.name == excerpt_name)
    sequence = load(root, excerpt)
    truth = sequence.truth
    table = pd.DataFrame(rows(truth), columns=COLUMNS)
    out = {}
    for way in WAYS:
        result = perturbed(sequence.outlines, way, excerpt.name)
        pred_table = pd.DataFrame(rows(result), columns=COLUMNS)
        scores = score_sequence(result.frames, pred_table, truth.frames, table, sequence.seg)
        out[f"{excerpt.name} / {way}"] = (scores, digest(result))
    return out


def differences(scores: Scores, wanted: dict[str, Any], names: dict[str, str]) -> dict[str, tuple[float, Any]]:
    """Figures that are not the oracle's; None of the oracle stands for NaN."""
    found = {}
    for name, theirs in names.items():
        value, other = scores[name].value, wanted[theirs]
        same = math.isnan(value) if other is None else abs(value - other) <= EXACT * max(1.0, abs(other))
        if not same:
            found[name] = (value, other)
    return found


@pytest.mark.parametrize("excerpt", [e.name for e in EXCERPTS])
def test_challenge_measures_are_those_of_py_ctcmetrics(data_root: Path, excerpt: str) -> None:
    odd = {}
    for case, (scores, pixels) in ours(data_root, excerpt).items():
        wanted = dict(expected("py-ctcmetrics")[case])
        assert pixels == wanted["digest"], f"{case}: the perturbed pixels are not those the oracle saw"
        for i in range(4):  # the oracle leaves these out, because it looks for a key that it never sets
            bio = wanted[f"BIO({i})"]
            wanted.setdefault(f"OP_CLB({i})", 0.5 * wanted["LNK"] + 0.5 * bio)
        if found := differences(scores, wanted, SAME):
            odd[case] = found
    assert not odd
