"""Masks that overlap survive a run: written as runs, read back as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from unfade.data import instancestore
from unfade.data.instancestore import overlapping, read_overlapping, write_overlapping
from unfade.errors import UnreadableFileError
from unfade.records import KINDS, Instances


def square(first: int, stop: int, track: int, size: int = 12) -> Instances:
    labels = np.zeros((size, size), np.int32)
    labels[first:stop, first:stop] = track
    return Instances.of(labels, score=np.array([track / 10], np.float32))


def joined(*parts: Instances) -> Instances:
    """Objects of one frame together."""
    starts = np.cumsum([0, *(len(p.runs) for p in parts)])
    columns = ("frame", "id", "kind", "box", "runs", "score", "u_total", "u_data", "u_model")
    return Instances(
        shape=parts[0].shape,
        offset=np.concatenate([[0], *(p.offset[1:] + s for p, s in zip(parts, starts[:-1], strict=True))]),
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in columns},
    )


def test_overlap_is_seen_within_a_kind_and_frame_alone() -> None:
    both = joined(square(2, 6, 1), square(5, 9, 2))
    assert overlapping(both)
    assert not overlapping(joined(square(2, 5, 1), square(5, 9, 2)))
    assert not overlapping(replace(both, kind=np.array([0, 1], np.uint8)))
    assert not overlapping(replace(both, frame=np.array([0, 1], np.int32), shape=(2, 12, 12)))
    assert not overlapping(Instances.of(np.zeros((12, 12), np.int32)))


@pytest.mark.parametrize("pending", [0, 1 << 18])
def test_what_is_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pending: int) -> None:
    monkeypatch.setattr(instancestore, "_PENDING", pending)
    empty = Instances.of(np.zeros((12, 12), np.int32))
    frames = [joined(square(2, 6, 1), square(5, 9, 2)), empty, square(0, 12, 2), empty]
    write_overlapping(tmp_path / "instances.zarr", iter(frames), (4, 12, 12))
    found = list(read_overlapping(tmp_path / "instances.zarr"))
    assert len(found) == 4
    for mine, true in zip(found, frames, strict=True):
        assert mine.shape == true.shape
        for name in ("frame", "id", "kind", "box", "runs", "offset", "score", "u_total"):
            assert np.array_equal(getattr(mine, name), getattr(true, name), equal_nan=name in ("score", "u_total"))
    assert found[0].mask(0).sum() == found[0].mask(1).sum() == 16


def test_a_store_of_no_objects_is_read(tmp_path: Path) -> None:
    write_overlapping(tmp_path / "none.zarr", [Instances.of(np.zeros((4, 4), np.int32))], (1, 4, 4))
    assert [len(found) for found in read_overlapping(tmp_path / "none.zarr")] == [0]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("offset", np.array([0, 9, 4]), "do not fit"),
        ("frame", np.array([1, 0]), "do not fit"),
        ("frame", np.array([0, 7]), "do not fit"),
        ("box", np.array([[2, 2, 6, 13], [5, 5, 9, 9]]), "do not fit"),
        ("box", np.array([[2, 2, 2, 6], [5, 5, 9, 9]]), "do not fit"),
        ("track", np.array([1, 0]), "do not fit"),
        ("kind", np.array([0, 9]), "unknown kinds"),
        ("runs", np.array([[140, 20], *[[0, 1]] * 7]), "outside the frame"),
        ("runs", np.array([[-3, 2], *[[0, 1]] * 7]), "outside the frame"),
    ],
)
def test_damage_is_told(tmp_path: Path, name: str, value: np.ndarray, message: str) -> None:
    path = tmp_path / "instances.zarr"
    write_overlapping(path, [joined(square(2, 6, 1), square(5, 9, 2))], (1, 12, 12))
    zarr.open_array(path / name, mode="r+")[:] = value
    with pytest.raises(UnreadableFileError, match=message):
        list(read_overlapping(path))


def test_kinds_are_read_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "instances.zarr"
    write_overlapping(path, [joined(square(2, 6, 1), square(5, 9, 2))], (1, 12, 12))
    root = zarr.open_group(path, mode="r+")
    told = dict(root.attrs["unfade"])
    root.attrs["unfade"] = {**told, "kinds": ["cell", "nucleus"]}
    assert [KINDS[k] for k in next(read_overlapping(path)).kind] == ["cell", "cell"]
    root.attrs["unfade"] = {**told, "kinds": ["golgi"]}
    with pytest.raises(UnreadableFileError, match="unknown kinds"):
        list(read_overlapping(path))


def test_as_many_frames_as_told_are_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 frames of objects for a movie of 2"):
        write_overlapping(tmp_path / "instances.zarr", [square(2, 6, 1)], (2, 12, 12))
    assert list(tmp_path.iterdir()) == []


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="holds no instances"):
        list(read_overlapping(tmp_path / "missing.zarr"))
    zarr.create_group(tmp_path / "other.zarr", zarr_format=3)
    with pytest.raises(UnreadableFileError, match="holds no instances"):
        list(read_overlapping(tmp_path / "other.zarr"))
