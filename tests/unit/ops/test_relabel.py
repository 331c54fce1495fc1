"""Areas, compact numbering and renaming of label images."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.errors import ShapeError
from unfade.ops.relabel import NUCLEUS, areas, of_kind, remap, sequential

IMAGE = np.array([[0, 7, 7], [9, 0, 7], [9, 12, 0]])


@pytest.mark.parametrize("step", [1, 1 << 21])
def test_areas(step: int) -> None:
    ids, area = areas(IMAGE.astype(np.int64) * step)
    assert ids.tolist() == [7 * step, 9 * step, 12 * step]
    assert area.tolist() == [3, 2, 1]


@pytest.mark.parametrize("step", [1, 1 << 21])
def test_sequential_numbers_by_id(step: int) -> None:
    compact, ids = sequential(IMAGE.astype(np.int64) * step)
    assert compact.dtype == np.int32
    assert compact.tolist() == [[0, 1, 1], [2, 0, 1], [2, 3, 0]]
    assert ids.tolist() == [7 * step, 9 * step, 12 * step]


@pytest.mark.parametrize("step", [1, 1 << 21])
def test_remap_renames_merges_and_drops(step: int) -> None:
    image = IMAGE.astype(np.int64) * step
    out = remap(image, [12 * step, 7 * step, 99 * step], [3, 3, 5])
    assert out.dtype == np.int32
    assert out.tolist() == [[0, 3, 3], [0, 0, 3], [0, 3, 0]]


def test_background_stays_background() -> None:
    assert remap(IMAGE, [0, 7], [4, 1]).tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert remap(IMAGE, [], []).max() == 0


def test_empty_images() -> None:
    compact, ids = sequential(np.zeros((0, 3), np.uint16))
    assert compact.shape == (0, 3)
    assert ids.size == 0
    assert areas(np.zeros((2, 2), int))[1].size == 0


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [([7, 7], [1, 2], "twice"), ([7, 9], [1], "one new id"), ([7], [1 << 31], "2147483647"), ([7], [-1], "New ids")],
)
def test_bad_renaming_is_refused(old: list[int], new: list[int], text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        remap(IMAGE, old, new)


@pytest.mark.parametrize("image", [IMAGE.astype(float), -IMAGE])
def test_bad_images_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ShapeError):
        areas(image)


def test_kinds_of_cells_whose_nuclei_are_marked() -> None:
    cells = np.zeros((6, 6), np.int32)
    cells[1:5, 1:5] = 3
    assert of_kind(cells, "nucleus") is cells
    marked = cells.copy()
    marked[2:4, 2:4] += NUCLEUS
    assert np.array_equal(of_kind(marked, "nucleus"), np.where(marked >= NUCLEUS, 3, 0))
    assert np.array_equal(of_kind(marked, "cell"), cells)
    assert of_kind(marked, "cell").dtype == np.int32
