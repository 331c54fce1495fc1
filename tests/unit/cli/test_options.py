"""Options become settings, and those given come before those of a file."""

from __future__ import annotations

import pytest

from unfade.cli.options import background_of, diameter_of, merged, reading, require_ahead, starter_of
from unfade.errors import SettingsError
from unfade.measure import MeasureSettings
from unfade.pipeline.settings import RunSettings


@pytest.mark.parametrize(("text", "value"), [(None, None), ("auto", "auto"), ("17", 17.0), ("1", 1.0), ("1e4", 1e4)])
def test_diameters(text: str | None, value: float | str | None) -> None:
    assert diameter_of(text) == value


@pytest.mark.parametrize("text", ["", "17px", "nan", "inf", "0.5", "10001", "-20"])
def test_diameters_that_are_none(text: str) -> None:
    with pytest.raises(SettingsError, match="--diameter"):
        diameter_of(text)


def test_a_starter_is_a_system_with_or_without_weights() -> None:
    assert starter_of(None) is None
    assert starter_of("lexy-unet") == {"name": "lexy-unet"}
    assert starter_of("lexy-unet=a=b.safetensors") == {"name": "lexy-unet", "weights": "a=b.safetensors"}
    given = {"predict": {"starter": starter_of("lexy-unet=w")}}
    made = RunSettings.parse(merged({"predict": {"starter": {"name": "other", "settings": {}}}}, given)).predict.starter
    assert made is not None
    assert (made.name, made.weights) == ("lexy-unet", "w")
    for text in ("", "=w", "lexy-unet="):
        with pytest.raises(SettingsError, match="--starter takes a system"):
            starter_of(text)


def test_only_systems_that_look_ahead_can_be_told_not_to() -> None:
    require_ahead("lexy")
    with pytest.raises(SettingsError, match="leave it out for track-net"):
        require_ahead("track-net")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("none", ("none", 0.0)),
        ("percentile", ("percentile", 0.0)),
        ("120", ("constant", 120.0)),
        ("-1.5", ("constant", -1.5)),
    ],
)
def test_backgrounds_are_settings_that_exist(text: str, wanted: tuple[str, float]) -> None:
    made = MeasureSettings.parse(background_of(text))
    assert (made.background, made.background_value) == wanted
    assert background_of(None) == {}
    with pytest.raises(SettingsError, match="takes none, percentile or a number, not 'dark'"):
        background_of("dark")


def test_given_options_come_before_the_file_and_the_file_stays_as_it_was() -> None:
    file = {"link": {"gap": 1, "reach": 2.0}, "input": {"segment_channel": "a"}}
    given = {
        "link": {"gap": 3},
        "input.read": reading("TYX", None, None, None, None, None),
        "measure": {"ring_gap": None},
    }
    out = merged(file, given)
    assert out == {"link": {"gap": 3, "reach": 2.0}, "input": {"segment_channel": "a", "read": {"axes": "TYX"}}}
    assert file == {"link": {"gap": 1, "reach": 2.0}, "input": {"segment_channel": "a"}}
    assert RunSettings.parse(out).input.read.axes == "TYX"


def test_zero_is_given_and_none_is_not() -> None:
    assert merged({"link": {"gap": 2}}, {"link": {"gap": 0}}) == {"link": {"gap": 0}}
    assert merged({"link": {"gap": 2}}, {"link": {"gap": None}}) == {"link": {"gap": 2}}
