"""Many movies through the command line: lists, plates, failures, resume, and workers that die."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import zarr

from tests.face.conftest import Command
from unfade import api
from unfade.data import open_labels
from unfade.data.positions import list_positions
from unfade.data.table import read_table
from unfade.data.tiff_writer import write_ome_tiff
from unfade.pipeline import segmenting
from unfade.pipeline.batch import run_batch
from unfade.pipeline.exporting import Format, export
from unfade.pipeline.opening import open_model
from unfade.pipeline.running import Way
from unfade.pipeline.settings import RunSettings
from unfade.predict import stitched
from unfade.records import Movie
from unfade.scale.pool import Here
from unfade.testing.movies import noise, tiny

GIVEN = ("--diameter", 12)
FORMATS: tuple[Format, ...] = get_args(Format)
SETTINGS = RunSettings.parse({"predict": {"diameter": 12.0}})


def contents(folder: Path) -> dict[str, str]:
    """Hash of every result; time stamps, timings and places inside them left out."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.name not in ("manifest.json", "run.toml", "report.html", "summary.csv", "log.jsonl"):
            found[name] = hashlib.md5(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three positions of two frames, and one file that is damaged."""
    place = tmp_path_factory.mktemp("screen")
    for n in range(3):
        frames = np.stack([tiny().frame(t).image for t in (n, n + 1)])
        write_ome_tiff(place / f"exp_B0{n + 2}_s1.ome.tif", Movie.of(frames, ("marker", "reporter")))
    return place


@pytest.fixture(scope="module")
def done(screen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All positions done in this process."""
    out = tmp_path_factory.mktemp("batch") / "out"
    found = run_batch(list_positions(screen), out, SETTINGS)
    assert found.failed == 0
    return out


def test_every_movie_gets_a_run_folder_and_a_row(unfade: Command, done: Path) -> None:
    names = ["exp_B02_s1", "exp_B03_s1", "exp_B04_s1"]
    assert sorted(p.name for p in done.iterdir()) == [
        "batch.toml",
        *names,
        "log.jsonl",
        "summary.csv",
        "summary.units.json",
    ]
    rows = read_table(done / "summary.csv").rows
    assert rows["name"].tolist() == names
    assert rows["well"].tolist() == ["B2", "B3", "B4"]
    assert set(rows["status"]) == {"done"}
    for name, row in zip(names, rows.itertuples(), strict=True):
        objects = read_table(done / name / "objects.csv").rows
        assert (row.frames, row.objects) == (2, len(objects))
        assert row.mean_ratio_reporter == pytest.approx(objects["ratio_reporter"].mean(), rel=1e-5)
        assert row.median_area_px == objects["area_px"].median()
    log = [json.loads(line) for line in (done / "log.jsonl").read_text().splitlines()]
    assert [line["name"] for line in log] == names
    assert not (done / names[0] / "report.html").exists()
    assert unfade("export", done / names[0], done.parent / "csv", "--to", "csv").code == 0


def test_a_list_with_a_damaged_movie_and_a_missing_one(unfade: Command, screen: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.tif").write_bytes((screen / "exp_B02_s1.ome.tif").read_bytes()[:900])
    text = f"path,condition,well\nbroken.tif,dark,A1\nnone.tif,dark,A2\n{screen / 'exp_B02_s1.ome.tif'},light,A3\n"
    (tmp_path / "list.csv").write_text(text)
    said = unfade("run", tmp_path / "list.csv", "-o", tmp_path / "out", *GIVEN)
    assert said.code == 2
    assert "1 of 3 positions done" in said.err
    assert re.search(r"Failed: dark_A1: \S+broken.tif is cut off.*\.", said.err)
    assert re.search(r"Failed: dark_A2: There is no file or folder \S+none.tif", said.err)
    rows = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert rows[["name", "condition", "status"]].to_numpy().tolist() == [
        ["dark_A1", "dark", "failed"],
        ["dark_A2", "dark", "failed"],
        ["light_A3", "light", "done"],
    ]
    assert "cut off" in rows["error"][0]
    assert [p.name for p in (tmp_path / "out").iterdir() if p.is_dir()] == ["light_A3"]


def test_stop_at_the_first_failure_keeps_what_is_done(unfade: Command, screen: Path, tmp_path: Path) -> None:
    for name in ("exp_B02_s1.ome.tif", "exp_B04_s1.ome.tif"):
        shutil.copy(screen / name, tmp_path / name)
    (tmp_path / "exp_B03_s1.ome.tif").write_bytes(b"II*\0")
    words = ("batch", tmp_path, "-o", tmp_path / "out", *GIVEN, "--on-error", "stop")
    assert unfade(*words).sentence().startswith("exp_B03_s1 failed: ")
    assert pd.read_csv(tmp_path / "out" / "summary.csv")["status"].tolist() == ["done", "failed"]
    shutil.copy(screen / "exp_B03_s1.ome.tif", tmp_path / "exp_B03_s1.ome.tif")
    assert unfade(*words).code == 0
    assert pd.read_csv(tmp_path / "out" / "summary.csv")["status"].tolist() == ["done"] * 3


def test_resume_tells_what_is_kept_and_why_the_rest_is_not(
    unfade: Command, done: Path, screen: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(done, tmp_path / "out"))
    (out / "exp_B03_s1" / "tracks.csv").unlink()
    words = ("batch", screen, "-o", out, *GIVEN, "--resume")
    said = unfade(*words)
    assert said.code == 0
    assert "exp_B02_s1: nothing is to be done." in said.err
    assert "exp_B03_s1: segment, link are kept; measure is done again: tracks.csv is missing." in said.err
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log[-2]["reasons"][-1] == "measure is done again: tracks.csv is missing"
    assert contents(out) == contents(done)
    (out / "s.toml").write_text("schema = 1\n[link]\ngap = 0\n")
    said = unfade(*words[:4], *GIVEN, "--settings", out / "s.toml")
    because = "link is done again: link.gap was 2, is 0; measure is done again: what it starts from has changed."
    assert f"exp_B04_s1: {because}" in said.err
    assert "segment" not in said.err
    assert "leave out --resume" in unfade(*words[:3], tmp_path / "new", "--resume").sentence()


def test_a_plate_is_run_field_by_field(unfade: Command, tmp_path: Path) -> None:
    frames = np.stack([tiny().frame(t).image for t in (0, 1)])
    root = zarr.create_group(tmp_path / "p.zarr")
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "C/7"}]}}
    well = root.require_group("C/7")
    well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
    axes = [{"name": n, "type": t} for n, t in zip("tcyx", ("time", "channel", "space", "space"), strict=True)]
    image = well.create_group(
        "0", attributes={"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}}
    )
    image.create_array("0", data=frames)
    said = unfade("run", tmp_path / "p.zarr", "-o", tmp_path / "out", *GIVEN, "--json")
    assert said.code == 0
    (found,) = json.loads(said.out)["positions"]
    assert (found["name"], found["well"], found["position"], found["status"]) == ("C7_0", "C7", "0", "done")
    assert found["objects"] > 4


@pytest.mark.parametrize("word", ["skip", ""])
def test_other_words_for_on_error(unfade: Command, screen: Path, tmp_path: Path, word: str) -> None:
    sentence = unfade("batch", screen, "-o", tmp_path / "out", "--on-error", word).sentence()
    assert sentence == f"--on-error takes continue or stop, not '{word}'."


def test_a_place_that_is_something_else(unfade: Command, finished: Path, screen: Path, tmp_path: Path) -> None:
    assert "is the folder of one run" in unfade("batch", screen, "-o", finished).sentence()
    (tmp_path / "thesis.txt").touch()
    assert "is not empty and holds no batch" in unfade("batch", screen, "-o", tmp_path).sentence()
    assert "is a file" in unfade("batch", screen, "-o", tmp_path / "thesis.txt").sentence()


# ------------------------------------------------------------------------------------------------------ many processes


def exports(run: Path) -> dict[str, str]:
    """Hash of every file of every export of a run."""
    found = {}
    for kind in FORMATS:
        place = run.with_name(f"{run.name} as {kind}")
        export(run, kind, place)
        found |= {f"{kind}/{name}": value for name, value in contents(place).items()}
    return found


def same(run: Path, other: Path) -> None:
    """Labels, tables, work files and every export of two runs are the same, byte by byte."""
    assert contents(run) == contents(other)
    ours, theirs = exports(run), exports(Path(shutil.copytree(other, run.with_name(f"{run.name} beside"))))
    assert ours == theirs
    assert {name.partition("/")[0] for name in ours} == set(FORMATS)
    assert len(ours) > 20


def test_workers_give_the_same_and_one_that_dies_changes_nothing(
    screen: Path, done: Path, movie: Path, finished: Path, tmp_path: Path
) -> None:
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs="CRITICAL") as machine:
        address = machine.scheduler_address
        with api.cluster(address) as pool:  # a scheduler with two worker processes on loopback
            assert pool.workers == 2
            found = run_batch(list_positions(screen), tmp_path / "many", SETTINGS, way=Way(pool=pool, report=False))
            assert found.failed == 0
            assert contents(tmp_path / "many") == contents(done)  # whole positions
            (tmp_path / "many" / "exp_B03_s1" / "tracks.csv").unlink()
            told: list[str] = []
            again = Way(pool=pool, tell=told.append, report=False)
            run_batch(list_positions(screen), tmp_path / "many", SETTINGS, way=again)
            assert told == ["exp_B03_s1: measure is done again: tracks.csv is missing."]
            api.run(movie, tmp_path / "one", SETTINGS, way=Way(pool=pool))  # ranges of frames
            same(tmp_path / "one", finished)
            with Client(address) as boss:
                processes = list(boss.run(os.getpid).values())
            killed: list[int] = []

            def kill(stage: str, done: int, total: int) -> None:
                if stage == "segment" and not killed:
                    killed.append(processes[0])
                    os.kill(processes[0], signal.SIGKILL)

            api.run(movie, tmp_path / "hurt", SETTINGS, kill, Way(pool=pool))
            assert killed
            same(tmp_path / "hurt", finished)


