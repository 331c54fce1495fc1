"""Rings on tiny drawn frames."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.measure.rings import rings


def drawn(picture: str) -> np.ndarray:
    lines = picture.split()
    return np.array([[0 if c == "." else int(c) for c in line] for line in lines], np.int32)


def painted(picture: str, inner: float, outer: float) -> str:
    place = drawn(picture)
    groups = rings(place, int(place.max()), inner, outer)
    out = np.zeros(place.size, np.int64)
    out[groups.pixel] = groups.owner + 1
    return "\n".join("".join(".123"[v] for v in line) for line in out.reshape(place.shape))


ONE = """
.......
.......
...1...
.......
.......
"""


@pytest.mark.parametrize(
    ("inner", "outer", "wanted"),
    [
        (0, 1, "....... ...1... ..1.1.. ...1... ......."),
        (0, 1.5, "....... ..111.. ..1.1.. ..111.. ......."),
        (1, 2, "...1... ..1.1.. .1...1. ..1.1.. ...1..."),
        (1.5, 2, "...1... ....... .1...1. ....... ...1..."),
    ],
)
def test_gap_and_width_around_one_pixel(inner: float, outer: float, wanted: str) -> None:
    assert painted(ONE, inner, outer).split() == wanted.split()


def test_a_pixel_between_two_nuclei_goes_to_the_nearer_and_then_to_the_lower_number() -> None:
    assert painted("2.....1", 0, 6) == ".22111."
    assert painted("2....1", 0, 6) == ".2211."
    assert painted("1.....2", 0, 6) == ".11122."


def test_no_ring_comes_near_a_neighbours_nucleus() -> None:
    assert painted("1...2", 1, 3) == "..1.."  # the pixels beside 2 are within its gap
    assert painted("1.2", 1, 9) == "..."
    assert painted("12..", 0, 9) == "..22"  # 1 has no pixel left
    groups = rings(drawn("12.."), 2, 0, 9)
    assert groups.count.tolist() == [0, 2]
    assert groups.pixel[groups.start[1] :].tolist() == [2, 3]


def test_without_nuclei_there_is_no_ring() -> None:
    groups = rings(np.zeros((4, 5), np.int32), 0, 1, 3)
    assert len(groups.pixel) == len(groups.count) == 0


def test_pixels_come_group_by_group() -> None:
    groups = rings(drawn("1..2..1"), 2, 0, 1)
    assert [g.tolist() for g in np.split(groups.pixel, groups.start[1:])] == [[1, 5], [2, 4]]


def test_many_nuclei_and_wide_rings_do_not_overflow() -> None:
    place = np.zeros((1, 160), np.int32)
    place[0, 0], place[0, 140] = 1, 1 << 20
    groups = rings(place, 1 << 20, 30, 60)
    assert groups.pixel.tolist() == [*range(31, 61), *range(80, 110)]
    assert groups.count[[0, -1]].tolist() == [30, 30]
