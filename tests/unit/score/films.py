"""Tiny sequences as the score functions take them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.cases.lineages import Case, Row, images, table
from unfade.score.matches import Matches, match_sequence
from unfade.score.result import Scores
from unfade.score.sequence import score_sequence

COLUMNS = ["track", "first", "last", "parent"]


def frame_of(rows: tuple[Row, ...]) -> pd.DataFrame:
    return pd.DataFrame(table(rows), columns=COLUMNS)


def matched(truth: tuple[Row, ...], result: tuple[Row, ...], frames: int = 6, places: int = 5) -> Matches:
    return match_sequence(
        images(result, frames, places), frame_of(result), images(truth, frames, places), frame_of(truth)
    )


def scored(case: Case) -> Scores:
    truth, result = images(case.truth, case.frames, case.places), images(case.result, case.frames, case.places)
    return score_sequence(result, frame_of(case.result), truth, frame_of(case.truth), dict(enumerate(truth)))


def renamed(rows: tuple[Row, ...], names: dict[int, int]) -> tuple[Row, ...]:
    """The same film under other labels."""
    return tuple((names[a], b, c, names.get(d, 0), place) for a, b, c, d, place in rows)


def blank(frames: int, places: int = 5) -> np.ndarray:
    return images((), frames, places)
