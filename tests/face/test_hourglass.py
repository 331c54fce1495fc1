"""The hourglass from the command line, with the weights that ship: found in pairs of frames, scored frame by frame."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Command


def test_a_run_is_scored_and_compared(unfade: Command, movie: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = unfade("run", movie, "--system", "hourglass", "--diameter", 12, "-o", out)
    assert said.code == 0, said.err
    told = json.loads((out / "manifest.json").read_text())
    assert told["weights"]["name"] == "hourglass-synthetic"
    scored = unfade("score", out, finished, "--draws", 0, "--json")
    assert scored.code == 0, scored.err
    figures = json.loads(scored.out)["metrics"]
    assert figures["DET"] > 0.5
    assert "mAP@0.50 (sm) coco" in figures
    assert "agree: F1" in unfade("compare", out, finished, "--draws", 0).out
