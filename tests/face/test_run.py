"""The main job through the command line: what a run leaves, how it resumes, what it can be turned into."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import geff
import numpy as np
import pandas as pd
import pytest
import tifffile
import yaozarrs

import unfade as package
from tests.face.conftest import Command
from unfade.data import ctc, open_labels
from unfade.data.ctc_faults import validate
from unfade.data.geff import read_geff
from unfade.data.table import read_table
from unfade.data.tiff_writer import write_ome_tiff
from unfade.errors import MissingInputError
from unfade.link import LinkSettings
from unfade.pipeline.folder import STAGES, RunFolder
from unfade.pipeline.linking import read_lineage
from unfade.records import Movie
from unfade.settings import read_toml
from unfade.testing.movies import noise, tiny
from unfade.weights.catalogue import find_weights
from unfade.weights.passport import file_hash

GIVEN = ("--diameter", 12)


def manifest_of(out: Path) -> dict:
    return json.loads((out / "manifest.json").read_text(encoding="utf-8"))


def stamps(folder: Path) -> dict[str, tuple[int, str]]:
    """Time stamp and content of every file."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    return {
        p.relative_to(folder).as_posix(): (p.stat().st_mtime_ns, hashlib.md5(p.read_bytes()).hexdigest()) for p in files
    }


def results(out: Path) -> tuple[bytes, str, str]:
    """What two runs of the same settings must have in common: labels, objects, tracks."""
    pixels = np.asarray(open_labels(out)).tobytes()
    return pixels, (out / "objects.csv").read_text(), (out / "tracks.csv").read_text()


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that may be changed."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


# -------------------------------------------------------------------------------------------------- what a run leaves


def test_a_run_leaves_what_it_promises_and_nothing_else(finished: Path) -> None:
    assert {p.name for p in finished.iterdir()} == {
        ".unfade", "labels.ome.zarr", "manifest.json", "objects.csv", "objects.parquet", "objects.units.json",
        "report.html", "run.toml", "tracks.csv", "tracks.units.json",
    }  # fmt: skip
    yaozarrs.validate_zarr_store(str(finished / "labels.ome.zarr"))
    assert "cells.ome.tif" in (finished / "report.html").read_text(encoding="utf-8")


def test_the_manifest_tells_how_the_run_was_made(finished: Path, movie: Path) -> None:
    facts = manifest_of(finished)
    assert {"unfade", "python", "torch", "numpy", "scikit-image"} <= set(facts["versions"])
    assert facts["versions"]["unfade"] == package.__version__
    assert facts["settings"] == read_toml(finished / "run.toml")
    assert facts["weights"]["sha256"] == file_hash(find_weights("nuclei-unet"))
    assert (facts["input"]["path"], facts["input"]["shape"]) == (str(movie), [5, 2, 64, 64])
    digest = hashlib.blake2b(f":{movie.stat().st_size};".encode() + movie.read_bytes(), digest_size=20)
    assert facts["input"]["hash"] == digest.hexdigest()
    assert isinstance(facts["seed"], int)
    assert facts["diameter"]["px"] == 12
    assert all(facts["stages"][name]["complete"] and facts["stages"][name]["seconds"] > 0 for name in STAGES)


def test_labels_and_tables_tell_the_same(finished: Path) -> None:
    labels, rows = np.asarray(open_labels(finished)), read_table(finished / "objects.csv").rows
    pd.testing.assert_frame_equal(rows, read_table(finished / "objects.parquet").rows)
    seen = [(t, n, int((labels[t] == n).sum())) for t in range(5) for n in np.unique(labels[t]) if n]
    assert list(rows[["frame", "track", "area_px"]].itertuples(index=False, name=None)) == seen
    tracks = pd.read_csv(finished / "tracks.csv")
    spans = rows.groupby("track")["frame"].agg(["min", "max"])
    assert tracks[["first", "last"]].to_numpy().tolist() == spans.to_numpy().tolist()
    assert manifest_of(finished)["stages"]["measure"]["objects"] == len(rows) > 15
    units = json.loads((finished / "objects.units.json").read_text())["columns"]
    assert (units["area_px"]["unit"], units["time_s"]["unit"]) == ("px²", "s")
    assert rows["time_s"].max() == 1200
    truth = tiny().labels()
    found = sum(len(np.unique(labels[t][truth.frame(t) > 0])) - 1 for t in range(5))
    assert found >= 0.7 * sum(len(np.unique(truth.frame(t))) - 1 for t in range(5))


