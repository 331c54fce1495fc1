"""The fast tracking measures equal their plain definitions, and keep the promises that hold for any sequence."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unfade.ops.tracks import pieces
from unfade.score.result import Scores
from unfade.score.sequence import score_sequence

FRAMES, PLACES = 5, 4
COLUMNS = ["track", "first", "last", "parent"]
Node = tuple[int, int]


class Film(NamedTuple):
    """Label of every place and frame (T, places), 0 = empty, and the rows of its table."""

    cells: np.ndarray
    rows: tuple[tuple[int, int, int, int], ...]

    @property
    def images(self) -> np.ndarray:
        return np.kron(self.cells[:, None, :], np.ones((1, 2, 3), int))

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(np.array(self.rows, int).reshape(-1, 4), columns=COLUMNS)

    @property
    def nodes(self) -> list[Node]:
        """Objects (frame, label)."""
        return [(t, int(k)) for t in range(FRAMES) for k in np.unique(self.cells[t]) if k]

    @property
    def edges(self) -> dict[tuple[Node, Node], bool]:
        """Links, and whether each is from parent to child."""
        out = {((t, k), (t + 1, k)): False for t, k in self.nodes if (t + 1, k) in self.nodes}
        last = {row[0]: row[2] for row in self.rows}
        return out | {((last[p], p), (first, k)): True for k, first, _, p in self.rows if p}


@st.composite
def films(draw: st.DrawFn) -> Film:
    cells = draw(arrays(np.int64, (FRAMES, PLACES), elements=st.sampled_from([0, 0, 3, 4, 8, 8, 9])))
    for t in range(FRAMES):  # most places keep their label, so that there are tracks to speak of
        keep = draw(arrays(np.bool_, PLACES, elements=st.booleans())) if t else np.zeros(PLACES, bool)
        cells[t][keep] = cells[t - 1][keep]
    frame, label = np.array([(t, k) for t in range(FRAMES) for k in np.unique(cells[t]) if k]).reshape(-1, 2).T
    cut = pieces(frame, label, [])
    for t, old, new in zip(frame.tolist(), label.tolist(), cut.id[cut.of_node].tolist(), strict=True):
        cells[t][cells[t] == old] = -new
    rows = []
    for k, first, last in zip(cut.id.tolist(), cut.first.tolist(), cut.last.tolist(), strict=True):
        older = [int(p) for p, end in zip(cut.id, cut.last, strict=True) if end < first]
        rows.append((k, first, last, draw(st.sampled_from([0, *older]))))
    return Film(-cells, tuple(rows))


def score(truth: Film, result: Film) -> Scores:
    return score_sequence(result.images, result.table, truth.images, truth.table, dict(enumerate(truth.images)))


def values(scores: Scores) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 12) for name, value in scores.metrics.items()}


def plain_matches(truth: Film, result: Film) -> dict[Node, Node]:
    """The result object over more than half of each truth object."""
    found = {}
    for t, k in truth.nodes:
        here = result.cells[t][truth.cells[t] == k]
        for other, n in Counter(here.tolist()).items():
            if other and n > len(here) / 2:
                found[t, k] = (t, other)
    return found


def plain_operations(truth: Film, result: Film) -> dict[str, float]:
    match = plain_matches(truth, result)
    covers = Counter(match.values())
    single = {a: b for a, b in match.items() if covers[b] == 1}
    back = {b: a for a, b in single.items()}
    theirs = {(back[a], back[b]): p for (a, b), p in result.edges.items() if a in back and b in back}
    return {
        "NS": sum(m - 1 for m in covers.values()),
        "FN": len(truth.nodes) - len(match),
        "FP": len(result.nodes) - len(covers),
        "ED": len(set(theirs) - set(truth.edges)),
        "EA": len(set(truth.edges) - set(theirs)),
        "EC": sum(p != truth.edges[e] for e, p in theirs.items() if e in truth.edges),
    }


def plain_root(film: Film) -> dict[int, int]:
    """The track that each one continues over parents with one child."""
    parent = {row[0]: row[3] for row in film.rows}
    children = Counter(parent.values())

    def root(k: int) -> int:
        return root(parent[k]) if parent[k] and children[parent[k]] == 1 else k

    return {k: root(k) for k in parent}


def plain_family(film: Film) -> dict[int, set[int]]:
    """Joined tracks that are ancestors or descendants of each joined track, and itself."""
    root = plain_root(film)
    up = {k: root[p] if p else 0 for k, _, _, p in film.rows if root[k] == k}

    def line(k: int) -> set[int]:
        return {k} | (line(up[k]) if up[k] else set())

    return {k: {j for j in up if j in line(k) or k in line(j)} for k in up}


def plain_association(truth: Film, result: Film) -> dict[str, float]:
    """HOTA, CHOTA, IDF1 and MOTA object by object."""
    match, a_of, b_of = plain_matches(truth, result), plain_root(truth), plain_root(result)
    pairs = [(a_of[a[1]], b_of[b[1]]) for a, b in match.items()]
    pairs += [(a_of[k], 0) for t, k in truth.nodes if (t, k) not in match]
    pairs += [(0, b_of[k]) for t, k in result.nodes if (t, k) not in match.values()]
    if not pairs:
        return {"HOTA": math.nan, "CHOTA": math.nan, "IDF1": math.nan, "MOTA": math.nan}
    left, right = plain_family(truth), plain_family(result)
    narrow = wide = 0.0
    for a, b in pairs:
        if a and b:
            hits = sum(p == (a, b) for p in pairs)
            narrow += hits / sum(p[0] == a or p[1] == b for p in pairs)
            hits = sum(p[0] in left[a] and p[1] in right[b] for p in pairs)
            wide += hits / sum(p[0] in left[a] or p[1] in right[b] for p in pairs)
    count = Counter(p for p in pairs if p[0] and p[1])
    tracks, others = sorted(left), [*sorted(right), *[-1] * len(left)]
    pairings = permuted(others, len(tracks))
    best = max(sum(count[a, b] for a, b in zip(tracks, chosen, strict=True)) for chosen in pairings)
    weight = sum(p[0] > 0 for p in pairs) + sum(p[1] > 0 for p in pairs)
    seen: dict[int, int] = {}
    switches = 0
    for (_, k), (_, other) in sorted(match.items()):
        switches += seen.get(a_of[k], b_of[other]) != b_of[other]
        seen[a_of[k]] = b_of[other]
    surplus = sum(m - 1 for m in Counter(match.values()).values())
    wrong = sum(not (a and b) for a, b in pairs) + switches + surplus
    return {
        "HOTA": math.sqrt(narrow / len(pairs)),
        "CHOTA": math.sqrt(wide / len(pairs)),
        "IDF1": 2 * best / weight,
        "MOTA": 1 - wrong / len(truth.nodes) if truth.nodes else math.nan,
    }


def permuted(items: list[int], size: int) -> set[tuple[int, ...]]:
    return set(itertools.islice(itertools.permutations(items, size), 200_000))


def plain_tracks(truth: Film, result: Film) -> dict[str, float]:
    """CT, and TF by the challenge's programme, track by track."""
    match = plain_matches(truth, result)
    covers = Counter(match.values())
    spans = {k: (first, last) for k, first, last, _ in result.rows}
    whole, share = 0, {}
    for k, first, last, _ in truth.rows:
        seen = [match.get((t, k), (t, 0)) for t in range(first, last + 1)]
        by = [other[1] if covers[other] == 1 else 0 for other in seen]
        whole += by[0] > 0 and len(set(by)) == 1 and spans[by[0]] == (first, last)
        for other, run in itertools.groupby(by):
            if other:
                share[other, k] = max(share.get((other, k), 0), len(list(run)) / len(by))
    best: dict[int, float] = {}
    closed = set()
    for (other, k), part in sorted(share.items()):
        if other not in closed:
            best[k] = max(best.get(k, 0), part)
            closed |= {other} if part == 1 else set()
    total = len(truth.rows) + len(result.rows)
    found = sum(best.values()) / len(best) if best else 0.0
    return {"CT": 2 * whole / total if total else math.nan, "TF": found if truth.rows else math.nan}


