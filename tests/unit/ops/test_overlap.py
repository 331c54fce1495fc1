"""Overlap of label images: counts, ids of any kind, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unfade.errors import ShapeError
from unfade.ops.overlap import contingency, contingency_of_instances
from unfade.records import Instances

A = np.array([[7, 7, 0, 0], [7, 7, 0, 9], [0, 0, 0, 9]])
B = np.array([[0, 3, 3, 0], [0, 3, 3, 3], [5, 0, 0, 0]])

COLUMNS = ("frame", "id", "kind", "box", "runs", "score", "u_total", "u_data", "u_model")


def test_counts_of_a_drawn_case() -> None:
    seen = contingency(A, B)
    assert seen.ids_a.tolist() == [7, 9]
    assert seen.ids_b.tolist() == [3, 5]
    assert seen.area_a.tolist() == [4, 2]
    assert seen.area_b.tolist() == [5, 1]
    assert list(zip(seen.i.tolist(), seen.j.tolist(), seen.n.tolist(), strict=True)) == [(0, 0, 2), (1, 0, 1)]
    np.testing.assert_allclose(seen.iou(), [[2 / 7, 0], [1 / 6, 0]])
    np.testing.assert_allclose(seen.sparse_iou(), [2 / 7, 1 / 6])
    np.testing.assert_allclose(seen.share_of_a(), [0.5, 0.5])
    np.testing.assert_allclose(seen.share_of_b(), [0.4, 0.2])
    assert seen.shared().tolist() == [[2, 0], [1, 0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64])
def test_integer_types_mix(dtype: type[np.generic]) -> None:
    assert contingency(A.astype(dtype), B.astype(np.int32)).n.tolist() == [2, 1]


@pytest.mark.parametrize("step", [1, 10_007, 1 << 21, 1 << 40])
def test_large_and_skipping_ids(step: int) -> None:
    seen = contingency(A.astype(np.int64) * step, B)
    assert seen.ids_a.tolist() == [7 * step, 9 * step]
    assert seen.area_a.tolist() == [4, 2]
    assert seen.n.tolist() == [2, 1]


def test_masks_and_stacks_are_taken() -> None:
    assert contingency(A > 0, B > 0).n.tolist() == [3]
    stack = contingency(np.stack([A, A]), np.stack([B, 0 * B]))
    assert stack.n.tolist() == [2, 1]
    assert stack.area_a.tolist() == [8, 4]


@pytest.mark.parametrize("shape", [(4, 5), (0, 5), (0, 0)])
def test_nothing_in_either_image(shape: tuple[int, int]) -> None:
    seen = contingency(np.zeros(shape, np.int32), np.zeros(shape, np.int32))
    assert seen.iou().shape == (0, 0)
    assert len(seen.n) == len(seen.sparse_iou()) == 0


def test_one_image_is_empty() -> None:
    seen = contingency(A, np.zeros_like(A))
    assert seen.iou().shape == (2, 0)
    assert seen.area_a.tolist() == [4, 2]
    assert seen.area_b.size == seen.n.size == 0


def test_views_need_not_be_contiguous() -> None:
    assert contingency(A.T, B.T).n.tolist() == [2, 1]
    assert contingency(A[:, ::2], B[:, ::2]).shared().tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (A, B[:, :3], "one shape"),
        (A.astype(float), B, "integers"),
        (A, B.astype(np.float32), "integers"),
        (A, -B, "0\\.\\."),
    ],
)
def test_bad_input_is_refused(a: np.ndarray, b: np.ndarray, text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        contingency(a, b)


def test_masks_that_overlap_each_other() -> None:
    """Two copies of the objects of A in one record: each shares with B what A shares."""
    once = Instances.of(A)
    twice = replace(
        once,
        **{name: np.concatenate([getattr(once, name)] * 2) for name in COLUMNS},
        offset=np.concatenate([once.offset, once.offset[-1] + once.offset[1:]]),
    )
    seen = contingency_of_instances(twice, Instances.of(B))
    assert seen.shared().tolist() == [[2, 0], [1, 0], [2, 0], [1, 0]]
    assert seen.area_a.tolist() == [4, 2, 4, 2]
    itself = contingency_of_instances(twice, twice)
    assert itself.shared().tolist() == [[4, 0, 4, 0], [0, 2, 0, 2], [4, 0, 4, 0], [0, 2, 0, 2]]


def test_kinds_share_nothing() -> None:
    seen = contingency_of_instances(Instances.of(A), Instances.of(A, kind="cell"))
    assert len(seen.n) == 0
    assert seen.area_b.tolist() == [4, 2]


def test_blocks_of_different_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match="one shape"):
        contingency_of_instances(Instances.of(A), Instances.of(B[:, :3]))


def test_records_without_objects() -> None:
    none = Instances.of(0 * A)
    assert contingency_of_instances(none, none).iou().shape == (0, 0)
    assert contingency_of_instances(Instances.of(A), none).iou().shape == (2, 0)
