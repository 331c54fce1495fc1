"""Every row of the experiment tables can be trained as it stands: systems, presets, samplers and settings exist."""

from __future__ import annotations

from argparse import Namespace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from unfade.pipeline.training import TrainingSettings
from unfade.registry import load
from unfade.settings import read_toml
from unfade.systems.imperfect import Imperfect, ImperfectSettings

ROOT = Path(__file__).resolve().parents[2]
ROWS = [path for folder in ("lexy", "nuclei-unet") for path in sorted((ROOT / "experiments" / folder).glob("*.toml"))]


def trained(path: Path) -> dict[str, Any] | None:
    return read_toml(path).get("training")


def test_the_papers_tables_are_complete() -> None:
    tables: dict[str, int] = {}
    for path in ROWS:
        about = read_toml(path)["row"]
        tables[about["table"]] = tables.get(about["table"], 0) + 1
    assert {name: tables[name] for name in ("1-2", "3-4", "5-6", "7")} == {"1-2": 9, "3-4": 9, "5-6": 9, "7": 4}
    assert tables["I"] == 5


@pytest.mark.parametrize("path", [p for p in ROWS if trained(p) is not None], ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_row_can_be_trained(path: Path) -> None:
    settings = TrainingSettings.parse(trained(path) or {})
    kind = load("systems", settings.system)
    assert settings.preset in kind.presets
    kind.settings_type.parse({**kind.presets[settings.preset], **settings.settings})
    sampler = load("samplers", settings.draw or kind.sampler)
    sampler.settings_type.parse(settings.sampler)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("small", [False, True])
def test_networks_of_the_table_of_uncertainties_are_what_their_rows_say(noise: bool, small: bool) -> None:
    place = ROOT / "experiments" / "imperfect" / "table.py"
    spec = spec_from_file_location("imperfect_table", place)
    assert spec is not None
    assert spec.loader is not None
    table = module_from_spec(spec)
    spec.loader.exec_module(table)
    options = Namespace(small=small, classes=1)
    for name, (heads, evolving, dropout) in {
        "single": (1, False, 0.0), "dropout": (1, False, 0.2), "snapshot": (1, False, 0.0),
        "wta": (4, False, 0.0), "ewta": (4, True, 0.0),
    }.items():  # fmt: skip
        for preset in ("default", "paper"):
            own = table.network_of(name, noise, options)
            parsed = ImperfectSettings.parse({**Imperfect.presets[preset], **own})
            assert (parsed.heads, parsed.evolving, parsed.dropout) == (heads, evolving, dropout)
            assert (parsed.merge, parsed.noise, parsed.classes) == (heads > 1, noise, 1)
