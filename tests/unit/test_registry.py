"""Names are found, loaded on demand, and added to by other packages."""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from typing import Any

import pytest

from unfade import registry
from unfade.errors import SettingsError


class Extra:
    """What a lab's own package offers."""


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab's package that adds a system and tries to take a built-in name."""
    value = f"{__name__}:Extra"
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or importlib.import_module(__name__))
    points = [
        metadata.EntryPoint("lab-net", value, "unfade.systems"),
        metadata.EntryPoint("nuclei-unet", value, "unfade.systems"),
    ]

    def entry_points(group: str) -> list[metadata.EntryPoint]:
        return [p for p in points if p.group == group]

    monkeypatch.setattr(metadata, "entry_points", entry_points)


@pytest.mark.parametrize(("group", "name"), [(g, n) for g, known in registry.BUILTIN.items() for n in known])
def test_every_built_in_name_leads_to_a_class(group: str, name: str) -> None:
    found = registry.load(group, name)
    module, _, attribute = registry.BUILTIN[group][name].partition(":")
    assert (found.__module__, found.__name__) == (module, attribute)


@pytest.mark.usefixtures("lab")
def test_a_lab_adds_its_own_after_the_built_in_ones() -> None:
    built_in = tuple(registry.BUILTIN["systems"])
    assert registry.names("systems") == (*built_in, "lab-net")
    assert registry.load("systems", "lab-net").__name__ == "Extra"


@pytest.mark.usefixtures("lab")
def test_a_built_in_name_cannot_be_taken() -> None:
    assert registry.load("systems", "nuclei-unet").__module__ == "unfade.systems.nuclei_unet"


@pytest.mark.usefixtures("lab")
def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError) as caught:
        registry.load("systems", "unet")
    assert str(caught.value).startswith("There is no system called 'unet'; known are: nuclei-unet")
    assert "lab-net" in str(caught.value)


def test_an_empty_group_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILTIN, "motions", {})
    with pytest.raises(SettingsError, match=r"There is no motion called 'flow'; known are: none\."):
        registry.load("motions", "flow")


def test_looking_at_names_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} was imported")

    monkeypatch.setattr(registry, "import_module", refuse)
    assert "nuclei-unet" in registry.names("systems")
