"""`unfade compare` as people type it."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Command


def test_two_runs_side_by_side(unfade: Command, finished: Path, tmp_path: Path) -> None:
    said = unfade("compare", finished, finished / "labels.ome.zarr", "--name", "run", "--name", "labels", "--draws", 20)
    assert said.code == 0, said.err
    assert "system" in said.out
    assert "run and labels agree: F1 1.000 (1.000–1.000) at IoU 0.5" in said.out
    assert "least in frames" not in said.out


def test_a_truth_adds_figures_and_gains(unfade: Command, finished: Path, tmp_path: Path) -> None:
    labels = finished / "labels.ome.zarr"
    words = ("compare", finished, labels, "--truth", labels, "--name", "a", "--name", "b", "--draws", 20)
    said = unfade(*words, "-o", tmp_path / "out")
    assert said.code == 0, said.err
    assert "SEG" in said.out
    assert "F1 of b minus a at IoU 0.5: +0.000 (+0.000 to +0.000) over 5 frames" in said.out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["compared.json", "figures.csv", "frames.csv"]
    plain = json.loads(unfade(*words, "--json").out)
    assert plain["scores"]["a"]["metrics"]["SEG"] == 1


def test_refusals_are_one_sentence(unfade: Command, finished: Path, tmp_path: Path) -> None:
    assert "two results or more" in unfade("compare", finished).sentence()
    assert "different names" in unfade("compare", finished, finished, "--name", "x").sentence()
    assert "missing" in unfade("compare", finished, tmp_path / "missing").sentence()
