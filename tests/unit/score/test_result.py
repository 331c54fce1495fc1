"""Figures and their collections: JSON, tables, joining."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from unfade.score.result import Figure, Interval, Scores

SPAN = Interval(low=0.4, high=float("nan"), level=0.95, draws=100, units=3, unit="sequences", seed=1)
SEG = Figure(0.5, 12, "objects of the truth", {"matcher": "majority", "strict": True}, SPAN)
CT = Figure(float("nan"), 0, "complete tracks")


def test_metrics_map_abbreviations_to_numbers() -> None:
    scores = Scores({"SEG": SEG, "CT": CT, "FN": Figure(np.float32(3), 12, "objects of the truth")})
    assert json.loads(json.dumps(scores.metrics)) == {"SEG": 0.5, "CT": None, "FN": 3}
    assert list(scores) == ["SEG", "CT", "FN"]
    assert len(scores) == 3
    assert scores["SEG"] is SEG


def test_plain_values_are_valid_json() -> None:
    plain = json.loads(json.dumps(Scores({"SEG": SEG, "CT": CT}).plain(), allow_nan=False))
    assert plain["metrics"] == {"SEG": 0.5, "CT": None}
    assert plain["figures"]["SEG"]["how"] == {"matcher": "majority", "strict": True}
    assert plain["figures"]["SEG"]["interval"]["low"] == 0.4
    assert plain["figures"]["SEG"]["interval"]["high"] is None
    assert "interval" not in plain["figures"]["CT"]
    assert plain["versions"]["numpy"] == np.__version__


def test_rows_for_a_table() -> None:
    first, second = Scores({"SEG": SEG, "CT": CT}).rows()
    assert first == {
        "metric": "SEG",
        "value": 0.5,
        "low": 0.4,
        "high": None,
        "drawn": "sequences",
        "count": 12,
        "of": "objects of the truth",
        "how": "matcher majority; strict True",
    }
    assert second["value"] is second["low"] is None


def test_joining_keeps_all_and_loses_none() -> None:
    both = Scores({"SEG": SEG}) | Scores({"CT": CT})
    assert list(both) == ["SEG", "CT"]
    assert math.isnan(both["CT"].value)
    with pytest.raises(ValueError, match="SEG"):
        _ = both | Scores({"SEG": CT})
