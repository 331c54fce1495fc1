"""Clusters of tracks: their sums give back every figure, and intervals over them are what they should be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from tests.cases.lineages import CASES, FAMILY, Row
from tests.equal.test_score_lineages import Film, films
from tests.unit.score.films import frame_of, matched
from unfade.score.bootstrap import Plan
from unfade.score.clusters import UNIT, Clusters, cluster_sums, measures_of
from unfade.score.matches import Matches, match_sequence
from unfade.score.sequence import TrackingSettings, score_matches

TWICE: tuple[Row, ...] = (*FAMILY, (1, 0, 5, 0, 4))


def sums_agree(matches: Matches) -> None:
    """The measures of all clusters together are the figures."""
    columns = cluster_sums(matches, Clusters.of(matches), 3)
    whole = measures_of({name: values.sum(axis=0)[None] for name, values in columns.items()}, 3)
    scores = score_matches(matches)
    assert set(scores) - set(whole) <= {"SEG", "OP_CSB", "OP_CTB", "BC", "BIO", "OP_CLB"}
    wanted = {name: scores[name].value for name in whole}
    assert {name: float(values[0]) for name, values in whole.items()} == pytest.approx(wanted, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", CASES)
def test_sums_over_clusters_give_every_figure(name: str) -> None:
    case = CASES[name]
    sums_agree(matched(case.truth, case.result, case.frames, case.places))


@given(films(), films())
@settings(max_examples=60, deadline=None)
def test_sums_over_clusters_give_every_figure_of_any_film(truth: Film, result: Film) -> None:
    sums_agree(match_sequence(result.images, result.table, truth.images, truth.table))


def test_what_descends_or_matches_is_one_cluster() -> None:
    matches = matched(TWICE, ((5, 0, 2, 0, 1), (6, 3, 5, 0, 0), (7, 3, 5, 0, 3), (8, 0, 5, 0, 4)))
    found = Clusters.of(matches)
    truth = dict(zip(matches.truth.id.tolist(), found.truth.tolist(), strict=True))
    result = dict(zip(matches.result.id.tolist(), found.result.tolist(), strict=True))
    assert found.count == 3
    assert truth[7] == truth[8] == truth[9] == result[5] == result[6]
    assert truth[1] == result[8]
    assert result[7] not in (truth[7], truth[1])


def test_intervals_draw_clusters() -> None:
    """Of two clusters one is found: drawing two of two gives nothing, half or all."""
    scores = score_matches(matched(((1, 0, 5, 0, 0), (2, 0, 5, 0, 2)), ((1, 0, 5, 0, 0),)), plan=Plan(draws=400))
    span = scores["DET"].interval
    assert span is not None
    assert (span.low, span.high, span.units, span.unit) == (0, 1, 2, UNIT)
    assert scores["DET"].value == 0.5
    assert scores["FN"].interval is not None
    assert (scores["FN"].interval.low, scores["FN"].interval.high) == (0, 12)


def test_plain_names_have_the_interval_of_their_tolerance() -> None:
    late: tuple[Row, ...] = (*CASES["late division"].result, (1, 0, 5, 0, 4))
    chosen = TrackingSettings.parse({"tolerances": 0, "tolerance": 2})
    scores = score_matches(matched(TWICE, late), chosen, Plan(draws=50))
    spans = [scores[name].interval for name in ("BC", "BC(0)", "BIO")]
    assert [(s.low, s.high) for s in spans[:2] if s is not None] == [(1, 1), (0, 0)]
    assert spans[2] is not None


def test_one_cluster_has_no_interval() -> None:
    scores = score_matches(matched(FAMILY, FAMILY), plan=Plan(draws=20))
    assert [name for name in scores if scores[name].interval is not None] == []


def test_perfect_tracks_have_no_doubt() -> None:
    scores = score_matches(matched(TWICE, TWICE), plan=Plan(draws=20))
    spans = {name: figure.interval for name, figure in scores.items() if not math.isnan(figure.value)}
    ends = {name: (span.low, span.high) for name, span in spans.items() if span is not None}
    errors = {"NS", "FN", "FP", "ED", "EA", "EC", "AOGM"}
    assert {ends[name] for name in errors} == {(0, 0)}
    assert {pair for name, pair in ends.items() if name not in errors} == {(1, 1)}
    assert frame_of(TWICE).shape == (4, 4)
    assert np.isfinite(list(ends.values())).all()
