"""Policy `printed` in two sweeps equals algorithm 1 of paper imperfect written line by line on a whole track."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unfade.repair import RepairSettings
from unfade.repair.consistency import Nodes
from unfade.repair.repairer import Repairer

SHAPE = (40, 60)
INF = float("inf")


class Steps:
    """The true motion: everything moves by whole pixels from frame to frame; frames hold their own number."""

    def __init__(self, steps):
        self.at = np.cumsum([(0, 0), *steps], axis=0)

    def between(self, first, second):
        dy, dx = self.at[int(second[0, 0])] - self.at[int(first[0, 0])]
        return np.stack([np.full(SHAPE, dy, np.float32), np.full(SHAPE, dx, np.float32)])

    def warped(self, mask, source, target):
        dy, dx = self.at[target] - self.at[source]
        return np.roll(mask, (dy, dx), (0, 1))  # masks stay away from the edges


def algorithm_1(masks, u, motion, theta, alpha, beta, everything=False):
    """Lines 5 to 14 for one track: masks `(F, Y, X)`, uncertainties `(F,)`, infinite where the nucleus is missed."""
    s = [m.copy() for m in masks]
    last = len(u) - 1

    def warp(neighbour, f):
        return motion.warped(s[neighbour], neighbour, f)

    for f in sorted(range(len(u)), key=lambda f: u[f]):
        before, after = f > 0, f < last
        two = before and after and beta * u[f] >= u[f - 1] and beta * u[f] >= u[f + 1]
        uncertain = u[f] >= theta
        if everything:
            lent = [warp(n, f) for n in (f - 1, f + 1) if 0 <= n <= last]
        elif uncertain and two:
            lent = [warp(f - 1, f), warp(f + 1, f)]
        elif uncertain and before and alpha * u[f] >= u[f - 1]:
            lent = [warp(f - 1, f)]
        elif uncertain and after and alpha * u[f] >= u[f + 1]:
            lent = [warp(f + 1, f)]
        else:
            continue
        new = np.logical_or.reduce([m for m in lent if m.any()]) if any(m.any() for m in lent) else None
        if new is not None:
            s[f] = new
    return s


def drawn(u, boxes, motion):
    """Masks of a nucleus that is drawn as a rectangle; missing where u is infinite."""
    out = []
    for f, (value, (h, w)) in enumerate(zip(u, boxes, strict=True)):
        mask = np.zeros(SHAPE, bool)
        y, x = np.array([18, 28]) + motion.at[f]
        mask[y : y + h, x : x + w] = value != INF
        out.append(mask)
    return out


def swept(masks, u, motion, how):
    """The same by the sweeps of the package."""
    seen = [f for f in range(len(u)) if u[f] != INF]
    nan = np.full(len(seen), np.nan)
    area = np.array([masks[f].sum() for f in seen], float)
    nodes = Nodes(
        np.array(seen, np.int64), np.ones(len(seen), np.int64), nan, nan, area, np.array([u[f] for f in seen]),
        nan, nan, nan, np.zeros(len(seen), bool),
    )  # fmt: skip
    spans = {1: (0, len(u) - 1)}  # the cell lives all along
    repairer = Repairer(nodes, np.zeros((0, 2), np.int32), how, motion, spans)
    frames = [repairer.seen(f, np.full(SHAPE, f), m.astype(np.int32)) for f, m in enumerate(masks)]
    left = list(repairer.sweep_forward(frames))
    back = list(repairer.sweep_backward(zip(frames[::-1], left[::-1], strict=True)))
    return [r.labels for r in back[::-1]], [r.objects for r in back[::-1]]


values = st.sampled_from([0.05, 0.2, 0.3, 0.45, 0.46, 0.5, 0.55, 0.6, 0.7, 0.8, 0.95, INF, INF])
track = st.lists(st.tuples(values, st.tuples(st.integers(3, 6), st.integers(3, 6))), min_size=1, max_size=9).filter(
    lambda rows: any(u != INF for u, _ in rows)
)
walk = st.lists(st.tuples(st.integers(-1, 1), st.integers(-1, 1)), min_size=8, max_size=8)
SIX = [(4, 4), (5, 4), (4, 6), (3, 3), (6, 6), (5, 5)]


@settings(max_examples=120, deadline=None)
@given(track, walk, st.booleans())
@example(list(zip([0.1, 0.9, 0.1, 0.1, 0.1, 0.1], SIX, strict=True)), [(1, 0)] * 8, False)  # two-sided
@example(list(zip([0.1, 0.6, 0.9, 0.9, 0.95, 0.95], SIX, strict=True)), [(0, 1)] * 8, False)  # one-sided, ties
@example(list(zip([0.9, 0.2, 0.2, 0.2, 0.2, 0.9], SIX, strict=True)), [(1, 1)] * 8, False)  # first and last frame
@example(list(zip([0.9] * 6, SIX, strict=True)), [(0, 0)] * 8, False)  # all uncertain
@example(list(zip([0.1] * 6, SIX, strict=True)), [(0, 0)] * 8, False)  # none uncertain
@example(list(zip([0.1, INF, INF, INF, 0.1, INF], SIX, strict=True)), [(1, -1)] * 8, False)  # missed
@example(list(zip([0.46, 0.6, 0.8, 0.95, INF, INF], SIX, strict=True)), [(1, -1)] * 8, True)  # everything
def test_sweeps_equal_the_algorithm(rows, steps, everything):
    u, boxes = [r[0] for r in rows], [r[1] for r in rows]
    motion = Steps(steps)
    how = RepairSettings(
        policy="printed", motion="flow", uncertainty="system", drift=False, update="all" if everything else "uncertain"
    )
    masks = drawn(u, boxes, motion)
    expected = algorithm_1(masks, u, motion, how.limit, how.alpha, how.beta, everything)
    found, objects = swept(masks, u, motion, how)
    for f, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert ((a == 1) == b).all(), f
    kinds = {o.origin for frame in objects for o in frame}
    assert kinds <= {"seen", "updated", "interpolated"}
    for f, frame in enumerate(objects):
        for o in frame:
            assert (o.origin == "interpolated") == (u[f] == INF)
            assert (o.age > 0) == (o.origin != "seen")


def test_what_stays_is_the_same_to_the_pixel():
    u = [0.1, 0.9, 0.1, INF, 0.2]
    motion = Steps([(1, 0)] * 8)
    masks = drawn(u, SIX[:5], motion)
    how = RepairSettings(policy="printed", motion="flow", uncertainty="system", drift=False)
    found, objects = swept(masks, u, motion, how)
    assert [o[0].origin for o in objects] == ["seen", "updated", "seen", "interpolated", "seen"]
    for f in (0, 2, 4):
        assert ((found[f] == 1) == masks[f]).all()
    assert all(not (a == b).all() for a, b in pairwise(m.astype(int) for m in masks[:3]))
