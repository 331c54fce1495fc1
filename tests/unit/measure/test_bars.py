"""Error bars of repaired movies."""

import numpy as np
import pytest
from scipy import ndimage

from unfade.measure import MeasureSettings, ObjectMeasurer
from unfade.measure.bars import errors_px, interval
from unfade.measure.settings import BarSettings

SHAPE = (80, 80)


def frame(contrast=3.0, slope=0.0):
    rows, columns = np.indices(SHAPE)
    inside = np.hypot(rows - 40, columns - 40) < 10
    image = ndimage.gaussian_filter(np.where(inside, contrast, 1.0) * 100, 1.5) + slope * columns
    return image[None], inside.astype(np.int32)


def measured(image, labels, confidence=0.9, origin=("seen", 0), **bars):
    settings = MeasureSettings.parse({"bars": bars})
    stage = ObjectMeasurer(settings, ((0, "erk"),), repaired=True)
    _, (rows,) = stage.push(stage.start(), (0, image, labels, {1: confidence}, None, {1: origin}))
    return rows.iloc[0], stage


def test_interval_holds_the_ratio_and_grows_with_age_and_doubt():
    image, labels = frame(slope=2.0)
    seen, _ = measured(image, labels)
    old, _ = measured(image, labels, origin=("interpolated", 9))
    unsure, _ = measured(image, labels, confidence=0.2)
    for row in (seen, old, unsure):
        assert row["low_ratio_erk"] < row["ratio_erk"] < row["high_ratio_erk"]
        assert row["low_area_px"] < row["area_px"] < row["high_area_px"]

    def width(row):
        return np.log(row["high_ratio_erk"] / row["low_ratio_erk"])

    assert width(old) > 1.2 * width(seen)
    assert width(unsure) > width(seen)
    assert unsure["high_area_px"] > seen["high_area_px"]
    assert old["place_error_px"] > seen["place_error_px"]
    assert old["origin"] == "interpolated"
    assert old["age"] == 9


def test_the_floor_is_left_where_nothing_depends_on_the_outline():
    image, labels = frame(contrast=1.0)
    row, _ = measured(image, labels, floor=0.1, widen=2.0)
    assert row["high_ratio_erk"] / row["ratio_erk"] == pytest.approx(np.exp(0.2), rel=1e-6)


def test_columns_come_only_with_repair_and_have_units():
    image, labels = frame()
    _, stage = measured(image, labels)
    assert stage.units()["low_area_px"] == "px²"
    assert stage.units()["place_error_px"] == "px"
    assert "low_ratio_erk" not in stage.units()
    plain = ObjectMeasurer(MeasureSettings(), ((0, "erk"),))
    assert not [c for c in plain.columns() if c.startswith(("low_", "high_", "place_"))]
    assert stage.ratios() == (("ratio_erk", "erk"),)


def test_errors_follow_their_formula():
    outline, place = errors_px(np.array([1.0, 0.5, np.nan]), np.array([0, 4, 0]), BarSettings())
    assert outline.tolist() == [0.5, 1.5, 0.5]
    assert place.tolist() == [0.0, 1.4, 0.0]
    low, high = interval(np.array([2.0]), np.array([0.1]), BarSettings(widen=1.0))
    assert (low[0], high[0]) == pytest.approx((2 * np.exp(-0.1), 2 * np.exp(0.1)))
