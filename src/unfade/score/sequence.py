"""All challenge and tracking measures of a sequence from one pass over its images."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from unfade.score.biology import (
    bio,
    branching,
    branching_correctness,
    cell_cycle_accuracy,
    complete_tracks,
    found_tracks,
    longest_fractions,
    track_fractions,
    whole_cycles,
)
from unfade.score.bootstrap import Plan, interval_of_sums, mean_figure
from unfade.score.catalogue import CATALOGUE
from unfade.score.clusters import with_intervals
from unfade.score.ctc import det, lnk, overall, seg, tra
from unfade.score.divisions import divisions
from unfade.score.graph import operations
from unfade.score.hota import associate, chota, hota, idf1, mota
from unfade.score.matches import LabelFrames, Matches, match_sequence
from unfade.score.result import Figure, Scores, Setting
from unfade.settings import Settings

COVERED = "mask covers > 0.5 of the marker"
ALONE = "mask covers > 0.5 of exactly one marker"


class TrackingSettings(Settings):
    """How divisions are counted; everything else is fixed by the challenge."""

    tolerances: int = Field(3, ge=0, le=20, description="Divisions are scored with 0 to this many frames of tolerance.")
    tolerance: int = Field(0, ge=0, le=20, description="Frames of tolerance of plain BC, BIO and OP_CLB.")


def score_sequence(
    pred: LabelFrames,
    pred_tracks: pd.DataFrame | None,
    truth: LabelFrames,
    truth_tracks: pd.DataFrame | None,
    seg_truth: Mapping[int, NDArray[Any]] | None = None,
    settings: TrackingSettings | None = None,
    plan: Plan | None = None,
) -> Scores:
    """Score a result against the tracking truth, and against the segmentation truth where there is one.

    One pass over the images, one frame of each in memory. `pred` and `truth` yield integer label images `(Y, X)` whose
    values are track ids; the tables have the columns `track, first, last, parent` as `Lineage.tracks()` gives them
    (None: each id is a track without parent); `seg_truth` maps frame numbers to label images and may load them lazily.

    SEG and its means are absent without `seg_truth`. A figure that is not defined is NaN: DET, TRA, MOTA for a truth
    without objects; LNK without links; BC, CCA and division figures without divisions; BIO is the mean of its defined
    parts.

    Raises
    ------
    ShapeError
        For different numbers of frames, different shapes, images that are not integers, or a result table that does
        not fit its images.
    TruthError
        For a truth table that does not fit its images.
    """
    return score_matches(match_sequence(pred, pred_tracks, truth, truth_tracks, seg_truth), settings, plan)


def score_matches(
    matches: Matches,
    settings: TrackingSettings | None = None,
    plan: Plan | None = None,
    groups: Collection[str] = ("challenge", "association", "divisions"),
) -> Scores:
    """Every figure of these groups that the matches of a sequence give.

    With a plan the figures over time have intervals over clusters of tracks, SEG over objects; the means of SEG with
    others have none, as its objects belong to no track.
    """
    chosen = settings if settings is not None else TrackingSettings.parse({})
    out = Scores({})
    if "challenge" in groups:
        technical = technical_scores(matches, plan)
        out = technical | biological_scores(matches, technical["LNK"].value, chosen)
    if "association" in groups:
        out = out | association_scores(matches)
    if "divisions" in groups:
        out = out | division_scores(matches, chosen)
    if plan is None:
        return out
    highest = max(chosen.tolerances, chosen.tolerance)
    return with_intervals(out, matches, highest, chosen.tolerance, plan)


def over_sequences(scores: Sequence[Scores], plan: Plan | None = Plan()) -> Scores:
    """Mean of every figure over sequences, the challenge's way to join them, with its interval over sequences.

    Numbers of errors are summed instead. A sequence in which a figure is absent or not defined is left out of that
    figure's mean; the count shows it, and what was counted in all stands in `how`.
    """
    names = dict.fromkeys(name for one in scores for name in one)
    return Scores({name: _joined_figure([one[name] for one in scores if name in one], name, plan) for name in names})


def _joined_figure(each: Sequence[Figure], name: str, plan: Plan | None) -> Figure:
    known = [figure for figure in each if not math.isnan(figure.value)]
    how: dict[str, Setting] = {k: v for k, v in each[0].how.items() if all(f.how.get(k) == v for f in each)}
    how["in all"] = f"{sum(figure.count for figure in known)} {each[0].of}"
    if name not in CATALOGUE or not CATALOGUE[name].total:
        how["joined"] = "mean over sequences"
        return mean_figure([figure.value for figure in each], "sequences", how, plan)
    how["joined"] = "sum over sequences"
    values = np.array([figure.value for figure in known])[:, None]
    span = None if plan is None else interval_of_sums(values, lambda sums: sums[:, 0], "sequences", plan)
    return Figure(float(values.sum()), len(known), "sequences", how, span)


def technical_scores(matches: Matches, plan: Plan | None = None) -> Scores:
    """SEG, DET, TRA, LNK, OP_CSB, OP_CTB, AOGM and the counted operations NS, FN, FP, ED, EA, EC.

    With a plan, SEG gets its interval over the objects of the segmentation truth.
    """
    done = operations(matches)
    how = _how(matches, matcher=COVERED, source="Matula 2015", weights="NS 5, FN 10, FP 1, ED 1, EA 1.5, EC 1")
    markers, links = (done.vertices, "markers of the truth"), (done.edges, "links of the truth")
    both = (done.vertices + done.edges, "markers and links of the truth")
    out: dict[str, Figure] = {}
    if matches.outlines.frames:
        objects = (len(matches.outlines.iou), "objects of the segmentation truth")
        rule = _how(matches, matcher="mask covers > 0.5 of the object, then IoU", source="Ulman 2017")
        rule["frames"] = matches.outlines.frames
        span = None if plan is None else mean_figure(matches.outlines.iou, objects[1], rule, plan).interval
        out["SEG"] = Figure(seg(matches.outlines), *objects, rule, span)
    out["DET"] = Figure(det(done), *markers, how)
    out["TRA"] = Figure(tra(done), *both, how)
    out["LNK"] = Figure(lnk(done), *links, how)
    if "SEG" in out:
        for name, other in (("OP_CSB", "DET"), ("OP_CTB", "TRA")):
            value = overall(out["SEG"].value, out[other].value)
            out[name] = Figure(value, 2, "measures", {"mean": f"SEG and {other}", "source": "Maška 2023"})
    out["AOGM"] = Figure(done.cost(), *both, how)
    for name, (count, of) in {
        "NS": markers,
        "FN": markers,
        "FP": markers,
        "ED": links,
        "EA": links,
        "EC": links,
    }.items():
        out[name] = Figure(float(getattr(done, name.lower())), count, of, how)
    return Scores(out)


def biological_scores(matches: Matches, linking: float, settings: TrackingSettings) -> Scores:
    """CT, TF, CCA, and BC, BIO, OP_CLB at every tolerance; without a number in brackets at the chosen one."""
    truth, result = matches.truth, matches.result
    tracks = (len(truth.id), "tracks of the truth")
    how = _how(matches, matcher=ALONE, source="Ulman 2017")
    ct, tf = complete_tracks(matches), track_fractions(matches)
    shares: dict[str, Setting] = {
        "shares": "as the challenge's programme gives them",
        "by its words": longest_fractions(matches),
    }
    cca = cell_cycle_accuracy(truth, result)
    out = {
        "CT": Figure(ct, *tracks, how),
        "TF": Figure(tf, found_tracks(matches), "tracks of the truth that are found", {**how, **shares}),
        "CCA": Figure(
            cca,
            len(whole_cycles(truth)),
            "whole cell cycles of the truth",
            {**_how(matches, source="Ulman 2017"), "matcher": "no matching, only lengths of cycles"},
        ),
    }
    for i in sorted({*range(settings.tolerances + 1), settings.tolerance}):
        counted = branching(matches, i)
        right, spare, missed = counted
        bc = branching_correctness(counted)
        mean = bio([ct, tf, bc, cca])
        rule: dict[str, Setting] = {**how, "tolerance": i, "right": right, "spare": spare, "missed": missed}
        block = {
            "BC": Figure(bc, right + missed, "divisions of the truth", rule),
            "BIO": Figure(mean, *tracks, {**how, "tolerance": i, "mean": "CT, TF, BC, CCA as far as defined"}),
            "OP_CLB": Figure(overall(linking, mean), 2, "measures", {"mean": "LNK and BIO", "tolerance": i}),
        }
        if i == settings.tolerance:
            out |= block
        if i <= settings.tolerances:
            out |= {f"{name}({i})": figure for name, figure in block.items()}
    return Scores(out)


def association_scores(matches: Matches) -> Scores:
    """CHOTA, HOTA, MOTA and IDF1."""
    seen = associate(matches)
    how = _how(matches, matcher=COVERED, tracks="joined over parents with one child")
    counted = (seen.union, "matches, misses and spare masks")
    markers = (len(matches.match), "markers of the truth")
    return Scores(
        {
            "CHOTA": Figure(chota(seen, matches.truth, matches.result), *counted, {**how, "source": "Kaiser 2024"}),
            "HOTA": Figure(hota(seen), *counted, {**how, "source": "Luiten 2021, one threshold"}),
            "MOTA": Figure(mota(matches, seen), *markers, {**how, "source": "Bernardin 2008"}),
            "IDF1": Figure(idf1(seen), *markers, {**how, "source": "Ristani 2016"}),
        }
    )


def division_scores(matches: Matches, settings: TrackingSettings) -> Scores:
    """Precision, recall and F1 of divisions on the graph, `DIV_P(i)`, `DIV_R(i)`, `DIV_F1(i)`."""
    out: dict[str, Figure] = {}
    for i, seen in enumerate(divisions(matches, settings.tolerances)):
        how = _how(matches, matcher=ALONE, source="traccuracy", tolerance=i)
        how["right"] = seen.right
        out[f"DIV_P({i})"] = Figure(seen.precision, seen.result, "divisions of the result", how)
        out[f"DIV_R({i})"] = Figure(seen.recall, seen.truth, "divisions of the truth", how)
        out[f"DIV_F1({i})"] = Figure(seen.f1, seen.truth + seen.result, "divisions of truth and result", how)
    return Scores(out)


def _how(matches: Matches, **known: Setting) -> dict[str, Setting]:
    """What made a figure; tracks that had to be cut are named, because the challenge would refuse them uncut."""
    cuts = {"cuts in the result": matches.result.cuts, "cuts in the truth": matches.truth.cuts}
    return {**known, **{name: n for name, n in cuts.items() if n}}
