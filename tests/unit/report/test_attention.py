"""Objects worth a look."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.unit.report.small import content, objects_of, stack
from unfade.report.attention import COLUMNS, worth_a_look
from unfade.report.content import listed


def looks(table: pd.DataFrame) -> set[tuple[int, str]]:
    return set(zip(table["track"].tolist(), table["reason"].tolist(), strict=True))


def test_every_reason_is_found_once_per_track() -> None:
    run = content()
    found = run.attention
    assert looks(found) == {
        (2, "empty ring"),
        (3, "touches border"),
        (4, "small"),
        (5, "short-lived"),
        (6, "gap"),
        (6, "touches border"),
    }
    assert len(found) == 6
    assert found["urgency"].is_monotonic_decreasing
    assert found["urgency"].between(0, 1).all()
    by_track = found.set_index("track")
    assert by_track.loc[5, "detail"] == "1 frame of 10"
    assert by_track.loc[2, ["frame", "detail"]].tolist() == [3, "no ratio in 1 frame"]
    gap = found[found["reason"] == "gap"].iloc[0]
    assert (gap["frame"], gap["detail"]) == (5, "1 frame missing before")


def test_a_jump_of_the_area_is_found_where_it_happens() -> None:
    objects = objects_of(stack()[1])
    objects.loc[(objects["track"] == 1) & (objects["frame"] >= 6), "area_px"] *= 2
    found = worth_a_look(objects, content().tracks, 10)
    jump = found[found["reason"] == "area jumps"]
    assert jump[["track", "frame", "detail"]].to_numpy().tolist() == [[1, 6, "149 to 298 px²"]]
    shrunk = worth_a_look(objects.assign(area_px=1e4 / objects["area_px"]), content().tracks, 10)
    assert (1, "area jumps") in looks(shrunk)


def test_areas_are_not_compared_over_a_gap_or_at_the_border() -> None:
    objects = objects_of(stack()[1])
    objects.loc[(objects["track"] == 6) & (objects["frame"] > 4), "area_px"] = 400
    objects.loc[(objects["track"] == 3) & objects["touches_border"], "area_px"] = 20
    assert "area jumps" not in set(worth_a_look(objects, content().tracks, 10)["reason"])


def test_short_movies_have_no_short_lived_tracks() -> None:
    objects = objects_of(stack(2)[1])
    assert "short-lived" not in set(worth_a_look(objects, content(2).tracks, 2)["reason"])


def test_cells_are_left_out_where_there_are_nuclei() -> None:
    objects = objects_of(stack()[1])
    both = pd.concat([objects, objects.assign(kind="cell", area_px=1)], ignore_index=True)
    assert looks(worth_a_look(both, content().tracks, 10, ("ratio_a",))) == looks(content().attention)


def test_no_object_gives_an_empty_table_with_its_columns() -> None:
    run = content(empty=True)
    assert tuple(run.attention.columns) == COLUMNS
    assert len(run.attention) == 0


def test_a_clean_run_gives_an_empty_table_with_its_columns() -> None:
    objects = objects_of(stack()[1])
    clean = objects[objects["track"] == 1]
    found = worth_a_look(clean, content().tracks.query("track == 1"), 10)
    assert (len(found), tuple(found.columns)) == (0, COLUMNS)


def test_a_frequent_reason_hides_no_other() -> None:
    table = pd.DataFrame({"reason": ["a"] * 50 + ["b"] * 3, "frame": 0, "track": np.arange(53)})
    assert listed(table, 8).tolist() == [0, 1, 2, 3, 4, 50, 51, 52]
    assert listed(table, 100).tolist() == list(range(53))