def agree(scores: Scores, wanted: dict[str, float]) -> None:
    got = {name: scores[name].value for name in wanted}
    np.testing.assert_allclose(list(got.values()), list(wanted.values()), rtol=0, atol=1e-12, err_msg=str(got))


@given(films(), films())
@settings(max_examples=120, deadline=None)
def test_operations_and_tracks_are_their_definitions(truth: Film, result: Film) -> None:
    scores = score(truth, result)
    agree(scores, plain_operations(truth, result))
    agree(scores, plain_tracks(truth, result))


@st.composite
def small(draw: st.DrawFn) -> Film:
    """A film with few joined tracks, so that every pairing can be tried."""
    return draw(films().filter(lambda film: len(set(plain_root(film).values())) <= 4))


@given(small(), small())
@settings(max_examples=60, deadline=None)
def test_association_is_its_definition(truth: Film, result: Film) -> None:
    agree(score(truth, result), plain_association(truth, result))


@given(films())
@settings(max_examples=60, deadline=None)
def test_truth_against_itself_is_perfect(film: Film) -> None:
    scores = score(film, film)
    errors = {"AOGM", "NS", "FN", "FP", "ED", "EA", "EC"}
    assert {scores[k].value for k in errors} == {0}
    rest = {k: scores[k].value for k in scores if k not in errors and not math.isnan(scores[k].value)}
    assert {k: v for k, v in rest.items() if abs(v - 1) > 1e-12} == {}
    assert not film.nodes or {"SEG", "DET", "TRA", "CT", "TF", "BIO", "HOTA", "CHOTA", "IDF1", "MOTA"} <= set(rest)


