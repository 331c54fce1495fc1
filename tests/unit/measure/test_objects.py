"""Objects on tiny drawn frames, measured by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from unfade.errors import ChannelError, SettingsError, ShapeError
from unfade.measure import Frame, MeasureSettings, ObjectMeasurer, Tally
from unfade.records import Calibration

FIRST = ["frame", "track", "kind", "y_px", "x_px", "area_px"]


def measure(
    labels: np.ndarray,
    image: np.ndarray | None = None,
    calibration: Calibration = Calibration(),
    t: int = 0,
    **how: object,
) -> pd.DataFrame:
    pixels = np.zeros((1, *labels.shape), np.uint16) if image is None else image
    names = [(c, f"c{c}") for c in range(len(pixels))]
    stage = ObjectMeasurer(MeasureSettings.parse(how), names, calibration)
    return stage.push(stage.start(), (t, pixels, labels, None))[1][0]


def square(shape: tuple[int, int] = (9, 11), ident: int = 7) -> np.ndarray:
    """A rectangle of 2 x 4 pixels at y 3..4, x 4..7."""
    labels = np.zeros(shape, np.int32)
    labels[3:5, 4:8] = ident
    return labels


def test_a_rectangle_has_the_shape_computed_by_hand() -> None:
    row = measure(square()).iloc[0]
    assert (row["track"], row["area_px"], row["y_px"], row["x_px"]) == (7, 8, 3.5, 5.5)
    assert row[["box_y0_px", "box_x0_px", "box_y1_px", "box_x1_px"]].tolist() == [3, 4, 5, 8]
    assert row["equivalent_diameter_px"] == pytest.approx(math.sqrt(4 * 8 / math.pi))
    assert row["perimeter_px"] == 8  # every pixel is on the outline and has two straight neighbours or more
    assert row["major_axis_px"] == pytest.approx(4 * math.sqrt(1.25))  # variance of 0, 1, 2, 3
    assert row["minor_axis_px"] == pytest.approx(4 * math.sqrt(0.25))  # variance of 0, 1
    assert row["eccentricity"] == pytest.approx(math.sqrt(1 - 0.25 / 1.25))
    assert row["orientation_rad"] == pytest.approx(math.pi / 2)  # along x
    assert not row["touches_border"]


@pytest.mark.parametrize(("pixels", "angle"), [("ii", 0.0), ("diagonal", math.pi / 4), ("anti", -math.pi / 4)])
def test_orientation_turns_from_y_to_x(pixels: str, angle: float) -> None:
    labels = np.zeros((8, 8), np.int32)
    for k in range(4):
        labels[2 + k, {"ii": 3, "diagonal": 2 + k, "anti": 6 - k}[pixels]] = 1
    row = measure(labels).iloc[0]
    assert row["orientation_rad"] == pytest.approx(angle)
    assert row["eccentricity"] == 1
    assert row["minor_axis_px"] == 0


@pytest.mark.parametrize("step", [(1, 3), (3, 7), (5, 3), (2, 9), (7, 11)])
@pytest.mark.parametrize("pixels", [2, 5, 6, 7, 11])
def test_a_line_has_no_width_however_it_runs(step: tuple[int, int], pixels: int) -> None:
    labels = np.zeros((90, 140), np.int32)
    labels[np.arange(pixels) * step[0], np.arange(pixels) * step[1]] = 1
    row = measure(labels).iloc[0]
    assert (row["minor_axis_px"], row["eccentricity"]) == (0, 1)


def test_one_pixel_is_an_object() -> None:
    labels = np.zeros((5, 5), np.int32)
    labels[2, 3] = 9
    row = measure(labels, np.full((1, 5, 5), 4, np.uint8)).iloc[0]
    assert (row["area_px"], row["y_px"], row["x_px"], row["perimeter_px"]) == (1, 2, 3, 0)
    assert (row["mean_c0"], row["median_c0"], row["std_c0"], row["max_c0"], row["integrated_c0"]) == (4, 4, 0, 4, 4)
    assert (row["major_axis_px"], row["eccentricity"]) == (0, 0)
    assert math.isnan(row["orientation_rad"])


def test_intensities_by_hand_with_each_background() -> None:
    image = np.full((1, 9, 11), 10, np.uint16)
    image[0, 3, 4:8] = [20, 30, 40, 50]
    image[0, 4, 4:8] = [20, 30, 40, 90]
    plain = measure(square(), image, ratio="median").iloc[0]
    assert (plain["mean_c0"], plain["median_c0"], plain["max_c0"], plain["integrated_c0"]) == (40, 35, 90, 320)
    assert plain["std_c0"] == pytest.approx(np.std([20, 20, 30, 30, 40, 40, 50, 90]))
    assert (plain["ring_mean_c0"], plain["ring_median_c0"], plain["ratio_c0"]) == (10, 10, 3.5)
    assert "background_c0" not in plain
    off = measure(square(), image, background="constant", background_value=4.0).iloc[0]
    assert (off["mean_c0"], off["median_c0"], off["max_c0"], off["integrated_c0"]) == (36, 31, 86, 320 - 8 * 4)
    assert off["std_c0"] == plain["std_c0"]
    assert (off["ring_mean_c0"], off["ratio_c0"], off["background_c0"]) == (6, 6, 4)
    low = measure(square(), image, background="percentile", background_percentile=50.0).iloc[0]
    assert (low["background_c0"], low["mean_c0"], low["ring_mean_c0"]) == (10, 30, 0)
    assert math.isnan(low["ratio_c0"])  # nothing left in the ring to divide by


def test_the_ratio_is_that_of_the_core() -> None:
    labels = np.zeros((30, 30), np.int32)
    labels[5:16, 5:16] = 3
    labels[5:16, 16:25] = 4  # a neighbour's pixels are outside too
    labels[25:28, 5:9] = 9  # nothing of it lies deep
    image = np.full((1, 30, 30), 10, np.uint16)
    image[0, labels > 0] = 20
    image[0, 7:14, 7:14] = 50  # 2 px within
    whole = measure(labels, image, nucleus_inset=0.0, ring_gap=0.0).set_index("track")
    core = measure(labels, image, nucleus_inset=2.0, ring_gap=0.0).set_index("track")
    assert whole.loc[3, "ratio_c0"] == pytest.approx((49 * 50 + 72 * 20) / 121 / 10)
    assert core.loc[3, "ratio_c0"] == 5
    assert core.loc[4, "ratio_c0"] == 2
    assert core.loc[9, "ratio_c0"] == 2
    assert core["mean_c0"].tolist() == whole["mean_c0"].tolist()
    cut = np.zeros((9, 9), np.int32)
    cut[0:5, 0:9] = 1  # goes on beyond the edges
    bright = np.full((1, 9, 9), 10, np.uint16)
    bright[0, 0:3] = 40
    assert measure(cut, bright, nucleus_inset=2.0, ring_gap=0.0).loc[0, "ratio_c0"] == 4


def test_haze_that_is_known_is_taken_off() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[20:40, 20:40] = 1
    sharp = np.where(labels > 0, 40.0, 10.0) + 5
    seen = 0.8 * sharp + 0.2 * gaussian_filter(sharp, 6, mode="nearest")
    hazy = measure(labels, seen[None].astype(np.float32), background="constant", background_value=5.0)
    clear = measure(
        labels, seen[None].astype(np.float32), background="constant", background_value=5.0, haze=0.2, haze_px=6.0
    )
    assert hazy.loc[0, "ratio_c0"] < 3.5
    assert clear.loc[0, "ratio_c0"] == pytest.approx(4, rel=1e-3)
    assert clear.loc[0, "mean_c0"] == pytest.approx(40, rel=1e-3)


def test_background_is_that_of_each_channel() -> None:
    image = np.stack([np.full((9, 11), 5.0), np.full((9, 11), 8.0)]).astype(np.float32)
    row = measure(square(), image, background="percentile").iloc[0]
    assert (row["background_c0"], row["background_c1"]) == (5, 8)


def test_columns_start_as_promised_and_scaled_ones_need_a_scale() -> None:
    bare = measure(square())
    assert list(bare.columns[:6]) == FIRST
    assert not [c for c in bare.columns if c.endswith(("_um", "_um2", "_s"))]
    scaled = measure(square(), None, Calibration(0.5, 30.0), t=4)
    row = scaled.iloc[0]
    assert list(scaled.columns[:10]) == [*FIRST, "time_s", "y_um", "x_um", "area_um2"]
    assert (row["time_s"], row["y_um"], row["x_um"], row["area_um2"]) == (120, 1.75, 2.75, 2)
    assert row["perimeter_um"] == 4
    assert row["ring_area_um2"] == row["ring_area_px"] * 0.25
    stamped = measure(square(), None, Calibration(times_s=(5.0, 7.0, 19.0)), t=2)
    assert stamped["time_s"].tolist() == [14]


def test_ids_that_start_at_7_and_skip_keep_their_numbers() -> None:
    labels = np.zeros((6, 40), np.int32)
    for place, ident in enumerate((2_000_000_011, 7, 300)):
        labels[2:4, 10 * place + 4] = ident
    rows = measure(labels)
    assert rows["track"].tolist() == [7, 300, 2_000_000_011]
    assert rows["x_px"].tolist() == [14, 24, 4]


@pytest.mark.parametrize(("where", "touching"), [((0, 4), 1), ((8, 4), 1), ((4, 0), 1), ((4, 10), 1), ((1, 1), 0)])
def test_objects_at_the_border_are_flagged(where: tuple[int, int], touching: int) -> None:
    labels = np.zeros((9, 11), np.int32)
    labels[where] = 3
    assert measure(labels)["touches_border"].tolist() == [bool(touching)]


def test_a_ring_without_room_is_nan_and_counted() -> None:
    labels = np.ones((6, 8), np.int32)
    labels[:, 4:] = 2
    stage = ObjectMeasurer(MeasureSettings.parse({}), [(0, "a")])
    state, (rows,) = stage.push(stage.start(), Frame(0, np.ones((1, 6, 8), np.uint8), labels))
    assert rows["ring_area_px"].tolist() == [0, 0]
    assert rows[["ring_mean_a", "ring_median_a", "ratio_a"]].isna().all(axis=None)
    assert rows["mean_a"].tolist() == [1, 1]
    assert state == Tally(frames=1, objects=2, empty_rings=2)
    labels[0, 0] = 0  # next to nucleus 1: within the gap of 1 px
    assert stage.push(state, Frame(1, np.ones((1, 6, 8), np.uint8), labels))[0] == Tally(2, 4, 4)
    labels[:3, :3] = 0
    assert stage.push(state, Frame(1, np.ones((1, 6, 8), np.uint8), labels))[0] == Tally(2, 4, 3)


def test_frames_without_objects_give_typed_rows() -> None:
    stage = ObjectMeasurer(MeasureSettings.parse({}), [(0, "a")], Calibration(0.5, 1.0))
    _, (none,) = stage.push(stage.start(), Frame(0, np.zeros((1, 4, 4), np.uint16), np.zeros((4, 4), np.int32)))
    _, (one,) = stage.push(stage.start(), Frame(0, np.zeros((1, 9, 11), np.uint16), square()))
    assert len(none) == 0
    assert len(one) == 1
    assert none.dtypes.to_dict() == one.dtypes.to_dict() == stage.empty_table().dtypes.to_dict()
    assert tuple(one.columns) == tuple(stage.empty_table().columns) == stage.columns()
    assert pd.concat([stage.empty_table(), none, one]).dtypes.to_dict() == one.dtypes.to_dict()
    assert stage.finish(Tally()) == []


def test_a_nan_pixel_spoils_only_its_own_object() -> None:
    labels = np.zeros((5, 30), np.int32)
    labels[1:4, 2:5], labels[1:4, 20:23] = 1, 2
    for dtype in (np.float32, np.float64):
        image = np.full((1, 5, 30), 3, dtype)
        image[0, 2, 3] = np.nan
        rows = measure(labels, image)
        parts = ["mean_c0", "median_c0", "std_c0", "max_c0", "integrated_c0", "ratio_c0"]
        assert rows.loc[0, parts].isna().all()
        assert rows.loc[1, parts].tolist() == [3, 3, 0, 3, 27, 1]


def test_confidence_comes_by_track() -> None:
    labels = np.zeros((4, 9), np.int32)
    labels[1, 1], labels[1, 4], labels[1, 7] = 2, 5, 6
    stage = ObjectMeasurer(MeasureSettings.parse({}), [])
    image = np.zeros((0, 4, 9), np.uint8)
    for given in ({2: 0.25, 5: 0.5}, np.array([9, 9, 0.25, 9, 9, 0.5])):
        _, (rows,) = stage.push(stage.start(), (0, image, labels, given))
        assert rows["confidence"].tolist()[:2] == [0.25, 0.5]
        assert math.isnan(rows["confidence"][2])
    _, (rows,) = stage.push(stage.start(), (0, image, labels))
    assert rows["confidence"].isna().all()
    assert rows["origin"].tolist() == ["seen"] * 3
    assert rows["age"].tolist() == [0] * 3


def test_cells_have_no_ring() -> None:
    stage = ObjectMeasurer(MeasureSettings.parse({}), [(0, "a")], kind="cell")
    state, (rows,) = stage.push(stage.start(), Frame(0, np.ones((1, 9, 11), np.uint8), square()))
    assert rows["kind"].tolist() == ["cell"]
    assert rows["ratio_a"].isna().all()
    assert state.empty_rings == 0


def test_channel_names_become_column_endings() -> None:
    names = ["ERK reporter", "erk-Reporter", "µ", "GFP (488)", "area_um"]
    stage = ObjectMeasurer(MeasureSettings.parse({}), list(enumerate(names)), Calibration(1.0))
    endings = ["erk_reporter", "erk_reporter_2", "channel_2", "gfp_488", "area_um"]
    assert stage.ratios() == tuple((f"ratio_{e}", n) for e, n in zip(endings, names, strict=True))
    units = stage.units()
    assert {f"mean_{e}" for e in endings} == {c for c, u in units.items() if c.startswith("mean_") and u == "a.u."}
    assert "ratio_area_um" not in units
    wanted = {"y_px": "px", "area_px": "px²", "area_um2": "µm²", "orientation_rad": "rad", "age": "frames"}
    assert {name: units[name] for name in wanted} == wanted
    assert not {"frame", "track", "kind", "eccentricity", "confidence"} & set(units)


def test_channels_are_taken_by_index() -> None:
    image = np.stack([np.full((9, 11), v, np.uint8) for v in (1, 2, 3)])
    stage = ObjectMeasurer(MeasureSettings.parse({}), [(2, "last"), (0, "first")])
    _, (rows,) = stage.push(stage.start(), Frame(0, image, square()))
    assert (rows["mean_last"][0], rows["mean_first"][0]) == (3, 1)


def test_what_does_not_fit_is_refused() -> None:
    stage = ObjectMeasurer(MeasureSettings.parse({}), [(1, "gfp")])
    image = np.zeros((2, 9, 11), np.uint8)
    for labels in (square((11, 9)), square().astype(float), -square(), square()[None]):
        with pytest.raises(ShapeError, match=r"[Ff]rame 3"):
            stage.push(stage.start(), Frame(3, image, labels))
    with pytest.raises(ShapeError, match=r"[Ff]rame 3"):
        stage.push(stage.start(), Frame(3, image[None], square()[None].repeat(2, 0)))
    with pytest.raises(ChannelError, match="gfp"):
        stage.push(stage.start(), Frame(3, image[:1], square()))
    with pytest.raises(SettingsError, match="pixel size is unknown"):
        ObjectMeasurer(MeasureSettings.parse({"ring_unit": "um"}), [])
    with pytest.raises(SettingsError, match="ring_width"):
        MeasureSettings.parse({"ring_width": 0})


def test_a_ring_in_um_is_the_same_ring() -> None:
    image = np.arange(99, dtype=np.uint16).reshape(1, 9, 11)
    scale = Calibration(0.65)
    um = measure(square(), image, scale, ring_unit="um", ring_gap=0.65, ring_width=1.3)
    px = measure(square(), image, scale, ring_gap=1.0, ring_width=2.0)
    pd.testing.assert_frame_equal(um, px)
    assert MeasureSettings.parse({"ring_unit": "um", "ring_gap": 1.95}).ring_px(scale)[0] == 3