# ---------------------------------------------------------------------------------------------------- repeat and resume


def test_its_settings_file_repeats_a_run(unfade: Command, finished: Path, tmp_path: Path) -> None:
    assert unfade("run", "--settings", finished / "run.toml", "-o", tmp_path / "again").code == 0
    assert results(tmp_path / "again") == results(finished)
    assert (tmp_path / "again" / "run.toml").read_text() == (finished / "run.toml").read_text()


@pytest.mark.parametrize("by", ["movie", "settings"])
def test_the_same_command_again_does_nothing(unfade: Command, copy: Path, movie: Path, by: str) -> None:
    before = stamps(copy)
    words = (movie, "-o", copy, *GIVEN) if by == "movie" else ("--settings", copy / "run.toml")
    said = unfade("run", *words)
    assert (said.code, said.out) == (0, "")
    assert re.search(r"\d+ tracks, \d+ objects in 5 frames; report: \S+report.html", said.err)
    assert stamps(copy) == before


@pytest.mark.parametrize(
    ("option", "redone"),
    [
        (("--gap", 0), {"link", "measure", "report"}),
        (("--ring-width", 3), {"measure", "report"}),
        (("--background", 90), {"measure", "report"}),
        (("--measure-channel", "reporter"), {"measure", "report"}),
        (("--pixel-size", 0.5), {"link", "measure", "report"}),
        (("--tile", 512), {"segment", "link", "measure", "report"}),
    ],
)
def test_a_changed_option_redoes_what_hangs_on_it(
    unfade: Command, copy: Path, movie: Path, option: tuple[object, ...], redone: set[str]
) -> None:
    before, files = manifest_of(copy)["stages"], stamps(copy / ".unfade" / "instances")
    said = unfade("run", movie, "-o", copy, *GIVEN, *option)
    assert said.code == 0, said.err
    after = manifest_of(copy)["stages"]
    assert {name for name in STAGES if after[name]["key"] != before[name]["key"]} == redone
    assert {name: after[name] for name in STAGES if name not in redone} == {
        name: before[name] for name in STAGES if name not in redone
    }
    assert (stamps(copy / ".unfade" / "instances") == files) == ("segment" not in redone)
    assert read_toml(copy / "run.toml") == manifest_of(copy)["settings"]


def test_options_come_before_the_settings_file(unfade: Command, finished: Path, tmp_path: Path) -> None:
    words = ("--settings", finished / "run.toml", "-o", tmp_path / "b", "--background", 90, "--frames", "1:3")
    assert unfade("run", *words).code == 0
    chosen = read_toml(tmp_path / "b" / "run.toml")
    assert (chosen["measure"]["background"], chosen["measure"]["background_value"]) == ("constant", 90.0)
    assert chosen["predict"]["diameter"] == 12
    rows, whole = (read_table(p / "objects.csv").rows for p in (tmp_path / "b", finished))
    both = whole[whole["frame"] == 1]
    assert np.allclose(rows[rows["frame"] == 0]["mean_reporter"], both["mean_reporter"] - 90)


@pytest.mark.parametrize("lost", ["report.html", "tracks.csv", "labels.ome.zarr", ".unfade/lineage.npz", "run.toml"])
def test_what_was_deleted_is_made_again(unfade: Command, copy: Path, movie: Path, finished: Path, lost: str) -> None:
    place = copy / lost
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    network = manifest_of(copy)["stages"]["segment"]
    assert unfade("run", movie, "-o", copy, *GIVEN).code == 0
    assert place.exists()
    assert results(copy) == results(finished)
    assert manifest_of(copy)["stages"]["segment"] == network


