"""The page of the metrics leaves none out, and what it says beside its drawings is so."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))

import generate_metrics  # noqa: E402
from metric_examples import Film, Repaired, Still, examples  # noqa: E402

from unfade.score.catalogue import CATALOGUE  # noqa: E402

DRAWN = examples()
METRICS = [metric for group in generate_metrics.texts() for metric in group["metric"]]


def figures() -> set[str]:
    """Names of all figures that the program gives."""
    return {name for example in DRAWN for name in example.scores} | set(CATALOGUE)


def test_every_figure_is_described_once() -> None:
    patterns = [p for metric in METRICS for p in metric.get("figures", ())]
    hits = {name: [p for p in patterns if fnmatchcase(name, p)] for name in figures()}
    assert {name: found for name, found in hits.items() if len(found) != 1} == {}
    assert [p for p in patterns if not any(fnmatchcase(name, p) for name in figures())] == []


def test_every_metric_says_all_there_is_to_say() -> None:
    wanted = {"name", "meaning", "formula", "source", "sees", "blind"}
    assert [m["name"] for m in METRICS if not all(m.get(key) for key in wanted)] == []
    assert len({m["name"] for m in METRICS}) == len(METRICS)


def test_every_group_has_a_drawing_and_every_drawing_a_place() -> None:
    placed = {e.metric for e in DRAWN}
    assert placed <= {m["name"] for m in METRICS}
    assert [g["name"] for g in generate_metrics.texts() if not placed & {m["name"] for m in g["metric"]}] == []
    assert {type(e) for e in DRAWN} == {Still, Film, Repaired}


def test_the_page_holds_the_figures(tmp_path: Path) -> None:
    generate_metrics.write(tmp_path)
    text = (tmp_path / "metrics.md").read_text(encoding="utf-8")
    assert "TRA **0.971** · LNK **0.750** · EA **2** · BC(0) **0**" in text
    assert len(list(tmp_path.glob("metric-*.svg"))) == len(DRAWN)
    assert all(f"]({p.name})" in text for p in tmp_path.glob("*.svg"))


CLAIMS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "two cells under one mask": lambda s: s["Dice"] == s["IoU"] == 1 and s["F1@0.50"] == 0,
    "nothing found": lambda s: s["Accuracy"] > 0.9 and s["Specificity"] == 1 and s["Dice"] == 0,
    "one stray pixel": lambda s: s["HD"] > 10 and s["HD95"] == 0 and s["Dice"] > 0.99,
    "one pixel tighter": lambda s: s["HD"] == s["ASSD"] == 1,
    "the border between two cells is missing": lambda s: s["Boundary Dice"] == 1 and s["HD"] == 0,
    "all outlines one pixel tight": lambda s: s["F1@0.50"] == 1 and s["F1@0.75"] == 0 and s["PQ@0.50"] < 0.7,
    "a spare mask that is unsure": lambda s: s["mAP@0.50 (sm) coco"] == 1,
    "a spare mask that is sure": lambda s: s["mAP@0.50 (sm) coco"] < 0.8,
    "a mask for the truth to cut": lambda s: s["Label-spreading F1"] == 1 and s["F1@0.50"] == 0,
    "a spare mask in every frame": lambda s: s["SEG"] == 1 and s["DET"] < 1,
    "a missed division": lambda s: s["TRA"] > 0.95 and s["DIV_F1(0)"] == 0 and s["HOTA"] == 1 > s["CHOTA"],
    "a track cut in two": lambda s: s["CT"] == 0 and s["HOTA"] == 1,
    "one of two cells never found": lambda s: s["TF"] == 1 and s["DET"] == 0.5,
    "a division one frame late": lambda s: s["DIV_F1(0)"] == 0 and s["DIV_F1(1)"] == 1,
    "an invented division": lambda s: s["DIV_R(0)"] == 1 and s["DIV_P(0)"] == 0.5,
    "a faded cell carried on": lambda s: s["IoU all"] > s["IoU all before"] and s["IoU non-updated"] == 1,
    "the right order, too little doubt": lambda s: s["Excess AURC"] == 0 and s["ECE"] > 0.2,
    "calibrated, and of no use": lambda s: s["ECE"] == 0 and s["Excess AURC"] > 0.2,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_sentences_are_so(name: str) -> None:
    found = [example.scores for example in DRAWN if example.name == name]
    assert found
    assert all(CLAIMS[name](scores) for scores in found)


def test_a_late_swap_is_seen_by_some() -> None:
    half, end = (e.scores for e in DRAWN if e.name.startswith("identities swapped"))
    assert (half["MOTA"], half["LNK"]) == (end["MOTA"], end["LNK"])
    assert (half["HOTA"] or 0) < (end["HOTA"] or 0)
    assert (half["IDF1"] or 0) < (end["IDF1"] or 0)


@pytest.mark.parametrize("example", DRAWN, ids=lambda e: f"{e.metric}: {e.name}")
def test_numbers_shown(example: Still | Film | Repaired) -> None:
    assert set(example.shown) <= set(example.scores)
