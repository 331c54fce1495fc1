"""Frames that come one by one: the result is that of a run, whatever the writer does."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from tests.face.conftest import Command
from unfade import Session, api
from unfade.data import open_labels
from unfade.errors import ShapeError
from unfade.pipeline.settings import RunSettings
from unfade.pipeline.watching import Seen, Vigil, watch
from unfade.testing.movies import tiny

SETTINGS = RunSettings.parse({"predict": {"diameter": 12.0}, "input": {"read": {"axes": "TCYX", "interval_s": 300.0}}})
FRAMES = [tiny().frame(t).image for t in range(5)]


def write(path: Path, image: np.ndarray) -> None:
    """A frame in one step, as a careful writer does."""
    part = path.with_name(f".{path.name}")
    tifffile.imwrite(part, image, photometric="minisblack")
    part.rename(path)


def later(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def same(out: Path, other: Path) -> None:
    assert np.array_equal(np.asarray(open_labels(out)), np.asarray(open_labels(other)))
    for name in ("objects.csv", "tracks.csv"):
        assert (out / name).read_text() == (other / name).read_text()


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the same frames when all are there."""
    place = tmp_path_factory.mktemp("offline")
    (place / "frames").mkdir()
    for t, image in enumerate(FRAMES):
        write(place / "frames" / f"t{t:03d}.tif", image)
    return api.run(place / "frames", place / "out", SETTINGS).root


