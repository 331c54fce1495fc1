from __future__ import annotations

import pytest

from unfade.data.units import length_um, spacing, time_s


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (65, "nm", 0.065),
        ("0.65", "µm", 0.65),
        (0.65, "μm", 0.65),  # the Greek letter
        (0.65, "\\u00B5m", 0.65),  # as ImageJ writes it
        (0.65, "Micron", 0.65),
        (1e-4, "cm", 1.0),
        (1, "inch", 25400.0),
        (1, "pixel", None),
        (1, None, None),
        (0, "µm", None),
        ("nan", "µm", None),
        ("wide", "µm", None),
        (None, "µm", None),
    ],
)
def test_lengths(value: float | str | None, unit: str | None, expected: float | None) -> None:
    assert length_um(value, unit) == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"), [(5, "min", 300.0), (250, "ms", 0.25), (2, "h", 7200.0), (3, "frame", None)]
)
def test_times(value: float, unit: str, expected: float | None) -> None:
    assert time_s(value, unit) == expected


def test_regular_stamps_become_an_interval() -> None:
    assert spacing([0, 60.1, 120, 179.9, 240]) == (60.0, None)


def test_irregular_stamps_are_kept() -> None:
    stamps = [0.0, 60.0, 120.0, 300.0, 360.0]
    assert spacing(stamps) == (60.0, tuple(stamps))


@pytest.mark.parametrize("stamps", [[], [5.0], [0.0, 0.0, 0.0], [0.0, 60.0, 30.0], [0.0, float("nan"), 2.0]])
def test_worthless_stamps(stamps: list[float]) -> None:
    assert spacing(stamps) == (None, None)
