from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr

from unfade.data import open_labels
from unfade.data.labelstore import LabelWriter
from unfade.errors import OutputError, ShapeError
from unfade.records import Calibration

SHAPE = (4, 20, 24)


@pytest.fixture
def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 50_000, SHAPE).astype(np.int32)


@pytest.mark.parametrize("kinds", [("nucleus",), ("nucleus", "cell")])
@pytest.mark.parametrize("calibration", [Calibration(), Calibration(0.65, 300.0)])
def test_the_store_is_valid_and_exact(
    tmp_path: Path, stack: np.ndarray, kinds: tuple, calibration: Calibration
) -> None:
    path = tmp_path / "labels.ome.zarr"
    with LabelWriter(path, SHAPE, kinds, calibration) as writer:
        for t in (2, 0, 3, 1):
            writer.write(t, *[stack[t] + n for n in range(len(kinds))])
        assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["labels.ome.zarr"]
    yaozarrs.validate_zarr_store(str(path))
    for n, kind in enumerate(kinds):
        labels = open_labels(path, kind)
        assert labels.frame(0).dtype == np.int32
        assert labels.calibration == calibration
        np.testing.assert_array_equal(np.asarray(labels), stack + n)
    np.testing.assert_array_equal(zarr.open_array(path / "labels/nucleus/0", mode="r")[:], stack)


def test_irregular_times_are_kept(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "labels.ome.zarr"
    calibration = Calibration(0.5, 60.0, (0.0, 60.0, 200.0, 260.0))
    with LabelWriter(path, SHAPE, calibration=calibration) as writer:
        for t in range(4):
            writer.write(t, stack[t])
    yaozarrs.validate_zarr_store(str(path))
    assert open_labels(path).calibration == calibration


def test_large_frames_are_cut_into_tiles(tmp_path: Path) -> None:
    LabelWriter(tmp_path / "l.zarr", (2, 1030, 700))
    array = zarr.open_array(tmp_path / "l.zarr.part" / "labels" / "nucleus" / "0", mode="r")
    assert array.chunks == (1, 515, 700)


def test_a_killed_writer_goes_on(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "labels.ome.zarr"
    first = LabelWriter(path, SHAPE, key="a")
    assert first.done == frozenset()
    first.write(0, stack[0])
    first.write(2, stack[2])
    del first
    second = LabelWriter(path, SHAPE, key="a")
    assert second.done == {0, 2}
    np.testing.assert_array_equal(second.read(2), stack[2])
    with pytest.raises(OutputError, match="frame 1 and 1 more are missing"):
        second.finish()
    second.write(1, stack[1])
    second.write(3, stack[3])
    second.finish()
    np.testing.assert_array_equal(np.asarray(open_labels(path)), stack)


def test_a_line_that_a_kill_cut_short_does_not_count(tmp_path: Path, stack: np.ndarray) -> None:
    shape = (40, 20, 24)
    path = tmp_path / "labels.ome.zarr"
    LabelWriter(path, shape).write(30, stack[0])
    journal = tmp_path / "labels.ome.zarr.part" / ".frames"
    journal.write_text(journal.read_text() + "1")
    writer = LabelWriter(path, shape)
    assert writer.done == {30}
    writer.write(5, stack[1])
    assert LabelWriter(path, shape).done == {5, 30}


@pytest.mark.parametrize(
    "other",
    [
        {"key": "b"},
        {"shape": (5, 20, 24)},
        {"kinds": ("nucleus", "cell")},
        {"calibration": Calibration(0.5)},
    ],
)
def test_a_part_of_something_else_is_dropped(tmp_path: Path, stack: np.ndarray, other: dict) -> None:
    path = tmp_path / "labels.ome.zarr"
    LabelWriter(path, SHAPE, key="a").write(0, stack[0])
    options = {"shape": SHAPE, "key": "a", **other}
    assert LabelWriter(path, **options).done == frozenset()


def test_a_part_without_identity_is_dropped(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "labels.ome.zarr"
    LabelWriter(path, SHAPE).write(0, stack[0])
    (tmp_path / "labels.ome.zarr.part" / ".identity.json").unlink()
    assert LabelWriter(path, SHAPE).done == frozenset()


def test_an_empty_frame_replaces_a_half_written_one(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "labels.ome.zarr"
    writer = LabelWriter(path, SHAPE)
    writer.write(1, stack[1])
    writer.write(1, np.zeros_like(stack[1]))
    assert writer.read(1).max() == 0


def test_finished_labels_are_replaced_only_at_the_end(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "labels.ome.zarr"
    for offset in (0, 1):
        with LabelWriter(path, SHAPE, key=str(offset)) as writer:
            for t in range(4):
                writer.write(t, stack[t] + offset)
                assert path.exists() == bool(offset)
    np.testing.assert_array_equal(np.asarray(open_labels(path)), stack + 1)
    assert [p.name for p in tmp_path.iterdir()] == ["labels.ome.zarr"]


def test_an_error_leaves_the_part(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "labels.ome.zarr"
    writer = LabelWriter(path, SHAPE)
    writer.write(0, stack[0])
    with pytest.raises(KeyError), writer:
        raise KeyError
    assert not path.exists()
    assert LabelWriter(path, SHAPE).done == {0}


def test_frames_that_do_not_fit(tmp_path: Path, stack: np.ndarray) -> None:
    writer = LabelWriter(tmp_path / "l.zarr", SHAPE)
    for t, images in ((4, [stack[0]]), (-1, [stack[0]]), (0, [stack[0], stack[0]]), (0, [])):
        with pytest.raises(ShapeError, match="does not fit"):
            writer.write(t, *images)
    for image in (stack[0, :5], stack[0].astype(np.float32)):
        with pytest.raises(ShapeError, match="not \\(20, 24\\) integers"):
            writer.write(0, image)
    assert writer.done == frozenset()


@pytest.mark.parametrize(("shape", "kinds"), [((0, 5, 5), ("nucleus",)), (SHAPE, ()), (SHAPE, ("virus",))])
def test_stores_that_cannot_be(tmp_path: Path, shape: tuple, kinds: tuple) -> None:
    with pytest.raises(ShapeError, match="Labels need a shape"):
        LabelWriter(tmp_path / "l.zarr", shape, kinds)


def test_a_full_disk_is_one_sentence(tmp_path: Path, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = LabelWriter(tmp_path / "l.zarr", SHAPE)

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(OutputError, match=r"l.zarr cannot be written: the disk is full"):
        writer.write(0, stack[0])
    assert writer.done == frozenset()
