"""Everything that can be scored of a sequence, from one pass over its frames.

Of a frame only tables of overlap stay, a few numbers per object; no image outlives its frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.ops.overlap import Overlap, contingency_of_instances
from unfade.records import Instances, LabelImage
from unfade.score.bootstrap import Plan
from unfade.score.boundaries import Outline, boundary_scores, measure_boundaries
from unfade.score.calibration import score_uncertainty
from unfade.score.catalogue import GROUPS, OVER_TIME
from unfade.score.detection import Counts, best_iou, object_scores
from unfade.score.matches import frame_overlap, match_overlaps
from unfade.score.pixels import Confusion, pixel_scores
from unfade.score.ranking import score_ranking
from unfade.score.repaired import Nuclei, nuclei, score_repair
from unfade.score.result import Scores
from unfade.score.sequence import score_matches, technical_scores
from unfade.score.spread import count_spread, spread_figure

TRACKED = ("challenge", *OVER_TIME)
OUTLINED = ("objects", "pixels", "boundaries", "spreading", "ranking", "uncertainty")


@dataclass(frozen=True)
class Repaired:
    """What a frame of a repaired result was before."""

    before: LabelImage  # (Y, X) labels as seen
    origin: Mapping[int, str]  # of each object that was not just seen: updated or interpolated


@dataclass(frozen=True)
class Frame:
    """One frame of result and truth; images are `(Y, X)`, 0 is background."""

    result: LabelImage
    truth: LabelImage  # every object, as a marker at least; values are track ids
    outlines: LabelImage | None  # whole true objects where they were drawn; `truth` itself if it holds outlines
    found: Instances | None = None  # objects as segmented, with score and uncertainty
    repaired: Repaired | None = None


class Comparison:
    """Takes frame after frame, then gives the figures of the groups that are wanted (keys of `catalogue.GROUPS`).

    Objects, pixels, boundaries, ranking and uncertainty are scored on frames whose outlines show every marked object;
    SEG and repair on every frame with outlines.
    """

    def __init__(self, wanted: Collection[str] = tuple(GROUPS)) -> None:
        self.wanted = frozenset(wanted)
        self.frames = 0
        self.complete = 0  # frames whose outlines show every object
        self.true_objects = 0
        self._markers: list[Overlap] = []
        self._outlines: list[tuple[int, Overlap]] = []
        self._objects: list[Overlap] = []
        self._pixels: list[Confusion] = []
        self._boundaries: list[Outline] = []
        self._spread: list[Counts] = []
        self._found: list[tuple[Overlap, Instances]] = []
        self._nuclei: list[Nuclei] = []

    def push(self, frame: Frame) -> None:
        """Take the next frame.

        Raises
        ------
        ShapeError
            If its images differ in shape or are not integers.
        """
        t = self.frames
        self.frames += 1
        markers = frame_overlap(frame.truth, frame.result, t)
        self._markers.append(markers)
        self.true_objects += len(markers.ids_a)
        if frame.outlines is None:
            return
        drawn, whole = markers, True
        if frame.outlines is not frame.truth:
            drawn = frame_overlap(frame.outlines, frame.result, t)
            self.true_objects += len(drawn.ids_a)
            whole = _all_drawn(frame.truth, frame.outlines, len(markers.ids_a), len(drawn.ids_a))
        self._outlines.append((t, drawn))
        if frame.repaired is not None and "repair" in self.wanted:
            seen = frame.repaired
            self._nuclei.append(nuclei(seen.before, frame.result, frame.outlines, seen.origin))
        if whole:
            self._push_complete(frame, frame.outlines, drawn.turned())

    def _push_complete(self, frame: Frame, outlines: LabelImage, overlap: Overlap) -> None:
        """Take a frame that shows every true object; the overlap has the prediction as `a`."""
        self.complete += 1
        self._objects.append(overlap)
        self._pixels.append(Confusion.of(overlap, frame.result.size))
        if "boundaries" in self.wanted:
            self._boundaries.append(measure_boundaries(frame.result, outlines))
        if "spreading" in self.wanted:
            self._spread.append(count_spread(frame.result != 0, outlines))
        if frame.found is not None and self.wanted & {"ranking", "uncertainty"}:
            self._found.append((contingency_of_instances(frame.found, Instances.of(outlines)), frame.found))

    def scores(
        self,
        result_tracks: pd.DataFrame | None = None,
        truth_tracks: pd.DataFrame | None = None,
        plan: Plan | None = None,
    ) -> Scores:
        """The figures of the wanted groups, and why a group is absent; tables as `match_sequence` takes them.

        Raises
        ------
        ShapeError, TruthError
            If a table does not fit its images.
        """
        out = Scores({}, absent=self._absent(truth_tracks is None and result_tracks is not None))
        have = self.wanted - set(out.absent)
        if have & {*TRACKED}:
            out = out | self._tracked(have, result_tracks, truth_tracks, plan)
        if "objects" in have:
            out = out | object_scores(self._objects, strict=True, plan=plan)
        if "pixels" in have:
            out = out | pixel_scores(self._pixels, plan)
        if "boundaries" in have:
            out = out | boundary_scores(self._boundaries, plan)
        if "spreading" in have:
            out = out | Scores({"Label-spreading F1": spread_figure(self._spread, plan=plan)})
        if "ranking" in have:
            out = out | self._ranked(plan)
        if "uncertainty" in have:
            doubt, iou = _joined([(f.u_total, best_iou(o)) for o, f in self._found])
            out = out | score_uncertainty(np.clip(doubt, 0, 1), iou, plan=plan)
        return out | score_repair(self._nuclei, plan) if "repair" in have else out

    def _tracked(
        self,
        have: Collection[str],
        result_tracks: pd.DataFrame | None,
        truth_tracks: pd.DataFrame | None,
        plan: Plan | None,
    ) -> Scores:
        matches = match_overlaps(self._markers, result_tracks, truth_tracks, self._outlines)
        if self.frames == 1:
            return technical_scores(matches, plan).only(("SEG", "DET", "OP_CSB", "FN", "FP", "NS"))
        return score_matches(matches, plan=plan, groups=have)

    def _ranked(self, plan: Plan | None) -> Scores:
        """By every ranking that is known of all objects."""
        out = Scores({})
        for name, values in self._rankings().items():
            if not _unknown(values):
                overlaps = [overlap for overlap, _ in self._found]
                out = out | score_ranking(list(zip(overlaps, values, strict=True)), name, plan=plan)
        return out

    def _rankings(self) -> dict[str, list[NDArray[Any]]]:
        return {"sm": [f.score for _, f in self._found], "ent": [-f.u_total for _, f in self._found]}

    def _absent(self, no_table: bool) -> dict[str, str]:
        """Groups that were wanted and cannot be had, and why."""
        out: dict[str, str] = {}
        if no_table:
            out["divisions"] = "the truth has no table of tracks that says who divides"
        if self.frames == 1:
            out |= dict.fromkeys(OVER_TIME, "there is one frame only")
        if not self.complete:
            nowhere = "no frame of the truth outlines all of its objects"
            out |= dict.fromkeys(OUTLINED, nowhere if self._outlines else "the truth holds markers without outlines")
        elif not self._found:
            words = "the result holds no scores or uncertainties of objects; a run folder does"
            out |= dict.fromkeys(("ranking", "uncertainty"), words)
        else:
            lost = {name: _unknown(values) for name, values in self._rankings().items()}
            if lost["ent"]:
                out["uncertainty"] = f"{lost['ent']} objects have no uncertainty"
            if all(lost.values()):
                out["ranking"] = f"{lost['sm']} objects have no score and {lost['ent']} no uncertainty"
        if not self._nuclei:
            out["repair"] = "the result was not repaired, or the truth has no outlines"
        return {group: why for group, why in out.items() if group in self.wanted}


def _all_drawn(markers: LabelImage, outlines: LabelImage, marked: int, drawn: int) -> bool:
    """Whether every marked object has an outline: each marker meets one, and there are no fewer of them."""
    return drawn >= marked and len(np.unique(markers[(markers > 0) & (outlines > 0)])) == marked


def _unknown(values: list[NDArray[Any]]) -> int:
    return sum(int(np.isnan(part).sum()) for part in values)


def _joined(columns: list[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    left, right = (np.concatenate([np.zeros(0), *(pair[k] for pair in columns)]) for k in (0, 1))
    return left, right
