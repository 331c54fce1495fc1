"""What repair did to the nuclei: mean IoU of all, updated, interpolated and non-updated ones (imperfect, table 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.errors import ShapeError
from unfade.ops.overlap import contingency
from unfade.score.bootstrap import Plan, mean_figure
from unfade.score.result import Scores

SEEN, UPDATED, INTERPOLATED = "seen", "updated", "interpolated"  # the origins of the objects table
ORIGINS = (SEEN, UPDATED, INTERPOLATED)


@dataclass(frozen=True)
class Nuclei:
    """Annotated nuclei: IoU before and after repair, and which way repair treated each, `(N,)` all three."""

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    origin: NDArray[np.str_]


def nuclei(before: ArrayLike, after: ArrayLike, truth: ArrayLike, origin: Mapping[int, str]) -> Nuclei:
    """The true nuclei of one frame `(Y, X)`: how well each is covered before and after repair, and by what.

    `origin` maps ids of `after` to seen, updated or interpolated; an id that is not listed was seen. A true nucleus
    has the IoU of the object that fits it best, 0 if none touches it, so a truth that shows only some of the nuclei is
    enough. It has the origin of the object that fits it best after repair; one that nothing touches after repair was
    missed and stayed so, and counts as interpolated, with IoU 0, as it does in the paper's first row.

    Raises
    ------
    ShapeError
        For different shapes, images that are not integers, and unknown origins.
    """
    unknown = sorted(set(origin.values()) - set(ORIGINS))
    if unknown:
        raise ShapeError(f"The origin of an object is one of {', '.join(ORIGINS)}, got {', '.join(unknown)}.")
    first, _ = _best(truth, before)
    last, partner = _best(truth, after)
    treated = [INTERPOLATED if p == 0 else origin.get(int(p), SEEN) for p in partner]
    return Nuclei(first, last, np.array(treated, dtype=np.str_))


def score_repair(frames: Sequence[Nuclei], plan: Plan | None = None) -> Scores:
    """Rows "none" (before) and repaired (after) of imperfect, table 2: mean IoU and number of nuclei of each column.

    `IoU all`, `IoU updated`, `IoU interpolated` and `IoU non-updated` after repair; with ` before` the same nuclei
    before it, with ` gain` the difference. The groups are those that repair made, in both rows; a group without
    nuclei has no figure (NaN, count 0). With a bootstrap plan every mean has an interval over nuclei.
    """
    before, after = (np.concatenate([np.zeros(0), *(getattr(f, k) for f in frames)]) for k in ("before", "after"))
    origin = np.concatenate([np.zeros(0, np.str_), *(f.origin for f in frames)])
    groups = {
        "all": np.ones(len(origin), bool),
        "updated": origin == UPDATED,
        "interpolated": origin == INTERPOLATED,
        "non-updated": origin == SEEN,
    }
    how = {"source": "imperfect table 2", "matcher": "best IoU of each true nucleus"}
    figures = {}
    for row, iou in (("", after), (" before", before), (" gain", after - before)):
        for name, group in groups.items():
            figures[f"IoU {name}{row}"] = mean_figure(iou[group], "nuclei", how, plan)
    return Scores(figures)


def _best(truth: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Highest IoU of each true object with an object of `labels`, and that object's id; 0 and 0 where none touches."""
    overlap = contingency(truth, labels)
    best, partner = np.zeros(len(overlap.ids_a)), np.zeros(len(overlap.ids_a), np.int64)
    iou = overlap.sparse_iou()
    order = np.argsort(iou, kind="stable")  # the best comes last and stays
    best[overlap.i[order]] = iou[order]
    partner[overlap.i[order]] = overlap.ids_b[overlap.j[order]]
    return best, partner