def test_a_damaged_frame_is_deleted_as_told_and_made_again(
    unfade: Command, copy: Path, movie: Path, finished: Path
) -> None:
    damaged = copy / ".unfade" / "instances" / "000002.npz"
    damaged.write_bytes(damaged.read_bytes()[:500])
    words = ("run", movie, "-o", copy, *GIVEN)
    assert unfade(*words).code == 0  # nothing is to be done, so nobody looks
    sentence = unfade(*words, "--gap", 1).sentence()
    assert sentence == f"{damaged} is missing or damaged; delete it and run again."
    damaged.unlink()
    assert unfade(*words).code == 0
    assert results(copy) == results(finished)


def test_a_folder_whose_start_was_killed_is_free(unfade: Command, movie: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json.part").write_text('{"manif')
    assert unfade("run", movie, "-o", out, *GIVEN, "--frames", "0:1").code == 0
    assert not (out / "manifest.json.part").exists()


WAITS = """
import sys, time
from pathlib import Path
from unfade.cli import main
from unfade.data import outputs
from unfade.predict.frames import FrameStage

seen = []

def push(stage, state, frame, then=FrameStage.push):
    seen.append(frame)
    if len(seen) == 4:  # in the middle of writing the fourth frame
        part = Path(sys.argv[4]) / ".unfade" / "instances" / "000003.npz.part"
        part.write_bytes(b"half")
        time.sleep(600)
    return then(stage, state, frame)

FrameStage.push = push
main()
"""


def test_a_killed_run_goes_on_to_the_same_result(unfade: Command, movie: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["run", str(movie), "-o", str(out), "--diameter", "12"]
    half = out / ".unfade" / "instances" / "000003.npz.part"
    with subprocess.Popen([sys.executable, "-c", WAITS, *words]) as process:
        end = time.monotonic() + 120
        while not half.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.kill()
    assert half.exists()
    assert sorted(p.name for p in out.iterdir()) == [".unfade", "manifest.json"]
    assert not manifest_of(out)["stages"]["segment"]["complete"]
    early = stamps(half.parent)
    assert unfade(*words).code == 0
    assert results(out) == results(finished)
    assert {k: v for k, v in stamps(half.parent).items() if k in early} == {
        k: early[k] for k in early if k != half.name
    }


# -------------------------------------------------------------------------------------------------------- odd movies


def test_one_frame_is_measured_and_there_is_nothing_to_link(unfade: Command, movie: Path, tmp_path: Path) -> None:
    said = unfade("run", movie, "-o", tmp_path / "out", *GIVEN, "--frames", "2:3")
    assert said.code == 0
    assert "Note: The movie has one frame: there is nothing to link." in said.err
    assert "there is nothing to link" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    tracks = pd.read_csv(tmp_path / "out" / "tracks.csv")
    assert len(tracks) > 3
    assert set(tracks["length"]) == {1}


def test_a_movie_without_objects_gives_empty_tables_with_headers(
    unfade: Command, finished: Path, tmp_path: Path
) -> None:
    write_ome_tiff(tmp_path / "noise.ome.tif", noise(side_px=64).movie())
    out = tmp_path / "out"
    said = unfade("run", tmp_path / "noise.ome.tif", "-o", out, "--diameter", 25)
    assert said.code == 0
    assert "Note: No object was found in any frame." in said.err
    for name in ("objects.csv", "objects.parquet", "tracks.csv"):
        empty, full = read_table(out / name).rows, read_table(finished / name).rows
        assert (len(empty), list(empty)) == (0, list(full))
    assert "No object was found" in (out / "report.html").read_text(encoding="utf-8")
    assert not np.asarray(open_labels(out)).any()
    for to in ("ctc", "geff", "csv"):
        assert unfade("export", out, tmp_path / to, "--to", to).code == 0
    assert validate(tmp_path / "ctc") == []


def test_a_movie_without_objects_and_automatic_diameter(unfade: Command, tmp_path: Path) -> None:
    write_ome_tiff(tmp_path / "dark.ome.tif", Movie.of(np.full((2, 64, 64), 100, np.uint16)))
    said = unfade("run", tmp_path / "dark.ome.tif", "-o", tmp_path / "out")
    assert said.code == 0
    assert "No object was found in any frame." in said.err
    assert "The diameter of objects could not be told" in said.err
    assert manifest_of(tmp_path / "out")["diameter"]["origin"] == "none found"


def test_automatic_diameter_finds_what_was_given(unfade: Command, movie: Path, tmp_path: Path) -> None:
    assert unfade("run", movie, "-o", tmp_path / "out", "--frames", "1:3").code == 0
    found = manifest_of(tmp_path / "out")["diameter"]
    assert found["origin"] == "measured"
    assert 9 < found["px"] < 17
    assert found["zoom"] > 1.2


def test_a_range_of_frames_is_that_part_of_the_movie(
    unfade: Command, movie: Path, finished: Path, tmp_path: Path
) -> None:
    assert unfade("run", movie, "-o", tmp_path / "out", *GIVEN, "--frames", "1:4").code == 0
    part, whole = (np.asarray(open_labels(p)) > 0 for p in (tmp_path / "out", finished))
    assert part.shape == (3, 64, 64)
    assert np.mean(part != whole[1:4]) < 0.005  # clean-up over time may differ
    assert set(read_table(tmp_path / "out" / "objects.csv").rows["frame"]) == {0, 1, 2}


def test_a_folder_of_frames_may_hold_its_run(unfade: Command, tmp_path: Path) -> None:
    for t in range(2):
        tifffile.imwrite(tmp_path / f"t{t:03d}.tif", tiny().frame(t).image[0])
    words = ("run", tmp_path, "-o", tmp_path / "out", *GIVEN)
    assert unfade(*words).code == 0
    before = stamps(tmp_path / "out")
    (tmp_path / ".DS_Store").write_bytes(b"left by a file browser")
    assert unfade(*words).code == 0
    assert stamps(tmp_path / "out") == before


# ----------------------------------------------------------------------------------------------------------- exports


def test_export_to_a_challenge_folder(unfade: Command, finished: Path, tmp_path: Path) -> None:
    said = unfade("export", finished, tmp_path / "01_RES", "--to", "ctc")
    assert (said.code, said.out) == (0, "")
    assert validate(tmp_path / "01_RES") == []
    assert unfade("validate", tmp_path / "01_RES").code == 0
    back = np.asarray(ctc.read(tmp_path / "01_RES").labels)
    assert ((back > 0) == (np.asarray(open_labels(finished)) > 0)).all()


def test_export_to_geff(unfade: Command, finished: Path, tmp_path: Path) -> None:
    assert unfade("export", finished, tmp_path / "run.geff", "--to", "geff").code == 0
    geff.validate_structure(tmp_path / "run.geff")
    lineage, table, *_ = read_geff(tmp_path / "run.geff")
    known, rows = read_lineage(RunFolder(finished).lineage), read_table(finished / "objects.csv").rows
    assert set(zip(lineage.frame, lineage.track, strict=True)) == set(zip(known.frame, known.track, strict=True))
    assert sorted(table.rows["area_px"]) == sorted(rows["area_px"])


def test_export_to_csv(unfade: Command, finished: Path, tmp_path: Path) -> None:
    said = unfade("export", finished, tmp_path / "tables", "--to", "csv", "--json")
    assert json.loads(said.out) == {"written": str(tmp_path / "tables"), "format": "csv"}
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "tables" / "objects.csv").rows, read_table(finished / "objects.csv").rows
    )
    assert (tmp_path / "tables" / "parents.csv").read_text().startswith("child,parent\n")


