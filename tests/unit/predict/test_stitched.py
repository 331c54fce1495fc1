"""Frames in parts: what is found is what one piece would have given, on seams too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from unfade.predict import stitched
from unfade.predict.stitched import Part, find_stitched, joined, parts_of, picked
from unfade.records import Instances, View


def discs(height: int, width: int, count: int, seed: int = 0) -> np.ndarray:
    """Bright discs `(1, Y, X)` that do not touch."""
    rng = np.random.default_rng(seed)
    image, y, x = np.zeros((height, width)), *np.mgrid[:height, :width]
    for cy, cx in zip(rng.integers(0, height, count), rng.integers(0, width, count), strict=True):
        near = (y - cy) ** 2 + (x - cx) ** 2 <= 14**2
        if not image[near].any():
            image[(y - cy) ** 2 + (x - cx) ** 2 <= 9**2] = 1
    return image[None]


def find(image: np.ndarray) -> Instances:
    return Instances.of(ndimage.label(image[0])[0].astype(np.int32), u_total=None)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stitched, "WHOLE_PX", 200 * 200)
    monkeypatch.setattr(stitched, "CORE_PX", 192)


VIEW = View(diameter_px=(10.0, 20.0), reach_px=4)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [(500, 300), (260, 701)])
def test_parts_give_what_one_piece_gives(size: tuple[int, int], seed: int) -> None:
    image = discs(*size, 80, seed)
    parts = parts_of(size, VIEW, 1.0)
    assert len(parts) > 3
    whole, found = find(image), find_stitched(image, parts, find)
    assert len(found) == len(whole) > 20
    assert np.array_equal(found.labels(), whole.labels())
    assert found.id.tolist() == list(range(1, len(found) + 1))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("zoom", [0.25, 1.0, 3.0])
def test_cores_tile_the_frame_and_margins_surround_them(zoom: float) -> None:
    size = (1000, 1500)
    count, margin = np.zeros(size, int), (4 + 60) / zoom
    for part in parts_of(size, VIEW, zoom):
        y0, x0, y1, x1 = part.core
        count[y0:y1, x0:x1] += 1
        for edge, seen, end in zip(part.core, part.seen, (0, 0, *size), strict=True):
            assert seen == end or abs(edge - seen) >= margin
    assert (count == 1).all()


def test_small_frames_stay_whole() -> None:
    assert parts_of((4096, 4096), VIEW, 1.0) == [Part((0, 0, 4096, 4096), (0, 0, 4096, 4096))]
    assert len(parts_of((4096, 4096), VIEW, 2.0)) > 1
    assert len(parts_of((4096, 4097), VIEW, 1.0)) > 1


PARTS = [Part((0, 0, 20, 30), (0, 0, 20, 40)), Part((0, 30, 20, 60), (0, 20, 20, 60))]


def block(*boxes: tuple[int, int, int, int], kind: str = "nucleus") -> Instances:
    labels = np.zeros((20, 60), np.int32)
    for n, (y0, x0, y1, x1) in enumerate(boxes, 1):
        labels[y0:y1, x0:x1] = n
    return Instances.of(labels, kind=kind)  # type: ignore[arg-type]


def test_an_object_both_sides_own_stays_once_and_one_nobody_owns_is_kept() -> None:
    twice = joined([block((2, 20, 8, 38)), block((2, 24, 8, 38))], PARTS, (20, 60))  # middles 29 and 31
    assert twice.box.tolist() == [[2, 20, 8, 38]]
    nobody = joined([block((2, 25, 8, 37)), block((2, 24, 8, 34))], PARTS, (20, 60))  # middles 31 and 29
    assert nobody.box.tolist() == [[2, 25, 8, 37]]


def test_neighbours_that_touch_across_the_seam_stay_two() -> None:
    found = joined([block((2, 20, 8, 30)), block((2, 30, 8, 40))], PARTS, (20, 60))
    assert found.box.tolist() == [[2, 20, 8, 30], [2, 30, 8, 40]]


def test_a_nucleus_and_its_cell_keep_their_common_number() -> None:
    cell, nucleus = block((2, 3, 9, 12), (12, 3, 18, 9), kind="cell"), block((4, 5, 7, 9), (13, 4, 15, 6))
    both = stitched.concatenated([cell, nucleus], (20, 60))
    right = stitched.placed(picked(both, np.array([0, 2])), (0, 0), (20, 60))
    found = joined([both, stitched.picked(right, np.array([], np.int64))], PARTS, (20, 60))
    boxes = {(int(i), int(k)): b.tolist() for i, k, b in zip(found.id, found.kind, found.box, strict=True)}
    assert boxes == {(1, 1): [2, 3, 9, 12], (1, 0): [4, 5, 7, 9], (2, 1): [12, 3, 18, 9], (2, 0): [13, 4, 15, 6]}


def test_nothing_in_any_part() -> None:
    assert len(joined([block(), block()], PARTS, (20, 60))) == 0
