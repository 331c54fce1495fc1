"""Named tiny sequences: a truth, a result with one thing wrong, and what the measures must make of it.

Every sequence is one strip of cells, 4 x 6 pixels each, one place beside the other. A row says: label, first frame,
last frame, parent, place. A place may be a pair: one mask over all places from the first to the second.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Row = tuple[int, int, int, int, int | tuple[int, int]]


@dataclass(frozen=True)
class Case:
    """A truth and a result, and why the case is kept."""

    truth: tuple[Row, ...]
    result: tuple[Row, ...]
    why: str
    frames: int = 6
    places: int = 5
    expect: dict[str, float] = field(default_factory=dict)


def images(rows: tuple[Row, ...], frames: int, places: int) -> np.ndarray:
    """Label images (T, 6, 5 * places); every cell leaves one column free."""
    out = np.zeros((frames, 6, 5 * places), np.int32)
    for label, first, last, _, place in rows:
        low, high = place if isinstance(place, tuple) else (place, place)
        out[first : last + 1, 1:5, 5 * low : 5 * high + 4] = label
    return out


def table(rows: tuple[Row, ...]) -> np.ndarray:
    """Rows `L B E P` (R, 4)."""
    return np.array([row[:4] for row in rows], int).reshape(-1, 4)


FAMILY: tuple[Row, ...] = ((7, 0, 2, 0, 1), (8, 3, 5, 7, 0), (9, 3, 5, 7, 2))

CASES: dict[str, Case] = {
    "as the truth": Case(
        FAMILY,
        FAMILY,
        "Nothing is wrong, ids start at 7.",
        expect={"DET": 1, "TRA": 1, "LNK": 1, "CT": 1, "TF": 1, "BC(0)": 1, "HOTA": 1, "CHOTA": 1, "DIV_F1(0)": 1},
    ),
    "one mask over three": Case(
        ((1, 0, 5, 0, 0), (2, 0, 5, 0, 1), (3, 0, 5, 0, 2), (4, 0, 5, 0, 4)),
        ((1, 0, 5, 0, (0, 2)), (4, 0, 5, 0, 4)),
        "A mask over m cells needs m - 1 splits (Matula 2015): 2 in each of 6 frames. traccuracy 0.4.3 counts the mask "
        "once and gives 6; py-ctcmetrics 1.3.3 gives 12.",
        expect={"NS": 12, "FN": 0, "FP": 0, "DET": 1 - 60 / 240, "MOTA": 0.5},
    ),
    "track cut in two": Case(
        ((1, 0, 5, 0, 0),),
        ((1, 0, 2, 0, 0), (2, 3, 5, 1, 0)),
        "The link between the parts is written as parent and child, so its kind is wrong: EC 1 (the challenge compares "
        "what the tables say). traccuracy 0.4.3 takes a parent with one child for the same track: EC 0.",
        expect={"EC": 1, "ED": 0, "EA": 0, "HOTA": 1, "CT": 0, "TF": 0.5},
    ),
    "missed division": Case(
        FAMILY,
        ((7, 0, 2, 0, 1), (8, 3, 5, 0, 0), (9, 3, 5, 0, 2)),
        "Only two links are missing, so TRA stays near 1 while every division is lost: F1 of divisions is 0 "
        "(traccuracy 0.4.3 leaves it undefined where no division is right, although one was missed).",
        expect={"EA": 2, "TRA": 1 - 3 / (90 + 12), "BC(3)": 0, "DIV_F1(3)": 0, "DIV_R(0)": 0, "DET": 1},
    ),
    "mother lives on as a daughter": Case(
        FAMILY,
        ((7, 0, 2, 0, 1), (8, 3, 5, 7, 0), (9, 3, 5, 0, 2)),
        "One daughter keeps her mother: one link too few and no division. traccuracy 0.4.3 takes an only child for the "
        "same track, so for it the link is of the wrong kind (EC 1); by the tables it is a parent link on both sides.",
        expect={"EA": 1, "EC": 0, "BC(0)": 0, "DIV_F1(0)": 0},
    ),
    "late division": Case(
        FAMILY,
        ((7, 0, 3, 0, (0, 1)), (8, 4, 5, 7, 0), (9, 4, 5, 7, 2)),
        "The division is seen one frame late: wrong at tolerance 0, right from 1 on. With none right traccuracy 0.4.3 "
        "leaves F1 undefined; one was missed and one is wrong, so it is 0.",
        expect={"BC(0)": 0, "DIV_F1(0)": 0, "DIV_F1(1)": 1, "BC(1)": 1},
    ),
    "full in one, part of the next": Case(
        ((1, 0, 2, 0, 0), (2, 0, 5, 0, 1)),
        ((1, 0, 2, 0, 0), (2, 0, 2, 0, 1), (3, 3, 5, 0, 1)),
        "Nothing odd: each of the tracks has its longest stretch.",
        expect={"TF": 0.75},
    ),
    "low label held in full": Case(
        ((1, 0, 2, 0, 0), (2, 3, 5, 0, 0)),
        ((1, 0, 5, 0, 0),),
        "One result track holds two tracks in full. The challenge's programme stops at the first, so the second counts "
        "as not detected and leaves the mean; by the words of the definition both are held, and TF is 1 as well.",
        expect={"TF": 1},
    ),
    "held in full, then in part": Case(
        ((1, 0, 2, 0, 0), (2, 3, 5, 0, 0), (3, 4, 5, 0, 1)),
        ((1, 0, 3, 0, 0), (2, 4, 4, 0, 1), (3, 5, 5, 0, 1)),
        "Result track 1 holds truth track 1 in full and a third of track 2. The challenge's programme gives track 2 no "
        "share, and it leaves the mean: 3/4. By the words of the definition: 11/18. With the truth's labels 1 and 2 "
        "exchanged the programme gives 11/18 too: it depends on the order of labels.",
        expect={"TF": 0.75},
    ),
    "held in part, then in full": Case(
        ((2, 0, 2, 0, 0), (1, 3, 5, 0, 0), (3, 4, 5, 0, 1)),
        ((1, 0, 3, 0, 0), (2, 4, 4, 0, 1), (3, 5, 5, 0, 1)),
        "The same with the truth's labels 1 and 2 exchanged.",
        expect={"TF": 11 / 18},
    ),
    "child stated before its parent": Case(
        ((1, 0, 1, 0, 0), (3, 2, 3, 1, 0), (4, 2, 5, 1, 2), (2, 4, 5, 3, 0)),
        ((1, 0, 1, 0, 0), (2, 4, 5, 3, 0), (3, 2, 3, 1, 0), (4, 2, 5, 1, 2)),
        "Track 3 goes on as 2, and the table of the result states 2 first. py-ctcmetrics 1.3.3 then loses who the "
        "mother of the joined track is, and CHOTA falls below 1 for a result that is the truth; rows have no order.",
        expect={"CHOTA": 1, "HOTA": 1, "TRA": 1},
    ),
    "three daughters": Case(
        ((1, 0, 2, 0, 1), (2, 3, 5, 1, 0), (3, 3, 5, 1, 1), (4, 3, 5, 1, 2)),
        ((1, 0, 2, 0, 1), (2, 3, 5, 1, 0), (3, 3, 5, 1, 1), (4, 3, 5, 1, 2)),
        "A division in three, found as it is. traccuracy 0.4.3 wants exactly two right daughters and calls it wrong.",
        expect={"DIV_F1(0)": 1, "BC(0)": 1, "CHOTA": 1},
    ),
    "two divisions for one": Case(
        FAMILY,
        ((1, 0, 1, 0, 1), (2, 2, 2, 0, 1), (3, 3, 3, 1, 0), (4, 3, 3, 1, 2), (5, 4, 5, 2, 0), (6, 4, 5, 2, 2)),
        "Within one frame two divisions of the result fit the one of the truth. py-ctcmetrics 1.3.3 counts both as "
        "right and -1 as missed, so BC(1) is 4/3; here a division of the truth is found once at most: 2/3. "
        "traccuracy 0.4.3 leaves F1 of divisions undefined, as none is right without tolerance.",
        expect={"BC(0)": 0, "BC(1)": 2 / 3},
    ),
    "whole cycle lost": Case(
        (*FAMILY[:1], (8, 3, 4, 7, 0), (9, 3, 5, 7, 2), (10, 5, 5, 8, 0), (11, 5, 5, 8, 1)),
        (*FAMILY[:1], (8, 3, 4, 7, 0), (9, 3, 5, 7, 2), (10, 5, 5, 0, 0), (11, 5, 5, 0, 1)),
        "The truth has one whole cell cycle, the result none: CCA 0 in the challenge's programme, undefined in "
        "traccuracy 0.4.3.",
        expect={"CCA": 0, "BC(0)": 2 / 3},
    ),
    "half a cell each": Case(
        ((1, 0, 5, 0, 0), (2, 0, 5, 0, 2)),
        ((2, 0, 5, 0, 2),),
        "A cell without a mask costs 10 per frame.",
        expect={"FN": 6, "DET": 0.5, "FP": 0},
    ),
    "empty frame in the middle": Case(
        ((1, 0, 1, 0, 0), (2, 3, 5, 1, 0)),
        ((1, 0, 1, 0, 0), (2, 3, 5, 1, 0)),
        "Frame 2 is background in truth and result; the link over it is a parent link. py-ctcmetrics 1.3.3 fails.",
        expect={"DET": 1, "TRA": 1, "LNK": 1, "HOTA": 1},
    ),
}