@pytest.mark.parametrize("to", ["ctc", "geff", "csv"])
def test_an_export_replaces_nothing(unfade: Command, finished: Path, tmp_path: Path, to: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    sentence = unfade("export", finished, tmp_path / "mine", "--to", to).sentence()
    assert sentence == f"{tmp_path / 'mine'} is there already; choose another place or remove it."
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_only_a_finished_run_is_exported(unfade: Command, copy: Path, tmp_path: Path) -> None:
    facts = manifest_of(copy)
    facts["stages"]["measure"]["complete"] = False
    (copy / "manifest.json").write_text(json.dumps(facts))
    for run in (copy, tmp_path / "nowhere"):
        sentence = unfade("export", run, tmp_path / "e", "--to", "csv").sentence()
        assert sentence == f"{run} is no finished run folder; make one with 'unfade run MOVIE -o {run}'."
    with pytest.raises(MissingInputError):
        package.export(copy, "csv", tmp_path / "e")


# ------------------------------------------------------------------------------------------------------------- JSON


def test_json_and_nothing_else_on_standard_output(unfade: Command, copy: Path, movie: Path, tmp_path: Path) -> None:
    said = unfade("run", movie, "-o", copy, *GIVEN, "--json")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out) == {"out": str(copy), "manifest": manifest_of(copy)}
    assert json.loads(unfade("info", movie, "--json").out)["shape"] == [5, 2, 64, 64]
    assert "nuclei-unet" in json.loads(unfade("models", "--json").out)["systems"]


