"""Fast linking equals its plain definition."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unfade.link import LinkSettings, OverlapLinker
from unfade.link.assignment import greedy, optimal
from unfade.link.objects import Frame, Front
from unfade.link.similarity import Step, candidates

SIZES = st.tuples(st.integers(1, 5), st.integers(1, 5))


def best_total(table: np.ndarray) -> float:
    """Largest sum of positive entries, one per row and column, by trying every way."""
    square = np.zeros((max(table.shape),) * 2)
    square[: table.shape[0], : table.shape[1]] = table
    n = len(square)
    return max(float(square[range(n), order].sum()) for order in permutations(range(n)))


@given(st.data(), SIZES)
@settings(max_examples=150, deadline=None)
def test_optimal_links_have_the_largest_total(data: st.DataObject, shape: tuple[int, int]) -> None:
    table = data.draw(arrays(np.float64, shape, elements=st.sampled_from([0, 0, 0, 0.1, 0.3, 0.5, 0.9, 1.4])))
    row, column = np.nonzero(table)
    found = optimal(row, column, table[row, column], shape)
    hit = np.flatnonzero(found >= 0)
    assert len(np.unique(found[hit])) == len(hit)
    assert np.all(table[hit, found[hit]] > 0)
    assert np.isclose(table[hit, found[hit]].sum(), best_total(table))


@given(st.data(), SIZES)
@settings(max_examples=100, deadline=None)
def test_greedy_links_take_the_best_that_is_left(data: st.DataObject, shape: tuple[int, int]) -> None:
    table = data.draw(arrays(np.float64, shape, elements=st.floats(0, 1)))
    row, column = np.nonzero(table)
    found = greedy(row, column, table[row, column], shape)
    left = table.copy()
    expected = np.full(shape[0], -1)
    while left.max(initial=0) > 0:
        i, j = np.unravel_index(np.argmax(left), shape)
        expected[i] = j
        left[i], left[:, j] = 0, 0
    assert found.tolist() == expected.tolist()


def plain(before: np.ndarray, after: np.ndarray, chosen: LinkSettings) -> dict[tuple[int, int], float]:
    """Similarity of every pair of objects of two frames, mask by mask, from the formula of `link.similarity`."""
    masks_a = {k: before == k for k in np.unique(before).tolist() if k}
    masks_b = {k: after == k for k in np.unique(after).tolist() if k}
    middle = {id(m): np.array(np.nonzero(m)).mean(axis=1) for m in (*masks_a.values(), *masks_b.values())}
    apart = [
        min(np.hypot(*(middle[id(m)] - middle[id(o)])) for o in masks_a.values() if o is not m)
        for m in masks_a.values()
        if len(masks_a) > 1
    ]
    out = {}
    for a, mask in masks_a.items():
        diameter = np.sqrt(4 * mask.sum() / np.pi)
        stride = min(max(np.median(apart), diameter), 4 * diameter) if apart else 4 * diameter
        for b, other in masks_b.items():
            far = np.hypot(*(middle[id(mask)] - middle[id(other)])) / (chosen.reach * stride)
            size = min(mask.sum(), other.sum()) / max(mask.sum(), other.sum())
            value = (mask & other).sum() / (mask | other).sum() + chosen.proximity * max(0, 1 - far) * size
            if value >= chosen.least:
                out[a, b] = float(value)
    return out


LABELS = arrays(np.int32, (9, 11), elements=st.sampled_from([0, 0, 0, 0, 0, 3, 4, 8, 70_000]))


@given(LABELS, LABELS, st.sampled_from([0.5, 1.0, 2.0]))
@settings(max_examples=60, deadline=None)
def test_candidates_are_all_similar_pairs(before: np.ndarray, after: np.ndarray, reach: float) -> None:
    chosen = LinkSettings(reach=reach)
    linker = OverlapLinker(chosen)
    state, _ = linker.push(linker.start(), before)
    frame = Frame.of(after)
    found = candidates(Step(state.front, frame, 1, chosen))
    ours = {
        (int(state.front.before.label[i]), int(frame.label[j])): v  # type: ignore[union-attr]
        for i, j, v in zip(found.row, found.column, found.similarity, strict=True)
    }
    expected = plain(before, after, chosen)
    assert ours.keys() == expected.keys()
    assert np.allclose([ours[k] for k in expected], list(expected.values()))


@given(st.lists(LABELS, min_size=2, max_size=5))
@settings(max_examples=40, deadline=None)
def test_the_names_of_labels_do_not_matter(frames: list[np.ndarray]) -> None:
    """Renaming labels in ascending order leaves every decision as it was."""
    linker = OverlapLinker(LinkSettings())
    results = []
    for factor, offset in ((1, 0), (3, 17)):
        state = linker.start()
        for image in frames:
            state, _ = linker.push(state, np.where(image > 0, factor * image + offset, 0).astype(np.int32))
        results.append(linker.finish(state))
    assert results[0].track.tolist() == results[1].track.tolist()
    assert results[0].parents.tolist() == results[1].parents.tolist()
    nodes = set(zip(results[0].frame.tolist(), results[0].label.tolist(), strict=True))
    assert nodes == {(t, k) for t, image in enumerate(frames) for k in np.unique(image).tolist() if k}


@given(LABELS)
@settings(max_examples=60, deadline=None)
def test_objects_of_a_frame_are_measured_as_by_masks(image: np.ndarray) -> None:
    frame = Frame.of(image)
    for n, label in enumerate(frame.label.tolist()):
        y, x = np.nonzero(image == label)
        assert frame.area[n] == len(y)
        assert np.isclose(frame.y[n], y.mean())
        assert np.isclose(frame.x[n], x.mean())
        flat, count = frame.pixels(np.array([n]))
        assert count.tolist() == [len(y)]
        assert flat.tolist() == (y * image.shape[1] + x).tolist()
    assert frame.label.tolist() == [k for k in np.unique(image).tolist() if k]
    assert Front.none().recent == 0
