"""`unfade repair` as a person uses it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.face.conftest import Command


def test_repair_and_its_dry_run(unfade: Command, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    said = unfade("repair", out, "--dry-run", "--motion", "none", "--json")
    assert said.code == 0
    facts = json.loads(said.out)
    assert facts["dry_run"] is True
    assert facts["repair"]["seen"] > 0
    assert not (out / "repaired.ome.zarr").exists()
    said = unfade("repair", out, "--motion", "none", "--max-age", 3)
    assert said.code == 0
    assert "updated" in said.err
    assert (out / "repaired.ome.zarr").is_dir()
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["settings"]["repair"]["max_age"] == 3
    assert manifest["stages"]["repair"]["complete"]


def test_refusals_are_one_sentence(unfade: Command, tmp_path: Path, finished: Path) -> None:
    assert "no finished run folder" in unfade("repair", tmp_path / "nothing").sentence()
    assert "theta" in unfade("repair", finished, "--theta", 5).sentence()
    assert "motion" in unfade("repair", finished, "--motion", "sideways").sentence()
