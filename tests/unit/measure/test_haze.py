"""Light out of focus, told from drawn frames whose share and spread are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unfade.errors import SettingsError
from unfade.measure import MeasureSettings, ObjectMeasurer, find_haze

SIDE, DIAMETER = 192, 17


def nuclei() -> np.ndarray:
    """Twenty discs that stand apart, in disorder; ids start at 7 and skip."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE]
    labels, placed = np.zeros((SIDE, SIDE), np.int32), np.zeros((0, 2))
    while len(placed) < 20:
        centre = rng.uniform(0, SIDE, 2)
        if len(placed) == 0 or np.hypot(*(placed - centre).T).min() > 1.4 * DIAMETER:
            placed = np.concatenate([placed, centre[None]])
            labels[np.hypot(y - centre[0], x - centre[1]) <= DIAMETER / 2] = 7 + 2 * len(placed)
    return labels


LABELS = nuclei()


def seen(share: float, spread: float, sharp: np.ndarray | None = None) -> np.ndarray:
    """The frame of a camera: blurred a little, hazy, unevenly lit, noisy."""
    rng = np.random.default_rng(1)
    light = 200.0 * (LABELS > 0) if sharp is None else sharp
    near, wide = gaussian_filter(light, 1.0), gaussian_filter(light, spread)
    lit = ((1 - share) * near + share * wide + 20) * np.linspace(0.9, 1, SIDE)
    return 100 + rng.poisson(lit).astype(np.float32)


@pytest.mark.parametrize(("share", "spread"), [(0.1, 8.0), (0.25, 6.0), (0.1, 14.0)])
def test_share_and_spread_are_found(share: float, spread: float) -> None:
    found = find_haze(seen(share, spread), LABELS)
    assert found.reason == ""
    assert found.share == pytest.approx(share, rel=0.1)
    assert found.spread_px == pytest.approx(spread, rel=0.1)
    assert 0 < found.error < 0.2 * share


def test_a_sharp_frame_has_none() -> None:
    found = find_haze(seen(0.0, 8.0), LABELS)
    assert found.share == 0
    assert "no light around nuclei" in found.reason or "no spread" in found.reason


def cytoplasm() -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    around: np.ndarray = distance_transform_edt(LABELS == 0) <= 10
    return around & (LABELS == 0)


def test_a_stained_cytoplasm_is_not_taken_for_haze() -> None:
    found = find_haze(seen(0.1, 8.0, 200.0 * (LABELS > 0) + 8.0 * cytoplasm()), LABELS)
    assert found.share == 0
    assert "may stain cytoplasm" in found.reason


def test_a_reporter_is_no_marker() -> None:
    found = find_haze(seen(0.1, 8.0, 200.0 * (LABELS > 0) + 150.0 * cytoplasm()), LABELS)
    assert found.share == 0
    assert "no nuclear marker" in found.reason


def test_what_cannot_be_told_is_refused_with_a_reason() -> None:
    image = seen(0.1, 8.0)
    few = np.where(np.isin(LABELS, np.unique(LABELS)[:5]), LABELS, 0)
    assert "fewer than 5 nuclei" in find_haze(image, few).reason
    assert "cut off" in find_haze(np.maximum(image, 125), LABELS).reason
    crowded = np.arange(1, SIDE**2 + 1, dtype=np.int32).reshape(SIDE, SIDE)
    assert "too little room" in find_haze(image, np.where(LABELS > 0, LABELS, crowded + 1000)).reason


def test_a_large_frame_is_told_by_its_middle() -> None:
    image, labels = np.full((1400, 1301), 120, np.float32), np.zeros((1400, 1301), np.int32)
    labels[:180, :SIDE] = LABELS[:180]  # the middle begins at row 188
    assert "fewer than 5 nuclei" in find_haze(image, labels).reason


def test_haze_that_nobody_measured_is_an_error() -> None:
    with pytest.raises(SettingsError, match="Haze is to be measured"):
        ObjectMeasurer(MeasureSettings.parse({"haze": "measured"}), [(0, "a")])
    for wrong in (0.5, -0.1, "some"):
        with pytest.raises(SettingsError, match=r"give a share from 0 to below 0\.5, or 'measured'"):
            MeasureSettings.parse({"haze": wrong})
