from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unfade.errors import WeightsError
from unfade.registry import load
from unfade.systems.nuclei_unet import NucleiUNet, NucleiUNetSettings
from unfade.weights.catalogue import (
    DEFAULTS,
    ELSEWHERE,
    find_weights,
    load_weights,
    other_weights,
    save_weights,
    shipped,
)
from unfade.weights.passport import file_hash, read_passport

SMALL = NucleiUNetSettings(width=8, levels=2)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_weights(path, "nuclei-unet", SMALL.plain(), NucleiUNet(SMALL).network().state_dict(), half=True)
    return path


def test_weights_carry_their_settings(small: Path) -> None:
    found = load_weights("nuclei-unet", small)
    system = NucleiUNet(NucleiUNetSettings.parse(found.settings))
    assert system.settings == SMALL
    network = found.into(system.network())
    assert all(t.dtype == torch.float32 for t in network.parameters())
    assert found.sha256 == file_hash(small)


def test_weights_of_another_system_are_refused(small: Path) -> None:
    with pytest.raises(WeightsError, match=r"of 'nuclei-unet', not of 'lexy'"):
        load_weights("lexy", small)


def test_weights_that_do_not_fit_are_refused(small: Path) -> None:
    with pytest.raises(WeightsError, match="do not fit"):
        load_weights("nuclei-unet", small).into(NucleiUNet(NucleiUNetSettings(width=16, levels=2)).network())


def test_damaged_and_missing_files_are_refused(tmp_path: Path, small: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(small.read_bytes()[:2000])
    with pytest.raises(WeightsError, match="not a readable"):
        load_weights("nuclei-unet", broken)
    with pytest.raises(WeightsError, match="neither a file"):
        find_weights("nuclei-unet", "nowhere")
    stranger = tmp_path / "stranger.safetensors"
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, stranger)
    with pytest.raises(WeightsError, match="not written by unfade"):
        load_weights("nuclei-unet", stranger)


def test_every_shipped_passport_is_true() -> None:
    passports = shipped()
    assert "nuclei-unet-dsb2018" in passports
    for name, passport in passports.items():
        path = find_weights(passport.system, name)
        found = load_weights(passport.system, name)
        assert passport.name == name
        assert passport.sha256 == file_hash(path)
        assert passport.settings == found.settings
        kind = load("systems", passport.system)
        network = kind(kind.settings_type.parse(found.settings)).network()
        assert passport.parameters == sum(p.numel() for p in found.into(network).parameters())
        assert path.stat().st_size < 20_000_000


def test_weights_beside_the_package_are_there_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).resolve().parents[3] / "experiments" / "weights"
    for system, names in ELSEWHERE.items():
        for name in names:
            passport = read_passport(folder / f"{name}.json")
            assert (passport.system, passport.sha256) == (system, file_hash(folder / f"{name}.safetensors"))
            assert name in other_weights(system)
    assert "lexy-ktr" in other_weights("lexy")
    assert "lexy-synthetic" not in other_weights("lexy")  # the default is not another one
    monkeypatch.delitem(DEFAULTS, "lexy")
    with pytest.raises(
        WeightsError,
        match=r"No weights for 'lexy' ship .* takes lexy-synthetic, experiments/weights/lexy-ktr\.safetensors of ",
    ):
        find_weights("lexy")
