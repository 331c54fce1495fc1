"""Outlines and marks merged to ids that persist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from unfade.datasets.challenge import OWN_IDS, merged_truth, read_tracked
from unfade.errors import MissingInputError

MARKS = np.zeros((12, 12), np.uint16)
MARKS[2:4, 2:4], MARKS[8:10, 8:10] = 5, 9


def outlined(*labels: int) -> np.ndarray:
    out = np.zeros((12, 12), np.uint16)
    for label in labels:
        out[(1, 7)[label - 1] :, (1, 7)[label - 1] :][:5, :5] = label
    return out


def test_outlines_take_the_ids_of_their_marks() -> None:
    found, full = merged_truth(MARKS, outlined(1, 2))
    assert full
    assert np.array_equal(found, np.array([0, 5, 9])[outlined(1, 2)])


def test_marks_without_outlines_leave_the_rest_unknown() -> None:
    found, full = merged_truth(MARKS, None)
    assert not full
    assert np.unique(found).tolist() == [-1, 5, 9]
    assert (found == 9).sum() == 4


def test_some_outlines() -> None:
    found, full = merged_truth(MARKS, outlined(2))
    assert not full
    assert ((found == 9).sum(), (found == 5).sum(), (found == 0).sum()) == (25, 4, 0)


def test_an_outline_without_mark_keeps_an_id_of_its_own() -> None:
    only = np.where(MARKS == 5, MARKS, 0).astype(np.uint16)
    found, full = merged_truth(only, outlined(1, 2))
    assert full
    assert np.unique(found).tolist() == [0, 5, OWN_IDS + 1]
    again, _ = merged_truth(only, outlined(1, 2), above=OWN_IDS + 1)
    assert np.unique(again).tolist() == [0, 5, OWN_IDS + 2]


def test_outlines_without_mark_in_two_frames_are_two_objects(folder: Path) -> None:
    only = np.where(MARKS == 5, MARKS, 0).astype(np.uint16)
    for t in range(10):
        tifffile.imwrite(folder / "01_GT" / "TRA" / f"man_track{t:03d}.tif", only)
    (train,) = read_tracked(folder, silver=True)
    assert train.outlined.all()
    own = [np.unique(frame[frame > OWN_IDS]).tolist() for frame in train.labels]
    assert own == [[OWN_IDS + 1 + t] for t in range(10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("01", "01_GT/TRA", "01_GT/SEG", "01_ST/SEG"):
        (tmp_path / name).mkdir(parents=True)
    for t in range(10):
        tifffile.imwrite(tmp_path / "01" / f"t{t:03d}.tif", np.full((12, 12), t, np.uint8))
        tifffile.imwrite(tmp_path / "01_GT" / "TRA" / f"man_track{t:03d}.tif", MARKS)
        tifffile.imwrite(tmp_path / "01_ST" / "SEG" / f"man_seg{t:03d}.tif", outlined(1, 2))
    tifffile.imwrite(tmp_path / "01_GT" / "SEG" / "man_seg004.tif", outlined(1, 2))
    tifffile.imwrite(tmp_path / "01_GT" / "SEG" / "man_seg007.tif", outlined(2))
    return tmp_path


def test_sequences_are_whole_and_their_end_is_held_out(folder: Path) -> None:
    train, val = read_tracked(folder, ("01",), held_share=0.2)
    assert (train.part, val.part, len(train.labels), len(val.labels)) == ("train", "val", 8, 2)
    assert train.image[:, 0, 0, 0].tolist() == list(range(8))
    assert np.flatnonzero(train.outlined).tolist() == [4]
    assert train.diameter_px == pytest.approx(2 * np.sqrt(25 / np.pi))


def test_silver_outlines_stand_in(folder: Path) -> None:
    (train,) = read_tracked(folder, silver=True)
    assert train.outlined.all()
    assert np.array_equal(train.labels[7], np.array([0, 5, 9])[outlined(1, 2)])


def test_a_sequence_that_is_not_there(folder: Path) -> None:
    with pytest.raises(MissingInputError, match="no sequence 02"):
        read_tracked(folder, ("02",))
