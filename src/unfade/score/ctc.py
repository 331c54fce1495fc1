"""SEG, DET, TRA and LNK of the Cell Tracking Challenge, and their means.

Definitions: Maška et al., The Cell Tracking Challenge: 10 years of objective benchmarking, Nature Methods 20, 2023;
Ulman et al., An objective comparison of cell-tracking algorithms, Nature Methods 14, 2017 (SEG); Matula et al., PLoS
ONE 10(12), 2015 (the graph measure behind DET, TRA and LNK).

Matcher of all four: a mask matches a reference object if it covers MORE than half of its pixels. No two masks can, but
one mask may match several objects.
"""

from __future__ import annotations

import math

from unfade.score.graph import CHALLENGE, Operations
from unfade.score.matches import Outlines


def seg(outlines: Outlines) -> float:
    """SEG: mean over the reference objects of the IoU with the mask that covers more than half, 0 without one.

    Masks without a reference object cost nothing. NaN where the truth has no object.
    """
    return float(outlines.iou.mean()) if len(outlines.iou) else math.nan


def det(counted: Operations) -> float:
    """DET: 1 minus the price of the operations on objects, over the price of making all objects anew.

    NaN for a truth without objects.
    """
    return _normalised(counted.vertex_cost(), CHALLENGE.fn * counted.vertices)


def tra(counted: Operations) -> float:
    """TRA: 1 minus the price of all operations, over the price of making the whole graph anew; NaN for an empty truth.

    A missed division is two edges of thousands: TRA hardly sees it.
    """
    return _normalised(counted.cost(), CHALLENGE.fn * counted.vertices + CHALLENGE.ea * counted.edges)


def lnk(counted: Operations) -> float:
    """LNK: 1 minus the price of the operations on edges, over the price of making all edges anew.

    NaN for a truth without edges (single frames).
    """
    return _normalised(counted.edge_cost(), CHALLENGE.ea * counted.edges)


def overall(first: float, second: float) -> float:
    """Mean of two measures: OP_CSB of SEG and DET, OP_CTB of SEG and TRA, OP_CLB of LNK and BIO; NaN if either is."""
    return 0.5 * first + 0.5 * second


def _normalised(cost: float, anew: float) -> float:
    return 1.0 - min(cost, anew) / anew if anew > 0 else math.nan
