"""Intervals of the measures of one sequence: bootstrap over clusters of tracks.

A cluster holds the tracks of truth and result that descend from each other or match each other, directly or over other
tracks. No match, link or division joins two clusters, so every measure over time is a function of sums over clusters;
they are drawn whole, as their objects depend on each other (Field and Welsh, Bootstrapping clustered data, Journal of
the Royal Statistical Society B 69, 2007). Where everything was confused with everything there is one cluster, and no
interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unfade.score.biology import found_whole, fractions, right_branches, whole_cycles
from unfade.score.bootstrap import Plan, intervals_of_sums, quotient
from unfade.score.divisions import divisions
from unfade.score.graph import CHALLENGE, edges, operations_by
from unfade.score.hota import associate, connected, family_weights, named_right, own_weights, switched
from unfade.score.matches import Floats, Ints, Matches, Side
from unfade.score.result import Scores

UNIT = "clusters of tracks"
OPERATIONS = ("NS", "FN", "FP", "ED", "EA", "EC", "vertices", "edges")

Sums = Mapping[str, Floats]  # by name: (D,) or (D, bins)


@dataclass(frozen=True)
class Clusters:
    """The cluster of every track of both sides, numbered from 0."""

    truth: Ints  # (R,)
    result: Ints  # (S,)
    count: int

    @classmethod
    def of(cls, matches: Matches) -> Clusters:
        """Join what descends from or matches each other."""
        truth, result = matches.truth, matches.result
        rows, size = len(truth.id), len(truth.id) + len(result.id)
        node = np.flatnonzero(matches.match >= 0)
        left, right = np.flatnonzero(truth.parent >= 0), np.flatnonzero(result.parent >= 0)
        a = np.concatenate([truth.track[node], left, rows + right])
        b = np.concatenate([rows + result.track[matches.match[node]], truth.parent[left], rows + result.parent[right]])
        names, part = np.unique(connected(a, b, size), return_inverse=True)
        return cls(part[:rows], part[rows:], len(names))


def with_intervals(scores: Scores, matches: Matches, tolerances: int, plain: int, plan: Plan) -> Scores:
    """The figures over time with their intervals over clusters; SEG and its means keep what they have.

    `tolerances` is the highest one in frames, `plain` that of BC, BIO and OP_CLB without a number.
    """
    clusters = Clusters.of(matches)
    if clusters.count < 2:
        return scores
    columns = cluster_sums(matches, clusters, tolerances)
    names = list(columns)
    widths = [columns[name].shape[1] for name in names]
    table = np.concatenate([columns[name] for name in names], axis=1)
    ends = np.cumsum(widths)

    def measured(sums: Floats) -> dict[str, Floats]:
        parts = dict(zip(names, np.split(sums, ends[:-1], axis=1), strict=True))
        return measures_of(parts, tolerances)

    spans = intervals_of_sums(table, measured, UNIT, plan)
    spans |= {name: spans[f"{name}({plain})"] for name in ("BC", "BIO", "OP_CLB")}
    figures = {
        name: replace(figure, interval=spans[name]) if name in spans and figure.interval is None else figure
        for name, figure in scores.items()
    }
    return replace(scores, figures=figures)


def cluster_sums(matches: Matches, clusters: Clusters, tolerances: int) -> dict[str, Floats]:
    """What each cluster adds, by name, `(clusters, 1)` or for histograms `(clusters, bins)`."""
    truth, result, size = matches.truth, matches.result, clusters.count
    counted = operations_by(matches, clusters.truth, clusters.result, size)
    out = {name: counted[:, k].astype(float) for k, name in enumerate(OPERATIONS)}
    seen = associate(matches)
    pair = clusters.truth[seen.truth]
    out["own"] = _by(pair, own_weights(seen), size)
    out["family"] = _by(pair, family_weights(seen, truth, result), size)
    out["pairs"] = _by(pair, seen.n, size)
    out["switches"] = _by(clusters.truth, switched(matches, seen), size)
    out["named"] = _by(clusters.truth, named_right(seen), size)
    out["whole"] = _by(clusters.truth, found_whole(matches), size)
    out["tracks"] = _by(clusters.truth, 1, size) + _by(clusters.result, 1, size)
    best = fractions(matches)
    out["fractions"], out["detected"] = _by(clusters.truth, best, size), _by(clusters.truth, best > 0, size)
    out["true tracks"] = _by(clusters.truth, 1, size)
    out["branches"] = _by(clusters.truth, truth.children > 1, size)
    out["found branches"] = _by(clusters.result, result.children > 1, size)
    for i in range(tolerances + 1):
        left, right = right_branches(matches, i)
        out[f"right {i}"] = _by(clusters.truth[left], 1, size)
        out[f"right back {i}"] = _by(clusters.result[right], 1, size)
    for i, found in enumerate(divisions(matches, tolerances)):
        nodes = truth.track[np.array(found.nodes, np.int64)]
        out[f"division {i}"] = _by(clusters.truth[nodes], 1, size)
    for name, side, part in (("divisions", truth, clusters.truth), ("found divisions", result, clusters.result)):
        forks = np.flatnonzero(np.bincount(edges(side).source, minlength=1) > 1)
        out[name] = _by(part[side.track[forks]], 1, size)
    table = {name: values[:, None] for name, values in out.items()}
    longest = max((int(np.max(side.last - side.first, initial=0)) for side in (truth, result)), default=0)
    table["cycles"] = _cycles(truth, clusters.truth, size, longest)
    table["found cycles"] = _cycles(result, clusters.result, size, longest)
    return table


def measures_of(sums: Sums, tolerances: int) -> dict[str, Floats]:
    """The measures `(D,)` from sums over clusters `(D, 1)` and histograms `(D, bins)`."""
    s = {name: values[:, 0] for name, values in sums.items() if "cycles" not in name}
    prices = (CHALLENGE.ns, CHALLENGE.fn, CHALLENGE.fp, CHALLENGE.ed, CHALLENGE.ea, CHALLENGE.ec)
    ns, fn, fp, ed, ea, ec = (price * s[name] for price, name in zip(prices, OPERATIONS, strict=False))
    objects, links = CHALLENGE.fn * s["vertices"], CHALLENGE.ea * s["edges"]
    union = s["pairs"] + s["FN"] + s["FP"]
    out = {name: s[name] for name in OPERATIONS[:6]}
    out["AOGM"] = ns + fn + fp + ed + ea + ec
    out["DET"], out["LNK"] = _left(ns + fn + fp, objects), _left(ed + ea + ec, links)
    out["TRA"] = _left(out["AOGM"], objects + links)
    out["HOTA"], out["CHOTA"] = (np.sqrt(quotient(s[name], union)) for name in ("own", "family"))
    out["MOTA"] = 1 - quotient(s["FN"] + s["FP"] + s["switches"] + s["NS"], s["vertices"])
    out["IDF1"] = quotient(2 * s["named"], 2 * s["pairs"] + s["FN"] + s["FP"])
    out["CT"] = quotient(2 * s["whole"], s["tracks"])
    found = np.where(s["detected"] > 0, s["fractions"] / np.maximum(s["detected"], 1), 0.0)
    out["TF"] = np.where(s["true tracks"] > 0, found, np.nan)
    out["CCA"] = _cca(sums["cycles"], sums["found cycles"])
    for i in range(tolerances + 1):
        right = np.minimum(s[f"right {i}"], s[f"right back {i}"])
        none = np.where(s["branches"] > 0, 1.0, np.nan)
        out[f"BC({i})"] = none * quotient(2 * right, s["branches"] + s["found branches"])
        parts = np.stack([out["CT"], out["TF"], out[f"BC({i})"], out["CCA"]])
        known = ~np.isnan(parts)
        out[f"BIO({i})"] = quotient(np.where(known, parts, 0).sum(axis=0), known.sum(axis=0))
        out[f"OP_CLB({i})"] = (out["LNK"] + out[f"BIO({i})"]) / 2
        hits, none = s[f"division {i}"], np.where(s["divisions"] > 0, 1.0, np.nan)
        out[f"DIV_P({i})"] = quotient(hits, s["found divisions"])
        out[f"DIV_R({i})"] = quotient(hits, s["divisions"])
        out[f"DIV_F1({i})"] = none * quotient(2 * hits, s["divisions"] + s["found divisions"])
    return out


def _left(cost: Floats, anew: Floats) -> Floats:
    return 1 - quotient(np.minimum(cost, anew), anew)


def _cca(wanted: Floats, got: Floats) -> Floats:
    totals = [part.sum(axis=1) for part in (wanted, got)]
    shares = [
        np.cumsum(part, axis=1) / np.maximum(n, 1)[:, None] for part, n in zip((wanted, got), totals, strict=True)
    ]
    apart = np.abs(shares[0] - shares[1]).max(axis=1, initial=0)
    found = np.where(totals[1] > 0, 1 - apart, 0.0)
    out: Floats = np.where(totals[0] > 0, found, np.nan)
    return out


def _cycles(side: Side, part: Ints, size: int, longest: int) -> Floats:
    """Lengths of whole cycles of each cluster as a histogram, `(clusters, longest + 1)`."""
    whole = whole_cycles(side)
    out = np.zeros((size, longest + 1))
    np.add.at(out, (part[whole], side.last[whole] - side.first[whole]), 1)
    return out


def _by(part: Ints, values: float | NDArray[np.generic], size: int) -> Floats:
    weights = np.broadcast_to(np.asarray(values, np.float64), part.shape)
    return np.bincount(part, weights, size).astype(np.float64)
