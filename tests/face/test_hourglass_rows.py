"""Every experiment file of the hourglass builds its system, its sampler and its network as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from unfade.pipeline.training import TrainingSettings, open_training, with_recipe
from unfade.registry import load
from unfade.settings import read_toml

ROWS = sorted((Path(__file__).resolve().parents[2] / "experiments" / "hourglass").glob("*.toml"))


def test_both_tables_are_there() -> None:
    names = {path.stem for path in ROWS}
    table_3 = {f"{data}{kind}" for data in ("dic-01", "dic-02", "u373-01", "u373-02") for kind in ("", "-volumetric")}
    table_2 = {f"stills-{row}{small}" for row in ("embedding", "softmax") for small in ("", "-small")}
    assert table_3 | table_2 | {"gowt1-01", "gowt1-01-volumetric", "simplus-01"} <= names


@pytest.mark.parametrize("path", ROWS, ids=lambda path: path.stem)
def test_a_row_can_be_trained(path: Path) -> None:
    settings = with_recipe(TrainingSettings.parse(read_toml(path)))
    assert settings.train.steps >= 20_000
    system, _ = open_training(settings)
    sampler = load("samplers", settings.draw or system.sampler).settings_type.parse(settings.sampler)
    assert sampler.crop_px % system.view.stride == 0
    softmax, volumetric = "softmax" in path.stem, "volumetric" in path.stem
    assert system.settings.objective == ("softmax" if softmax else "embedding")
    expected = "still" if path.stem.startswith("stills") else "volumetric" if volumetric else "recurrent"
    assert system.settings.parallel == expected
    head = system.network().heads[-1]
    assert head.out_channels == (2 if softmax else 16)