@given(films(), films(), st.permutations(range(12)), st.permutations(range(12)))
@settings(max_examples=60, deadline=None)
def test_relabelling_changes_nothing(truth: Film, result: Film, first: list[int], second: list[int]) -> None:
    """Any new labels of the result; of the truth, all but TF, which follows the order of its labels."""
    before, other = values(score(truth, result)), renamed(result, second, 70_000)
    assert values(score(truth, other)) == before
    after = values(score(renamed(truth, first, 7), other))
    assert {k: v for k, v in after.items() if k != "TF" and not k.startswith(("BIO", "OP_CLB"))} == {
        k: v for k, v in before.items() if k != "TF" and not k.startswith(("BIO", "OP_CLB"))
    }
    ordered = renamed(truth, sorted(first), 65_536)
    assert values(score(ordered, other)) == before


def renamed(film: Film, order: list[int], base: int) -> Film:
    old = sorted(row[0] for row in film.rows)
    names = {0: 0} | {k: base + 5 * n for k, n in zip(old, order * 2, strict=False)}
    names |= {k: base + 1000 + i for i, k in enumerate(old[len(order) :])}
    cells = np.vectorize(names.__getitem__, otypes=[int])(film.cells)
    return Film(cells, tuple((names[k], a, b, names[p]) for k, a, b, p in film.rows))


@given(films(), films())
@settings(max_examples=60, deadline=None)
def test_symmetric_measures_are_symmetric(truth: Film, result: Film) -> None:
    """Where every match goes both ways, truth and result may change places."""
    there, back = score(truth, result), score(result, truth)
    one, two = plain_matches(truth, result), plain_matches(result, truth)
    if {(a, b) for a, b in one.items()} == {(a, b) for b, a in two.items()}:
        names = ("HOTA", "CHOTA", "IDF1", "CT")
        np.testing.assert_allclose([there[k].value for k in names], [back[k].value for k in names], atol=1e-12)
        assert (there["FN"].value, there["ED"].value) == (back["FP"].value, back["EA"].value - lost(result, two))


def lost(truth: Film, match: dict[Node, Node]) -> int:
    """Edges of the truth that cannot be found because an end has no mask."""
    return sum(a not in match or b not in match for a, b in truth.edges)


@given(films(), st.data())
@settings(max_examples=40, deadline=None)
def test_more_of_one_error_never_helps_the_measure_that_looks_for_it(film: Film, data: st.DataObject) -> None:
    rows = list(film.rows)
    steps = [film]
    order = data.draw(st.permutations(range(len(rows))))
    for n in order:  # whole tracks vanish one after the other
        gone = {rows[k][0] for k in order[: order.index(n) + 1]}
        kept = tuple((k, a, b, 0 if p in gone else p) for k, a, b, p in rows if k not in gone)
        steps.append(Film(np.where(np.isin(film.cells, list(gone)), 0, film.cells), kept))
    never_up(film, steps, ("SEG", "DET", "TRA", "LNK", "MOTA"))
    orphans = [film]
    for n in order:  # parents are forgotten one after the other
        done = {rows[k][0] for k in order[: order.index(n) + 1]}
        orphans.append(Film(film.cells, tuple((k, a, b, 0 if k in done else p) for k, a, b, p in rows)))
    never_up(film, orphans, ("TRA", "LNK"))


def never_up(truth: Film, steps: list[Film], names: tuple[str, ...]) -> None:
    for name in names:
        run = [score(truth, step)[name].value for step in steps]
        assert all(b <= a + 1e-12 for a, b in itertools.pairwise(run) if not math.isnan(a)), (name, run)
