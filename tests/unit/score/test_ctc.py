"""SEG, DET, TRA, LNK and the counted operations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.cases.lineages import CASES, FAMILY
from tests.unit.score.films import matched
from unfade.score.ctc import det, lnk, overall, seg, tra
from unfade.score.graph import Operations, Weights, edges, operations
from unfade.score.matches import Outlines


def counted(name: str) -> Operations:
    return operations(matched(CASES[name].truth, CASES[name].result))


def test_edges_of_a_family() -> None:
    side = matched(FAMILY, FAMILY).truth
    link = edges(side)
    at = list(zip(side.frame.tolist(), side.id[side.track].tolist(), strict=True))
    pairs = {(at[a], at[b], bool(p)) for a, b, p in zip(link.source, link.target, link.parental, strict=True)}
    assert ((2, 7), (3, 8), True) in pairs
    assert ((2, 7), (3, 9), True) in pairs
    assert ((0, 7), (1, 7), False) in pairs
    assert len(pairs) == 8


def test_operations_of_the_drawn_cases() -> None:
    zero = {"ns": 0, "fn": 0, "fp": 0, "ed": 0, "ea": 0, "ec": 0}
    size = {"vertices": 9, "edges": 8}
    assert counted("as the truth") == Operations(**zero, **size)
    assert counted("missed division") == Operations(**{**zero, "ea": 2}, **size)
    assert counted("track cut in two") == Operations(**{**zero, "ec": 1}, vertices=6, edges=5)
    three = counted("one mask over three")
    assert (three.ns, three.fn, three.fp, three.ed, three.ea) == (12, 0, 0, 0, 15)


def test_swapped_identities_delete_and_add() -> None:
    two = ((1, 0, 5, 0, 0), (2, 0, 5, 0, 1))
    swap = ((1, 0, 2, 0, 0), (2, 0, 2, 0, 1), (3, 3, 5, 1, 1), (4, 3, 5, 2, 0))
    done = operations(matched(two, swap))
    assert (done.ed, done.ea, done.ec) == (2, 2, 0)


def test_prices() -> None:
    done = Operations(ns=1, fn=2, fp=3, ed=4, ea=5, ec=6, vertices=10, edges=20)
    assert done.vertex_cost() == 5 + 20 + 3
    assert done.edge_cost() == 4 + 7.5 + 6
    assert done.cost() == 45.5
    assert done.cost(Weights(1, 1, 1, 1, 1, 1)) == 21
    assert det(done) == pytest.approx(1 - 28 / 100)
    assert lnk(done) == pytest.approx(1 - 17.5 / 30)
    assert tra(done) == pytest.approx(1 - 45.5 / 130)


def test_no_worse_than_nothing_and_undefined_without_truth() -> None:
    bad = Operations(ns=0, fn=2, fp=900, ed=0, ea=0, ec=900, vertices=10, edges=20)
    assert (det(bad), tra(bad), lnk(bad)) == (0, 0, 0)
    none = Operations(0, 0, 5, 0, 0, 0, vertices=0, edges=0)
    assert all(math.isnan(f(none)) for f in (det, tra, lnk))


def test_seg_counts_every_object() -> None:
    outlines = Outlines(np.array([0, 0, 3]), np.array([1, 2, 1]), np.array([0.8, 0.0, 0.7]), 2)
    assert seg(outlines) == pytest.approx(0.5)
    assert math.isnan(seg(Outlines(np.zeros(0, int), np.zeros(0, int), np.zeros(0), 1)))
    assert overall(0.5, 1.0) == 0.75
    assert math.isnan(overall(math.nan, 1.0))