def test_local_workers_through_the_command_line(unfade: Command, movie: Path, finished: Path, tmp_path: Path) -> None:
    said = unfade("run", movie, "-o", tmp_path / "out", *GIVEN, "--dask", "local:2")
    assert said.code == 0, said.err
    assert "2 workers; watch them at http" in said.err
    same(tmp_path / "out", finished)
    assert (tmp_path / "out" / "report.html").is_file()
    labels = [np.asarray(open_labels(p)) for p in (tmp_path / "out", finished)]
    assert np.array_equal(*labels)
    assert "--dask takes local:N" in unfade("run", movie, "-o", tmp_path / "x", "--dask", "cloud").sentence()
    assert "goes with --dask slurm" in unfade("run", movie, "-o", tmp_path / "x", "--dask-config", movie).sentence()


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of usual size are taken as huge ones are."""
    for name, value in {"WHOLE_PX": 40 * 40, "CORE_PX": 64, "GRID_PX": 16, "OBJECTS": 1.0}.items():
        monkeypatch.setattr(stitched, name, value)


def tiles_of(movie: Path) -> int:
    opened, model = api.open_movie(movie), open_model(SETTINGS)
    zoom = segmenting.find_diameter(model.engine, opened, 0, SETTINGS.predict).zoom
    return len(stitched.parts_of(opened.shape[2:], model.system.view, zoom))


def test_huge_frames_are_parts_for_workers_too(movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch)
    wide = np.stack([np.tile(tiny().frame(t).image, (1, 3, 4)) for t in (0, 1)])
    write_ome_tiff(tmp_path / "wide.ome.tif", Movie.of(wide, ("marker", "reporter")))
    segment_whole(tmp_path / "wide.ome.tif", tmp_path / "whole")
    tiles: list[int] = []

    def count(stage: str, done: int, total: int) -> None:
        tiles.extend([total] if stage == "tiles" else [])

    api.run(tmp_path / "wide.ome.tif", tmp_path / "a", SETTINGS, count)
    assert tiles[0] >= 16
    api.run(tmp_path / "wide.ome.tif", tmp_path / "b", SETTINGS, None, Way(pool=Here()))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(read_table(tmp_path / "a" / "objects.csv").rows) > 60
    for t in ("000000.npz", "000001.npz"):
        assert (tmp_path / "a" / ".unfade" / "instances" / t).read_bytes() == (tmp_path / "whole" / t).read_bytes()


def segment_whole(movie: Path, folder: Path) -> None:
    """Objects of huge frames that were handed over as a whole, as a session gets them."""
    opened, engine = api.open_movie(movie), open_model(SETTINGS).engine
    zoom = segmenting.find_diameter(engine, opened, 0, SETTINGS.predict).zoom
    segmenting.segment_into(folder, opened, segmenting.open_stage(engine, opened, 0, zoom), "key")


def test_parts_of_a_huge_frame_that_were_found_before_a_kill_are_kept(
    movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_parts(monkeypatch)
    wide = np.tile(tiny().frame(0).image, (1, 3, 4))[None]
    write_ome_tiff(tmp_path / "wide.ome.tif", Movie.of(wide, ("marker", "reporter")))
    api.run(tmp_path / "wide.ome.tif", tmp_path / "a", SETTINGS)
    parts = tmp_path / "b" / ".unfade" / "instances" / "parts"

    class Kill(BaseException):
        pass

    def die(stage: str, done: int, total: int) -> None:
        if stage == "tiles" and done == 5:
            raise Kill

    with pytest.raises(Kill):
        api.run(tmp_path / "wide.ome.tif", tmp_path / "b", SETTINGS, die)
    assert len(list(parts.iterdir())) == 5
    found: list[Path] = []
    write = segmenting.write_instances
    monkeypatch.setattr(segmenting, "write_instances", lambda path, what: (found.append(path), write(path, what)))
    api.run(tmp_path / "wide.ome.tif", tmp_path / "b", SETTINGS)
    assert len([p for p in found if p.parent == parts]) == tiles_of(tmp_path / "wide.ome.tif") - 5
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert list(parts.iterdir()) == []


def test_a_folder_that_another_process_works_in_takes_no_second_run(
    unfade: Command, movie: Path, finished: Path, done: Path, screen: Path, tmp_path: Path
) -> None:
    out, many = (Path(shutil.copytree(p, tmp_path / p.name)) for p in (finished, done.parent))
    holds = (
        "import sys, time\nfrom pathlib import Path\nfrom unfade.pipeline.locking import locked\n"
        "a, b = (Path(p) for p in sys.argv[1:])\n"
        "with locked(a, a / '.unfade'), locked(b, b / '.unfade'):\n"
        "    print('held', flush=True)\n    time.sleep(100)\n"
    )
    command = [sys.executable, "-c", holds, str(out), str(many / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for words in (
            ("run", movie, "-o", out, *GIVEN),
            ("run", movie, "-o", out, *GIVEN, "--resume"),
            ("repair", out),
            ("watch", movie.parent, "-o", out),
            ("batch", screen, "-o", many / "out", *GIVEN),
        ):
            sentence = unfade(*words).sentence()
            assert re.fullmatch(
                rf"Another run is at work in \S+ \(process {other.pid} on .*\); wait for it or choose another folder\.",
                sentence,
            ), (words, sentence)
        other.kill()
    assert unfade("run", movie, "-o", out, *GIVEN).code == 0


def test_a_plate_that_fails_everywhere_is_told_shortly(unfade: Command, screen: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\n" + "".join(f"none{n}.tif\n" for n in range(96)))
    said = unfade("run", tmp_path / "list.csv", "-o", tmp_path / "out", *GIVEN)
    assert said.code == 96
    assert "0 of 96 positions done" in said.err
    assert said.err.count("Failed:") == 10
    assert "86 more failed; the summary says why." in said.err
    assert pd.read_csv(tmp_path / "out" / "summary.csv")["error"].str.contains("There is no file").sum() == 96


def test_positions_without_objects_are_named(unfade: Command, tmp_path: Path) -> None:
    write_ome_tiff(tmp_path / "dark_A1.ome.tif", noise(2, 64).movie())
    said = unfade("batch", tmp_path, "-o", tmp_path / "out", *GIVEN)
    assert said.code == 0
    assert "Note: no object was found in dark_A1." in said.err
