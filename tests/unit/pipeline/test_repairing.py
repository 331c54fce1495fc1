"""Repair of a run folder: what was seen stays, tables and exports tell what was carried."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unfade import api
from unfade.data import open_labels
from unfade.data.geff import read_geff
from unfade.data.tiff_writer import write_ome_tiff
from unfade.errors import MissingInputError, OutputError, SettingsError, WeightsError
from unfade.pipeline import repairing
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.settings import RunSettings
from unfade.pipeline.training import TrainingSettings, train
from unfade.repair import RepairSettings
from unfade.synth import TranslocationMovie, TranslocationSettings

COURSE = {"ratio_before": 5.0, "stimulus_frame": 3, "export_frames": 0.2, "recovery_frame": 6, "ratio_after": 1.0}
SETTINGS: dict[str, Any] = {
    "frames": 10,
    "height_px": 96,
    "width_px": 96,
    "seed": 5,
    "nuclei": {"coverage": 0.1},
    "course": {**COURSE, "recovery_frames": 0.5},
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without repair of a movie whose nuclei fade."""
    folder = tmp_path_factory.mktemp("fading")
    made = TranslocationMovie(TranslocationSettings.parse(SETTINGS))
    write_ome_tiff(folder / "cells.ome.tif", made.movie())
    given = {"predict": {"diameter": 17}, "input": {"measure_channels": ("reporter",)}}
    api.run(folder / "cells.ome.tif", folder / "out", RunSettings.parse(given))
    return folder / "out"


@pytest.fixture
def run(plain: Path, tmp_path: Path) -> Path:
    shutil.copytree(plain, tmp_path / "out")
    return tmp_path / "out"


def stages(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())["stages"]
    return found


def test_repair_leaves_what_was_seen_and_tells_what_was_carried(run: Path, tmp_path: Path) -> None:
    seen, before = np.asarray(open_labels(run)), stages(run)
    facts = api.repair(run)
    assert facts["updated"] + facts["interpolated"] > 5
    assert "0.455" in facts["threshold"]
    assert (np.asarray(open_labels(run)) == seen).all()
    after = stages(run)
    for name in ("segment", "link"):
        assert after[name] == before[name]
    assert after["measure"]["key"] != before["measure"]["key"]
    repaired = np.asarray(open_labels(run / "repaired.ome.zarr"))
    assert repaired.shape == seen.shape
    assert (repaired != seen).any()
    rows = pd.read_parquet(run / "objects.parquet")
    ids = {(t, k) for t in range(10) for k in np.unique(repaired[t]).tolist() if k}
    assert set(zip(rows["frame"].tolist(), rows["track"].tolist(), strict=True)) == ids
    assert rows["origin"].value_counts().to_dict() == {n: facts[n] for n in ("seen", "updated", "interpolated")}
    assert ((rows["age"] > 0) == (rows["origin"] != "seen")).all()
    assert rows["confidence"].between(0, 1).all()
    assert (rows["low_ratio_reporter"] <= rows["high_ratio_reporter"]).sum() == rows["ratio_reporter"].notna().sum()
    assert not (run / ".unfade" / "repair").exists()
    page = (run / "report.html").read_text()
    assert "carried by repair" in page
    assert "confidence 0." in page
    carried = facts["updated"] + facts["interpolated"]
    notes = json.loads((run / "manifest.json").read_text())["notes"]
    assert f"{carried} of {len(rows)} objects were carried by repair, not seen in their frame." in notes
    api.export(run, "geff", tmp_path / "geff")
    lineage, table = read_geff(tmp_path / "geff")
    assert len(lineage.frame) == len(rows)
    assert set(table.rows["origin"].astype(str)) >= {"seen", "updated"}
    assert {"age", "confidence", "low_ratio_reporter"} <= set(table.rows)
    api.export(run, "ctc", tmp_path / "ctc")
    assert api.validate(tmp_path / "ctc") == []


