"""Stages by themselves: files of objects, label images of tracks, measurements, scores of sides."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unfade.data import open_labels
from unfade.data.tiff_writer import write_ome_tiff
from unfade.errors import InputError, OutputError, SettingsError, ShapeError
from unfade.link import LinkSettings
from unfade.measure import MeasureSettings
from unfade.pipeline import linking, segmenting
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.measuring import measure_labels
from unfade.pipeline.running import Job, run
from unfade.pipeline.scoring import open_side, score_paths
from unfade.pipeline.session import Session
from unfade.pipeline.settings import PredictSettings, RunSettings, SystemSettings
from unfade.pipeline.training import TrainingSettings, open_training
from unfade.predict import stitched
from unfade.predict.diameter import Diameter
from unfade.records import Calibration, Evidence, Instances, Labels, Lineage, Movie
from unfade.systems.lexy import EvidenceSettings, Lexy, LexySettings
from unfade.testing.movies import tiny
from unfade.weights.catalogue import save_weights

LABELS = np.zeros((3, 12, 16), np.int32)
LABELS[:, 2:6, 3:8] = 4
LABELS[1:, 8:11, 9:14] = 9


class Stub:
    """Finds the pixels over 100 as one object; counts the frames it saw."""

    lag: int | None = 0
    memory: int | None = 0
    seconds = 0.0

    def __init__(self) -> None:
        self.seen = 0

    def start(self) -> None:
        pass

    def push(self, state: None, frame: np.ndarray) -> tuple[None, list[Instances]]:
        self.seen += 1
        return None, [Instances.of((frame[0] > 100).astype(np.int32))]

    def finish(self, state: None) -> list[Instances]:
        return []


class Late(Stub):
    """Tells of a frame when the next one is there, and which frame came before it."""

    lag: int | None = 1
    memory: int | None = 1

    def start(self) -> Any:
        return []

    def push(self, state: Any, frame: np.ndarray) -> tuple[Any, list[Instances]]:
        self.seen += 1
        state.append(int(frame[0, 0, 0]))
        return state, [self.found(state, -2)] if len(state) > 1 else []

    def finish(self, state: Any) -> list[Instances]:
        return [self.found(state, -1)]

    def found(self, state: list[int], place: int) -> Instances:
        before = state[max(place + len(state) - 1, 0)]
        return Instances.of(np.array([[100 * before + state[place]]], np.int32))


def carried(place: Path) -> str:
    """Weights of a small network whose settings differ from the usual ones in groups of settings."""
    groups = {"evidence": {"reach": 2, "keep": 0.5, "level": 0.4}, "grouping": {"threshold": 0.3}}
    kept = LexySettings.parse({"width": 8, "levels": 2, **groups})
    save_weights(place / "w.safetensors", "lexy", kept.plain(), Lexy(kept).network().state_dict())
    return str(place / "w.safetensors")


def test_one_setting_of_a_group_leaves_the_others_as_the_weights_have_them(tmp_path: Path) -> None:
    given = {"evidence": {"reach": 6}, "grouping": {"votes_px": 5.0}}
    system, _ = segmenting.open_system(SystemSettings(name="lexy", weights=carried(tmp_path), settings=given))
    assert system.settings.evidence == EvidenceSettings(reach=6, keep=0.5, level=0.4)
    assert system.settings.grouping == LexySettings().grouping.changed(threshold=0.3, votes_px=5.0)
    assert system.view.evidence == Evidence(6, 6, 0.5, 0.4)


def test_a_training_goes_on_with_the_groups_of_the_weights(tmp_path: Path) -> None:
    given = {"evidence": {"reach": 6}}
    wanted = TrainingSettings(system="lexy", weights=carried(tmp_path), settings=given)
    assert open_training(wanted)[0].settings.evidence == EvidenceSettings(reach=6, keep=0.5, level=0.4)


def test_frames_taken_in_parts_cannot_follow_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = {"name": "lexy", "weights": carried(tmp_path)}
    asked = RunSettings.parse({"system": system, "predict": {"follow": "whole", "device": "cpu"}})
    write_ome_tiff(tmp_path / "m.ome.tif", Movie.of(np.zeros((2, 1, 48, 64), np.uint8)))
    told = "Frames of 48 x 64 px are taken in parts, which cannot follow the picture; leave out --follow."
    for name, value in {"WHOLE_PX": 40 * 40, "CORE_PX": 32, "GRID_PX": 16}.items():
        monkeypatch.setattr(stitched, name, value)
    with monkeypatch.context() as patched:
        patched.setattr(segmenting, "find_diameter", None)  # it is told before anything is looked at
        with pytest.raises(SettingsError) as caught:
            run(tmp_path / "m.ome.tif", tmp_path / "out", asked)
    assert str(caught.value) == told
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(stitched, "WHOLE_PX", 60 * 60)  # in one piece as it is, but not as the network sees it
    asked = asked.changed(predict={"follow": "whole", "device": "cpu", "diameter": 12.0})
    with pytest.raises(SettingsError, match="leave out --follow"):
        run(tmp_path / "m.ome.tif", tmp_path / "out", asked)
    live = asked.changed(system={**system, "settings": {"online": True}})
    with pytest.raises(SettingsError, match="leave out --follow"):
        Session(live).push(np.zeros((1, 48, 64), np.uint8))


def movie() -> Movie:
    return Movie.of(50 + (LABELS > 0).astype(np.uint16) * 200)


@pytest.mark.parametrize(("online", "looked_at"), [(False, 1), (True, 0)])
def test_what_runs_online_does_not_measure_diameters_in_the_future(
    online: bool, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Looking:
        system = Lexy(LexySettings(online=online))

        def context(self, movie: Movie, t: int, channel: int) -> np.ndarray:
            return np.full((1, 4, 4), t, np.uint16)

    def measured(engine: Any, image: np.ndarray) -> Diameter:
        return Diameter(float(image.max()), 1.0, "measured")

    monkeypatch.setattr(segmenting, "measure_diameter", measured)
    assert segmenting.find_diameter(Looking(), movie(), 0, PredictSettings()).px == looked_at  # type: ignore[arg-type]


def test_objects_survive_their_file(tmp_path: Path) -> None:
    found = Instances.of(LABELS, np.arange(5, dtype=np.float32) / 7, np.full(5, np.nan, np.float32))
    segmenting.write_instances(tmp_path / "a.npz", found)
    back = segmenting.read_instances(tmp_path / "a.npz")
    for field in fields(Instances):
        a, b = getattr(found, field.name), getattr(back, field.name)
        assert np.array_equal(a, b, equal_nan=field.name[:2] in ("sc", "u_")), field.name
    assert back.runs.dtype == np.int64


@pytest.mark.parametrize("content", [b"", b"no arrays", b"\x93NUMPY\x01\x00", None])
def test_a_damaged_file_of_objects_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.npz"
    segmenting.write_instances(path, Instances.of(LABELS))
    path.write_bytes(path.read_bytes()[:-400] if content is None else content)
    with pytest.raises(OutputError, match=r"a.npz is missing or damaged; delete it and run again\."):
        segmenting.read_instances(path)


def test_frames_that_are_there_are_not_done_again(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    segmenting.segment_into(tmp_path, movie(), first := Stub(), "key", lambda *step: told.append(step))
    assert first.seen == 3
    assert told == [("segment", 1, 3), ("segment", 2, 3), ("segment", 3, 3)]
    segmenting.frame_path(tmp_path, 2).unlink()
    segmenting.segment_into(tmp_path, movie(), again := Stub(), "key")
    assert again.seen == 1
    segmenting.segment_into(tmp_path, movie(), none := Stub(), "key")
    assert none.seen == 0
    segmenting.segment_into(tmp_path, movie(), other := Stub(), "other key")
    assert other.seen == 3


def test_a_stage_that_remembers_frames_is_given_them_again(tmp_path: Path) -> None:
    counted = Movie.of(np.arange(1, 8)[:, None, None].astype(np.uint8))
    segmenting.segment_into(tmp_path, counted, Late(), "key")
    ids = [int(segmenting.read_instances(segmenting.frame_path(tmp_path, t)).id[0]) for t in range(7)]
    assert ids == [101, 102, 203, 304, 405, 506, 607]
    for t in (4, 5, 6):
        segmenting.frame_path(tmp_path, t).unlink()
    segmenting.segment_into(tmp_path, counted, again := Late(), "key")
    assert again.seen == 4  # frame 3 once more, and what follows
    again_ids = [int(segmenting.read_instances(segmenting.frame_path(tmp_path, t)).id[0]) for t in range(7)]
    assert again_ids == ids


def test_frames_of_another_key_are_gone_even_if_the_movie_is_shorter_now(tmp_path: Path) -> None:
    segmenting.segment_into(tmp_path, movie(), Stub(), "key")
    segmenting.segment_into(tmp_path, movie().window(0, 2), Stub(), "other")
    assert sorted(p.name for p in tmp_path.glob("*.npz")) == ["000000.npz", "000001.npz"]


def test_pixels_that_are_no_numbers_stop_at_their_frame(tmp_path: Path) -> None:
    frames = np.zeros((3, 8, 8), np.float32)
    frames[2, 1, 1] = np.nan
    stage: Any = Stub()
    with pytest.raises(InputError, match="Frame 2 has 1 NaN"):
        segmenting.segment_into(tmp_path, Movie.of(frames), stage, "key")
    assert stage.seen == 2


def lineage() -> Lineage:
    frame, label = np.array([0, 1, 2, 1, 2], np.int32), np.array([4, 4, 4, 9, 9], np.int32)
    track = np.array([1, 1, 1, 2, 2], np.int32)
    return Lineage(frame, label, track, np.full(5, np.nan, np.float32), np.array([[2, 1]], np.int32))


def test_a_lineage_survives_its_file(tmp_path: Path) -> None:
    linking.write_lineage(tmp_path / "l.npz", lineage())
    back = linking.read_lineage(tmp_path / "l.npz")
    assert all(
        np.array_equal(getattr(back, n), getattr(lineage(), n), equal_nan=n == "confidence") for n in linking.ARRAYS
    )
    (tmp_path / "l.npz").write_bytes(b"x")
    with pytest.raises(OutputError, match=r"l.npz is missing or damaged; delete it and run again\."):
        linking.read_lineage(tmp_path / "l.npz")


def test_label_images_hold_tracks_and_leave_out_what_has_none(tmp_path: Path) -> None:
    whole = lineage()
    kept = Lineage(*(getattr(whole, n)[:4] for n in linking.ARRAYS[:4]), whole.parents)  # the last object has no track
    shape = (3, 12, 16)
    linking.write_track_labels(tmp_path / "l.zarr", iter(LABELS), shape, kept, Calibration(0.5, 60.0))
    labels = open_labels(tmp_path / "l.zarr")
    expected = np.where(LABELS == 4, 1, np.where(LABELS == 9, 2, 0))
    expected[2][LABELS[2] == 9] = 0
    assert np.array_equal(np.asarray(labels), expected)
    assert labels.calibration.pixel_um == 0.5


def test_half_written_labels_are_removed(tmp_path: Path) -> None:
    def frames() -> Any:
        yield LABELS[0]
        raise OutputError("full")

    with pytest.raises(OutputError, match="full"):
        linking.write_track_labels(tmp_path / "l.zarr", frames(), (3, 12, 16), lineage(), Calibration())
    assert list(tmp_path.iterdir()) == []


def test_links_tell_their_progress() -> None:
    told: list[tuple[str, int, int]] = []
    found = linking.link_frames(iter(LABELS), 3, LinkSettings(), lambda *step: told.append(step))
    assert told == [("link", 1, 3), ("link", 2, 3), ("link", 3, 3)]
    assert len(found.tracks()) == 2


@pytest.mark.parametrize("kind", ["nucleus", "cell"])
def test_measured_labels_keep_their_kind(kind: Any) -> None:
    table = measure_labels(movie(), Labels.of(LABELS, kind), MeasureSettings())
    assert set(table.rows["kind"]) == {kind}
    assert table.rows["ratio_channel_0"].isna().all() == (kind == "cell")
    assert list(table.rows["area_px"]) == [20, 20, 15, 20, 15]


def test_labels_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"The labels are \(3, 12, 16\) but the movie has frames \(2, 12, 16\)\."):
        measure_labels(movie().window(0, 2), Labels.of(LABELS), MeasureSettings())


def test_no_object_gives_a_table_with_columns() -> None:
    empty = measure_labels(movie(), Labels.of(np.zeros_like(LABELS)), MeasureSettings())
    full = measure_labels(movie(), Labels.of(LABELS), MeasureSettings())
    assert (len(empty), list(empty.rows), empty.units) == (0, list(full.rows), full.units)


def test_sides_that_are_equal_score_one(tmp_path: Path) -> None:
    linking.write_track_labels(tmp_path / "l.zarr", iter(LABELS), (3, 12, 16), lineage(), Calibration())
    assert open_side(tmp_path / "l.zarr").tracks is None
    found = score_paths(tmp_path / "l.zarr", tmp_path / "l.zarr", ["f1@0.50", "MOTA"], draws=0)
    assert [s.value for s in found.values()] == [1, 1]


def test_the_tiny_movie_is_followed_by_its_own_masks() -> None:
    made = tiny()
    found = linking.link_frames(made.labels().frames(), 5, LinkSettings())
    pairs = {(int(a), int(b)) for a, b in zip(found.label, found.track, strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_any_failure_to_write_in_a_stage_is_told(tmp_path: Path) -> None:
    def work() -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    job = Job(RunFolder(tmp_path), RunSettings(), movie(), 0, (0,), {"stages": {}})
    with pytest.raises(OutputError, match="cannot be written: the disk is full"):
        job.stage("link", "key", (), work)
    assert not job.manifest["stages"]["link"]["complete"]


def test_a_stage_is_done_once_per_key_and_again_without_its_outputs(tmp_path: Path) -> None:
    done: list[int] = []
    output = tmp_path / "output"

    def work() -> dict[str, Any]:
        done.append(1)
        output.touch()
        return {"found": len(done)}

    job = Job(RunFolder(tmp_path), RunSettings(), movie(), 0, (0,), {"input": {}, "stages": {}})
    for key in ("a", "a", "b"):
        job.stage("link", key, (output,), work)
    assert len(done) == 2
    output.unlink()
    job.stage("link", "b", (output,), work)
    kept = RunFolder(tmp_path).read_manifest()["stages"]["link"]
    assert (kept["complete"], kept["key"], kept["found"]) == (True, "b", 3)
