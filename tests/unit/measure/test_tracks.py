"""Summaries of tracks, computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from unfade.errors import ShapeError
from unfade.measure import MeasureSettings, ObjectMeasurer, track_table
from unfade.records import Calibration

TRACKS = pd.DataFrame(
    {"track": [7, 3, 9], "first": [0, 2, 1], "last": [4, 2, 1], "frames": [3, 1, 1], "parent": [0, 7, 0]}
)
OBJECTS = pd.DataFrame(
    {
        "frame": [4, 0, 2, 1],
        "track": [7, 7, 3, 7],
        "kind": ["nucleus"] * 4,
        "y_px": [3.0, 0.0, 8.0, 3.0],
        "x_px": [0.0, 0.0, 8.0, 4.0],
        "area_px": [30, 10, 5, 11],
        "ratio_a": [4.0, 2.0, np.nan, np.nan],
    }
)


def test_a_track_by_hand() -> None:
    table = track_table(OBJECTS, TRACKS)
    rows = table.rows.set_index("track")
    assert rows.index.tolist() == [7, 3, 9]
    seven = rows.loc[7]
    assert (seven["length"], seven["frames"], seven["parent"]) == (5, 3, 0)
    assert (seven["path_px"], seven["displacement_px"]) == (9, 3)
    assert seven["speed_px_per_frame"] == 9 / 4
    assert (seven["mean_area_px"], seven["median_area_px"]) == (17, 11)
    assert (seven["median_ratio_a"], seven["min_ratio_a"], seven["max_ratio_a"]) == (3, 2, 4)
    assert (rows.loc[3, "path_px"], rows.loc[3, "displacement_px"], rows.loc[3, "parent"]) == (0, 0, 7)
    assert math.isnan(rows.loc[3, "speed_px_per_frame"])
    assert math.isnan(rows.loc[3, "median_ratio_a"])
    assert rows.loc[9, ["path_px", "displacement_px", "mean_area_px"]].isna().all()
    assert table.units == {
        "length": "frames",
        "displacement_px": "px",
        "path_px": "px",
        "speed_px_per_frame": "px/frame",
        "mean_area_px": "px²",
        "median_area_px": "px²",
    }


def test_um_and_s_appear_where_they_are_known() -> None:
    both = track_table(OBJECTS, TRACKS, Calibration(0.5, 10.0))
    seven = both.rows.iloc[0]
    assert (seven["path_um"], seven["displacement_um"], seven["duration_s"]) == (4.5, 1.5, 40)
    assert seven["speed_um_per_s"] == 4.5 / 40
    assert (seven["mean_area_um2"], seven["median_area_um2"]) == (17 / 4, 11 / 4)
    assert both.units["speed_um_per_s"] == "µm/s"
    stamps = track_table(OBJECTS, TRACKS, Calibration(0.5, times_s=(3, 4, 5, 6, 12))).rows
    assert stamps["duration_s"][0] == 9
    assert "speed_um_per_s" not in track_table(OBJECTS, TRACKS, Calibration(0.5)).rows


def test_of_a_cell_and_its_nucleus_the_nucleus_counts() -> None:
    cells = OBJECTS.assign(kind="cell", area_px=1000, y_px=100.0)
    pd.testing.assert_frame_equal(
        track_table(pd.concat([cells, OBJECTS]), TRACKS).rows, track_table(OBJECTS, TRACKS).rows
    )
    assert track_table(cells, TRACKS).rows["median_area_px"][0] == 1000


def test_a_movie_without_objects_gives_an_empty_table_with_headers() -> None:
    stage = ObjectMeasurer(MeasureSettings.parse({}), [(0, "a")], Calibration(0.5, 1.0))
    full = track_table(OBJECTS, TRACKS, Calibration(0.5, 1.0)).rows
    none = track_table(stage.empty_table(), TRACKS[:0], Calibration(0.5, 1.0)).rows
    assert len(none) == 0
    assert list(none.columns) == list(full.columns)
    assert none.dtypes.to_dict() == full.dtypes.to_dict()


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="Track 3 has objects"):
        track_table(OBJECTS, TRACKS[TRACKS["track"] != 3])
    with pytest.raises(ShapeError, match="Track 7 stands twice"):
        track_table(OBJECTS, pd.concat([TRACKS, TRACKS[:1]]))
    with pytest.raises(ShapeError, match="'parent'"):
        track_table(OBJECTS, TRACKS.drop(columns="parent"))


def test_ten_thousand_tracks_agree_with_one_by_one() -> None:
    rng = np.random.default_rng(0)
    track = np.repeat(np.arange(1, 10_001), rng.integers(1, 6, 10_000))
    frame = np.arange(len(track)) - np.searchsorted(track, track)
    objects = pd.DataFrame(
        {"frame": frame, "track": track, "y_px": rng.normal(size=len(track)), "x_px": 1.0, "area_px": 3}
    )
    lineage = (
        objects.groupby("track")["frame"].agg(first="min", last="max", frames="size").reset_index().assign(parent=0)
    )
    rows = track_table(objects.sample(frac=1, random_state=1), lineage).rows
    for n in (0, 5000, 9999):
        y = objects.loc[objects["track"] == n + 1, "y_px"].to_numpy()
        assert rows["path_px"][n] == pytest.approx(np.abs(np.diff(y)).sum())
        assert rows["displacement_px"][n] == pytest.approx(abs(y[-1] - y[0]))
