"""Fast overlap equals the plain definition."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unfade.ops import overlap, relabel
from unfade.ops.overlap import contingency, contingency_of_instances
from unfade.records import Instances

SHAPES = st.tuples(st.integers(0, 9), st.integers(0, 9))
IDS = st.sampled_from([0, 0, 0, 1, 2, 7, 300, 65_536, 2_000_003])


def plain(a: np.ndarray, b: np.ndarray) -> dict[tuple[int, int], int]:
    """Shared pixels by counting one pixel at a time."""
    shared: dict[tuple[int, int], int] = {}
    for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
        if x and y:
            shared[x, y] = shared.get((x, y), 0) + 1
    return shared


@given(st.data(), SHAPES, st.sampled_from([1, 1 << 20]))
@settings(max_examples=150, deadline=None)
def test_contingency_is_counting(data: st.DataObject, shape: tuple[int, int], small: int) -> None:
    a = data.draw(arrays(np.int64, shape, elements=IDS))
    b = data.draw(arrays(np.int64, shape, elements=IDS))
    with mock.patch.object(relabel, "SMALL_IDS", small):  # both the table and the sorting path
        seen = contingency(a, b)
    pairs = zip(seen.ids_a[seen.i].tolist(), seen.ids_b[seen.j].tolist(), strict=True)
    counts = plain(a, b)
    assert dict(zip(pairs, seen.n.tolist(), strict=True)) == counts
    assert list(zip(seen.i, seen.j, strict=True)) == sorted(zip(seen.i, seen.j, strict=True))
    for ids, area, image in ((seen.ids_a, seen.area_a, a), (seen.ids_b, seen.area_b, b)):
        assert ids.tolist() == sorted(set(image.ravel().tolist()) - {0})
        assert area.tolist() == [int((image == k).sum()) for k in ids]
    for p, (i, j) in enumerate(zip(seen.i, seen.j, strict=True)):
        mask_a, mask_b = a == seen.ids_a[i], b == seen.ids_b[j]
        assert seen.sparse_iou()[p] == (mask_a & mask_b).sum() / (mask_a | mask_b).sum()


@pytest.mark.parametrize("objects", [40, 3000])
def test_many_objects_take_both_ways_of_grouping(objects: int) -> None:
    random = np.random.default_rng(objects)
    a = np.kron(random.integers(0, objects, (60, 60)), np.ones((2, 3), int))
    b = np.roll(a, 1, axis=1)
    seen = contingency(a, b)
    pairs = zip(seen.ids_a[seen.i].tolist(), seen.ids_b[seen.j].tolist(), strict=True)
    assert dict(zip(pairs, seen.n.tolist(), strict=True)) == plain(a, b)


@given(
    arrays(np.int32, (2, 5, 4), elements=IDS),
    arrays(np.int32, (2, 5, 4), elements=IDS),
    st.sampled_from([1, 8, 1 << 22]),
)
@settings(max_examples=60, deadline=None)
def test_instances_without_overlap_are_label_images(a: np.ndarray, b: np.ndarray, columns: int) -> None:
    with mock.patch.object(overlap, "MOST_COLUMNS", columns):  # huge frames are taken some rows after the other
        seen = contingency_of_instances(Instances.of(a), Instances.of(b))
    offset = 1 << 22  # ids that differ between the frames
    shift = offset * np.arange(2)[:, None, None]
    same = contingency(np.where(a, a + shift, 0), np.where(b, b + shift, 0))
    assert seen.area_a.tolist() == same.area_a.tolist()
    assert seen.area_b.tolist() == same.area_b.tolist()
    for name in ("i", "j", "n"):
        assert getattr(seen, name).tolist() == getattr(same, name).tolist()