def test_score_of_a_run_against_the_truth(unfade: Command, finished: Path, tmp_path: Path) -> None:
    ctc.write(tmp_path / "01_GT" / "TRA", tiny().labels().frames(), tiny().lineage, role="truth")
    tifffile.imwrite(tmp_path / "truth.tif", np.asarray(tiny().labels()).astype(np.uint16))
    for truth in (tmp_path / "01_GT", tmp_path / "truth.tif"):
        said = unfade("score", finished, truth, "--json", "--draws", 20)
        assert (said.code, said.err) == (0, "")
        assert json.loads(said.out)["metrics"]["IDF1"] > 0.6
    found = json.loads(unfade("score", finished, finished, "--json", "--draws", 0).out)["metrics"]
    assert (found["TRA"], found["F1@0.50"]) == (1, 1)
    tifffile.imwrite(tmp_path / "other.tif", np.ones((5, 32, 32), np.uint16))
    assert "score like with like" in unfade("score", finished, tmp_path / "other.tif").sentence()
    assert "There is no figure 'beauty'" in unfade("score", finished, finished, "--metrics", "beauty").sentence()


# ------------------------------------------------------------------------------------------------------- Python verbs


def test_python_verbs_give_what_the_run_gives(finished: Path, movie: Path) -> None:
    labels = package.segment(movie, "nuclear marker", diameter=12)
    assert labels.kind == "nucleus"
    tracked, lineage = package.track(labels, LinkSettings())
    assert np.array_equal(np.asarray(tracked), np.asarray(open_labels(finished)))
    known = read_lineage(RunFolder(finished).lineage)
    assert np.array_equal(lineage.track, known.track)
    assert np.array_equal(lineage.parents, known.parents)
    rows, expected = package.measure(movie, tracked).rows, read_table(finished / "objects.parquet").rows
    doubts = ["confidence", "u_total", "u_data", "u_model"]  # labels alone say nothing of them
    assert rows[doubts[1:]].isna().all(axis=None)
    pd.testing.assert_frame_equal(rows.drop(columns=doubts), expected.drop(columns=doubts))


def test_arrays_do_as_well_as_files(movie: Path, finished: Path) -> None:
    array = np.stack([tiny().frame(t).image[0] for t in range(5)])
    tracked, _ = package.track(package.segment(array, diameter=12))
    assert np.array_equal(np.asarray(tracked), np.asarray(open_labels(finished)))


def test_cells_are_measured_as_cells(movie: Path) -> None:
    table = package.measure(movie, tiny().labels("cell"))
    assert set(table.rows["kind"]) == {"cell"}
    assert table.rows["ratio_reporter"].isna().all()