def test_frames_that_come_slowly_give_the_run_of_all_of_them(offline: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "frames", tmp_path / "out"
    source.mkdir()
    seen: list[Seen] = []
    lines: list[int] = []

    def follow(one: Seen) -> None:
        seen.append(one)
        lines.append(len((out / "live.csv").read_text().splitlines()) - 1)

    def feed() -> None:
        for t, image in enumerate(FRAMES):
            time.sleep(0.1)
            write(source / f"t{t:03d}.tif", image)

    thread = later(feed)
    folder = watch(source, out, SETTINGS, follow, Vigil(timeout_s=1.5))
    thread.join()
    assert [s.name for s in seen] == [f"t{t:03d}.tif" for t in range(5)]
    assert lines == list(np.cumsum([len(s.result.objects) for s in seen]))
    assert all(s.latency_s > 0 for s in seen)
    same(out, offline)
    assert folder.complete()
    assert not (out / "live.csv").exists()
    assert (out / "report.html").is_file()


def test_a_writer_that_dies_in_a_file_does_not_end_the_watch(unfade: Command, offline: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "frames", tmp_path / "out"
    source.mkdir()
    for t, image in enumerate(FRAMES):
        write(source / f"t{t:03d}.tif", image)
    whole = (source / "t002.tif").read_bytes()
    for name in ("t002a.tif", "t009.tif"):
        (source / name).write_bytes(whole[: len(whole) // 2])
    (out.parent / "halt").touch()
    said = unfade(
        "watch", source, "-o", out, "--axes", "TCYX", "--diameter", 12, "--interval", 300, "--patience", 0.3,
        "--stop-file", out.parent / "halt", "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["frames"] == 5
    assert found["latency_s"]["median"] <= found["latency_s"]["p95"]
    assert any("t002a.tif cannot be read, its writer seems to have died" in note for note in found["manifest"]["notes"])
    same(out, offline)
    assert not (out.parent / "halt").exists()
    again = tmp_path / "again"
    assert unfade("run", "--settings", out / "run.toml", "-o", again).code == 0
    same(again, offline)


def test_a_file_is_waited_for_until_it_is_whole(tmp_path: Path, offline: Path) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    tifffile.imwrite(tmp_path / "whole.tif", FRAMES[0], photometric="minisblack")
    raw = (tmp_path / "whole.tif").read_bytes()

    def dribble() -> None:
        with (source / "t000.tif").open("wb") as file:
            for k in range(0, len(raw), len(raw) // 4):
                file.write(raw[k : k + len(raw) // 4])
                file.flush()
                time.sleep(0.15)
        for t in range(1, 5):
            write(source / f"t{t:03d}.tif", FRAMES[t])

    thread = later(dribble)
    watch(source, tmp_path / "out", SETTINGS, None, Vigil(timeout_s=1.5))
    thread.join()
    same(tmp_path / "out", offline)


@pytest.mark.parametrize("grows", [True, False])
def test_a_zarr_that_fills(tmp_path: Path, offline: Path, grows: bool) -> None:
    source = tmp_path / "m.zarr"
    root = zarr.create_group(source)
    axes = [{"name": n, "type": t} for n, t in zip("tcyx", ("time", "channel", "space", "space"), strict=True)]
    root.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    shape = (0 if grows else 5, *FRAMES[0].shape)
    array = root.create_array("0", shape=shape, chunks=(1, 1, 32, 64), dtype="u2")

    def feed() -> None:
        for t, image in enumerate(FRAMES):
            time.sleep(0.1)
            if grows:
                array.resize((t + 1, *FRAMES[0].shape))
            array[t] = image

    thread = later(feed)
    settings = SETTINGS.changed(input={"read": {"interval_s": 300.0}})
    watch(source, tmp_path / "out", settings, None, Vigil(timeout_s=1.5))
    thread.join()
    labels = [np.asarray(open_labels(p)) for p in (tmp_path / "out", offline)]
    assert np.array_equal(*labels)


def test_an_interruption_leaves_a_finished_run_and_a_kill_is_gone_on_from(tmp_path: Path, offline: Path) -> None:
    source, out = tmp_path / "frames", tmp_path / "out"
    source.mkdir()
    for t in range(3):
        write(source / f"t{t:03d}.tif", FRAMES[t])

    class Kill(BaseException):
        pass

    def die(one: Seen) -> None:
        if one.result.frame == 1:
            raise Kill

    with pytest.raises(Kill):
        watch(source, out, SETTINGS, die)
    mark = (out / ".unfade" / "instances" / "000000.npz").stat().st_mtime_ns
    for t in (3, 4):
        write(source / f"t{t:03d}.tif", FRAMES[t])

    def interrupt(one: Seen) -> None:
        if one.result.frame == 4:
            raise KeyboardInterrupt

    watch(source, out, SETTINGS, interrupt)
    assert (out / ".unfade" / "instances" / "000000.npz").stat().st_mtime_ns == mark
    same(out, offline)


def test_the_report_is_fresh_while_frames_come(tmp_path: Path) -> None:
    source, out = tmp_path / "frames", tmp_path / "out"
    source.mkdir()
    write(source / "t000.tif", FRAMES[0])
    pages: list[str] = []

    def feed() -> None:
        end = time.monotonic() + 20
        while not (out / "report.html").exists() and time.monotonic() < end:
            time.sleep(0.05)
        pages.append((out / "report.html").read_text(encoding="utf-8"))
        write(source / "t001.tif", FRAMES[1])

    thread = later(feed)
    watch(source, out, SETTINGS, None, Vigil(timeout_s=2, report_s=0.1))
    thread.join()
    assert "live view after 1 frame." in pages[0]
    assert "live view" not in (out / "report.html").read_text(encoding="utf-8")
    assert pd.read_csv(out / "objects.csv")["frame"].max() == 1


def test_no_frame_leaves_nothing(unfade: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sentence = unfade("watch", tmp_path / "empty", "-o", tmp_path / "out", "--timeout", 0.1).sentence()
    assert sentence.startswith("No frame came to ")
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]
    assert "There is no folder" in unfade("watch", tmp_path / "none", "-o", tmp_path / "out").sentence()


def test_a_session_answers_every_frame_at_once(offline: Path) -> None:
    session = Session(SETTINGS, ("a", "b"))
    labels = np.asarray(open_labels(offline))
    for t, image in enumerate(FRAMES):
        result = session.push(image)
        assert (result.frame, result.seconds > 0) == (t, True)
        assert np.array_equal(result.labels > 0, labels[t] > 0)
        assert sorted(result.objects["track"]) == sorted(np.unique(result.labels)[1:])
    with pytest.raises(ShapeError, match=r"Frame 5 is \(2, 32, 64\)"):
        session.push(FRAMES[0][:, :32])


def test_a_finished_run_is_not_watched_over(unfade: Command, finished: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(finished, tmp_path / "out")
    (tmp_path / "frames").mkdir()
    assert "holds the run of another movie" in unfade("watch", tmp_path / "frames", "-o", copy).sentence()


def test_an_ended_watch_is_told_from_another_movie(unfade: Command, tmp_path: Path) -> None:
    place = tmp_path / "frames"
    place.mkdir()
    for t in range(2):
        write(place / f"t{t:03d}.tif", FRAMES[t])
    watch(place, tmp_path / "out", SETTINGS, vigil=Vigil(timeout_s=0.2))
    assert "whose frames had all come" in unfade("watch", place, "-o", tmp_path / "out").sentence()
