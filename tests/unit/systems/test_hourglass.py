"""The hourglass sits the exam in its three builds and with its two objectives."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.errors import SettingsError
from unfade.instances.embedding import ideal
from unfade.systems.base import System
from unfade.systems.hourglass import Hourglass, HourglassSettings
from unfade.testing.system import SystemExam

TINY = {
    "width": 8,
    "levels": 4,
    "dimensions": 8,
    "length": 2,
    "l2": 1e-6,
    "cluster": {"min_area_px": 20.0, "reach_px": 14.0, "fill_px": 0.0},
}


class TestRecurrent(SystemExam):
    """As in the paper, but small."""

    learning_rate = 3e-3

    def system(self) -> System:
        return Hourglass(HourglassSettings.parse(TINY))

    def activated(self, targets: dict[str, np.ndarray]) -> np.ndarray:
        return ideal(targets["labels"].astype(np.int32), 8, 14.0)


class TestVolumetric(TestRecurrent):
    """Convolutions over time."""

    def system(self) -> System:
        return Hourglass(HourglassSettings.parse({**TINY, "parallel": "volumetric"}))


class TestStill(TestRecurrent):
    """Frame by frame."""

    def system(self) -> System:
        return Hourglass(HourglassSettings.parse({**TINY, "parallel": "still"}))


class TestSoftmax(TestRecurrent):
    """Foreground with drawn borders, the paper's comparison."""

    def system(self) -> System:
        return Hourglass(HourglassSettings.parse({**TINY, "objective": "softmax"}))

    def activated(self, targets: dict[str, np.ndarray]) -> np.ndarray:
        return (targets["labels"] > 0).astype(np.float32)[:, None]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"tile_px": 64, "overlap_px": 64}, "cannot overlap by 64 px"),
        ({"tile_px": 64, "overlap_px": 128, "size_px": (64, 96)}, "cannot overlap by 128 px"),
        ({"parallel": "volumetric", "windows": "streaming"}, "no state to carry on"),
        ({"parallel": "still", "windows": "streaming"}, "no state to carry on"),
    ],
)
def test_windows_and_tiles_that_cannot_be_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        HourglassSettings.parse(settings)


def test_the_overlap_of_a_single_tile_is_no_matter() -> None:
    assert HourglassSettings.parse({"tile_px": 128, "overlap_px": 128, "size_px": (128, 96)}).overlap_px == 128