def test_a_repair_that_is_complete_is_kept_and_can_be_taken_off(run: Path) -> None:
    api.repair(run)
    first = stages(run)
    api.repair(run)
    assert stages(run) == first
    api.repair(run, {"motion": "none"})
    assert stages(run)["repair"]["key"] != first["repair"]["key"]
    manifest = json.loads((run / "manifest.json").read_text())
    settings = RunSettings.parse({**manifest["settings"], "repair": {"enabled": False}})
    api.run(manifest["settings"]["input"]["path"], run, settings)
    assert not (run / "repaired.ome.zarr").exists()
    assert "repair" not in stages(run)
    assert set(pd.read_parquet(run / "objects.parquet")["origin"]) == {"seen"}


def test_a_dry_run_changes_nothing(run: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    facts = api.repair(run, {"theta": 0.6}, dry_run=True)
    assert facts["updated"] > 0
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before


def test_run_with_repair_is_the_same_as_repair_of_a_run(plain: Path, run: Path, tmp_path: Path) -> None:
    api.repair(run)
    manifest = json.loads((plain / "manifest.json").read_text())
    settings = RunSettings.parse({**manifest["settings"], "repair": {"enabled": True}})
    other = api.run(manifest["settings"]["input"]["path"], tmp_path / "other", settings)
    assert stages(other.root)["repair"]["key"] == stages(run)["repair"]["key"]
    assert (other.root / "objects.csv").read_bytes() == (run / "objects.csv").read_bytes()


def test_an_interrupted_repair_leaves_no_half_labels(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise OutputError("The disk is full.")

    monkeypatch.setattr(repairing, "_read_carried", broken)
    with pytest.raises(OutputError, match="disk is full"):
        api.repair(run)
    assert not stages(run)["repair"]["complete"]
    assert not list(run.glob("repaired*"))
    assert not (run / ".unfade" / "repair").exists()
    monkeypatch.undo()
    assert api.repair(run)["seen"] > 0


def test_refusals(run: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no finished run folder"):
        api.repair(tmp_path / "nothing")
    with pytest.raises(SettingsError, match="theta"):
        api.repair(run, {"theta": 1.2})
    with pytest.raises(SettingsError, match="no motion called 'magic'"):
        api.repair(run, {"flow": "magic"})
    with pytest.raises(WeightsError, match="flow"):
        api.repair(run, {"flow": "flownet"})
    assert RepairSettings(theta=0.5).limit == pytest.approx(0.4551, abs=1e-4)


def test_what_is_carried_survives_its_file(tmp_path: Path) -> None:
    from unfade.repair.frames import Carried
    from unfade.repair.shapes import Mask, Outline

    given = [
        Carried(7, Outline.of(Mask(3, 4, np.ones((5, 6), bool))).shifted(0.25, -1.5), 3, 0.625),
        Carried(9, Outline.of(Mask(0, 0, np.ones((2, 2), bool))), 1, 0.5),
    ]
    repairing._write_carried(tmp_path / "a.npz", given)
    back = repairing._read_carried(tmp_path / "a.npz")
    for a, b in zip(given, back, strict=True):
        assert (a.track, a.age, a.confidence) == (b.track, b.age, b.confidence)
        assert (a.outline.y0, a.outline.x0) == (b.outline.y0, b.outline.x0)
        assert (a.outline.depth == b.outline.depth).all()
    repairing._write_carried(tmp_path / "b.npz", [])
    assert repairing._read_carried(tmp_path / "b.npz") == []
    assert RunFolder(tmp_path).is_repaired() is False


def test_flownet_learns_on_the_movie_s_own_frames_and_repairs_it(run: Path, tmp_path: Path) -> None:
    """The whole way of the paper in two commands, at toy size."""
    small = TrainingSettings.parse(
        {
            "system": "flow",
            "settings": {"width": 0.125, "reach": 2},
            "sampler": {"crop_px": 64, "batch": 1},
            "train": {"steps": 2, "check_every": 2, "workers": 0, "device": "cpu"},
        }
    )
    told = []
    scores = train(run, tmp_path / "flow", small, lambda step, steps, values: told.append((step, values)))
    assert told[0][0] == 0
    assert told[0][1]["frames"] == 9  # the tenth is held
    assert scores["EPE_px of no flow"] > 0
    facts = api.repair(run, {"flow": "flownet", "flow_weights": str(tmp_path / "flow" / "best.safetensors")})
    assert facts["flows"] > 0
    with pytest.raises(MissingInputError, match="no training folder"):
        train(run, tmp_path / "other", TrainingSettings())
