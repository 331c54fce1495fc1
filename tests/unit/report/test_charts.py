"""Axes, curves, quartiles and bars."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.unit.report.small import content
from unfade.records import Calibration
from unfade.report import charts
from unfade.report.axes import around, axis, clock, from_zero
from unfade.report.charts import HEIGHT, WIDTH, spread_of


@pytest.mark.parametrize(
    ("frames", "interval", "unit", "last"),
    [(10, 5.0, "s", 45.0), (27, 300.0, "min", 130.0), (100, 600.0, "h", 16.5), (200, 3600.0, "d", 199 / 24)],
)
def test_time_is_told_in_a_unit_that_suits_the_movie(frames: int, interval: float, unit: str, last: float) -> None:
    time = clock(frames, Calibration(None, interval))
    assert time.unit == unit
    assert time.values[-1] == pytest.approx(last)
    assert time.title == f"time ({unit})"


def test_without_an_interval_the_axis_counts_frames() -> None:
    time = clock(5, Calibration())
    assert (time.title, time.text(3), time.step()) == ("frame", "", None)
    assert [tick.text for tick in time.axis().ticks] == ["0", "1", "2", "3", "4"]


def test_irregular_times_are_kept() -> None:
    time = clock(4, Calibration(times_s=(10.0, 20.0, 50.0, 60.0)))
    assert time.values.tolist() == [0.0, 10.0, 40.0, 50.0]
    assert time.step() is None
    assert time.text(2) == "40 s"


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.9, 1.4, ["0.9", "1.0", "1.1", "1.2", "1.3", "1.4"]),
        (-0.03, 0.04, ["-0.03", "-0.02", "-0.01", "0.00", "0.01", "0.02", "0.03", "0.04"]),
        (0.0, 12000.0, ["0", "2,000", "4,000", "6,000", "8,000", "10,000", "12,000"]),
    ],
)
def test_ticks_are_round(low: float, high: float, texts: list[str]) -> None:
    assert [tick.text for tick in axis(low, high, "").ticks] == texts


def test_minutes_are_divided_as_on_a_clock() -> None:
    assert [tick.text for tick in clock(27, Calibration(None, 300.0)).axis().ticks][:3] == ["0", "20", "40"]
    assert [tick.text for tick in clock(18, Calibration(None, 300.0)).axis().ticks][:3] == ["0", "15", "30"]


def test_axis_of_counts_is_whole_and_starts_at_zero() -> None:
    found = from_zero(np.array([1.0, 2.0]), "n")
    assert found.low == 0
    assert [tick.text for tick in found.ticks] == ["0", "1", "2"]


@pytest.mark.parametrize("values", [[], [np.nan], [3.0, 3.0], [0.0, 0.0]])
def test_axis_around_few_values_has_a_span(values: list[float]) -> None:
    found = around(np.array(values), "")
    assert found.high > found.low


@given(arrays(np.float64, (6, 4), elements=st.one_of(st.just(np.nan), st.floats(-5, 5))))
def test_quartiles_are_those_of_numpy(values: NDArray[np.float64]) -> None:
    found = spread_of(values)
    for t in range(values.shape[1]):
        known = values[~np.isnan(values[:, t]), t]
        if len(known):
            assert np.allclose(found[:, t], np.percentile(known, (25, 50, 75)))
        else:
            assert np.isnan(found[:, t]).all()


def test_curves_break_at_gaps_and_missing_values() -> None:
    run = content()
    chart = charts.curves(run, "ratio_a", "reporter", clock(10, run.calibration))
    paths = {curve.track: curve.path for curve in chart.curves}
    assert sorted(paths) == [1, 2, 3, 4, 5, 6]
    assert [paths[t].count("M") for t in sorted(paths)] == [1, 2, 1, 1, 1, 2]
    assert paths[5] == f"M{WIDTH} {round(HEIGHT * (1 - chart.y.place(np.array(1.25))))}h0"
    assert (chart.tracks, chart.objects, chart.unknown) == (6, 49, 1)
    assert [row.n for row in chart.rows] == [5, 5, 5, 4, 4, 5, 5, 5, 5, 6]
    assert chart.rows[0].middle == pytest.approx(2.15)
    assert (chart.rows[0].time, chart.rows[9].time) == ("0 min", "45 min")


def test_paths_lead_back_to_the_values() -> None:
    run = content()
    chart = charts.curves(run, "ratio_a", "reporter", clock(10, run.calibration))
    points = re.findall(r"([Ml])(-?\d+) (-?\d+)", chart.curves[0].path)
    x = y = 0
    values = []
    for command, a, b in points:
        x, y = (int(a), int(b)) if command == "M" else (x + int(a), y + int(b))
        values.append(chart.y.low + (1 - y / HEIGHT) * (chart.y.high - chart.y.low))
    assert x == WIDTH
    assert np.allclose(values, [2.05] * 5 + [1.05] * 5, atol=1e-3)
    assert chart.places.split() == [str(round(WIDTH * t / 9)) for t in range(10)]


def test_values_beyond_the_axis_are_counted() -> None:
    rows = pd.DataFrame({"frame": np.zeros(400, int), "track": np.arange(400) + 1, "r": np.ones(400)})
    rows.loc[0, "r"] = 1000.0
    rows.loc[rows.index[1:], "r"] += np.linspace(0, 1, 399)
    run = content(2, objects=rows, ratios=(("r", "r"),))
    chart = charts.curves(run, "r", "r", clock(2, run.calibration))
    assert chart.beyond == 1
    assert chart.y.high < 3


def test_many_tracks_are_sampled_evenly_and_counted_fully(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "MOST_POINTS", 20)
    run = content()
    chart = charts.curves(run, "ratio_a", "reporter", clock(10, run.calibration))
    assert chart.sampled
    assert [curve.track for curve in chart.curves] == [1, 6]
    assert chart.tracks == 6
    assert chart.rows[0].n == 5


def test_bars_stand_on_zero_and_say_what_they_count() -> None:
    run = content()
    chart, rows = charts.counts(run, clock(10, run.calibration))
    assert [row.n for row in rows] == [5, 5, 5, 5, 4, 5, 5, 5, 5, 6]
    assert chart.bars[4].text == "frame 4, 20 min: 4 objects"
    assert all(re.fullmatch(rf"M\d+ {HEIGHT}V\d+H\d+V{HEIGHT}z", bar.path) for bar in chart.bars)
    tops = [int(re.findall(r"V(\d+)H", bar.path)[0]) for bar in chart.bars]
    assert tops[9] < tops[0] < tops[4]


def test_lengths_of_tracks() -> None:
    chart = charts.lengths(content())
    assert [bar.text for bar in chart.bars if ": 0 tracks" not in bar.text] == [
        "1 frame: 1 tracks",
        "9 frames: 1 tracks",
        "10 frames: 4 tracks",
    ]
    assert chart.n == 6


def test_long_movies_have_wide_bars() -> None:
    tracks = pd.DataFrame({"track": [1, 2], "first": [0, 0], "last": [99, 0], "frames": [100, 1], "parent": [0, 0]})
    chart = charts.lengths(content(tracks=tracks, shape=(100, 1, 48, 80)))
    assert chart.bars[0].text == "1 to 3 frames: 1 tracks"
    assert chart.bars[-1].text == "100 to 102 frames: 1 tracks"


def test_one_frame_shows_how_values_are_distributed() -> None:
    chart = charts.distribution(content(1), "ratio_a", "reporter")
    assert chart.n == 6
    assert chart.mark is not None
    assert chart.mark.text == "median 2.17"
    assert sum(int(bar.text.rsplit(": ", 1)[1]) for bar in chart.bars) == 6
