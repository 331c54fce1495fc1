"""benchmarks/fading.py takes a settings file for the system that it is for, and for no other."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks import fuzz
from unfade.pipeline.settings import SystemSettings


@pytest.fixture
def fading(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(fuzz.__file__).parent))
    return import_module("fading")


def test_a_settings_file_gives_settings_and_weights(fading: Any) -> None:
    table = {"name": "lexy", "weights": "w", "settings": {"online": True}}
    assert fading.asked("lexy", table) == SystemSettings.parse(table)
    assert fading.asked("lexy=other", table) == SystemSettings.parse({**table, "weights": "other"})
    assert fading.asked("lexy=other", {}) == SystemSettings(name="lexy", weights="other")
    assert fading.asked("track-net", {"settings": {"width": 4}}).name == "track-net"


def test_settings_of_another_system_are_refused_at_once(
    fading: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "s.toml"
    file.write_text('schema = 1\n[system]\nname = "lexy"\n')
    monkeypatch.setattr("sys.argv", ["fading.py", str(tmp_path), "lexy", "track-net", "--settings", str(file)])
    monkeypatch.setattr(fading, "sequences", None)
    with pytest.raises(SystemExit, match="The settings file is for the system 'lexy', not 'track-net'"):
        fading.main()
