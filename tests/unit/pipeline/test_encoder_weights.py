"""Where the encoder of a training starts from: asked for, ImageNet, or an error; never silently at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from unfade.errors import WeightsError
from unfade.pipeline import training
from unfade.pipeline.training import TrainingSettings, encoder_source, open_training


def unreachable(*_: Any, **__: Any) -> dict[str, torch.Tensor]:
    raise OSError("no network")


@pytest.mark.parametrize("preset", ["vgg16", "resnet34"])
def test_an_encoder_that_imagenet_weights_fit_does_not_start_at_random_unasked(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(WeightsError, match="use --encoder-weights none for a random start"):
        open_training(TrainingSettings(system="lexy-unet", preset=preset))


@pytest.mark.parametrize(
    ("encoder", "other"),
    [("vgg16", {"width": 16}), ("vgg16", {"batch_norm": True}), ("resnet34", {"width": 16})],
)
def test_an_encoder_built_otherwise_does_not_start_at_random_unasked(encoder: str, other: dict[str, Any]) -> None:
    chosen = TrainingSettings(system="siam-net", settings={"encoder": encoder, **other})
    with pytest.raises(WeightsError, match=f"weights of {encoder} do not fit .* --encoder-weights none"):
        open_training(chosen)
    _, start = open_training(chosen.changed(encoder_weights="none"))
    assert start is None


def test_none_is_a_random_start() -> None:
    system, start = open_training(TrainingSettings(system="lexy-unet", preset="resnet34", encoder_weights="none"))
    assert start is None
    assert system.settings.encoder == "resnet34"


@pytest.mark.parametrize(
    ("settings", "source"),
    [
        ({"preset": "default"}, "none"),  # U-Net's own encoder has no such weights
        ({"preset": "narrow", "settings": {"encoder": "resnet34"}, "encoder_weights": "none"}, "none"),
        ({"preset": "narrow", "settings": {"encoder": "vgg16"}, "weights": "other.safetensors"}, "none"),
        ({"preset": "resnet34"}, "imagenet"),
        ({"preset": "resnet34", "weights": "other.safetensors"}, "none"),
        ({"preset": "resnet34", "encoder_weights": "mine.pth"}, "mine.pth"),
    ],
)
def test_where_the_encoder_starts_from_is_recorded(settings: dict[str, Any], source: str) -> None:
    chosen = TrainingSettings.parse({"system": "track-net", **settings})
    system = training.load("systems", "track-net")
    built = system(system.settings_type.parse({**system.presets[chosen.preset], **chosen.settings}))
    assert encoder_source(chosen, built) == source


def test_a_file_starts_the_encoder_and_the_seed_the_rest(tmp_path: Path) -> None:
    from unfade.models.lexy_unet import build_encoder

    torch.manual_seed(5)
    state = build_encoder("resnet34", 3).state_dict()
    torch.save(state, tmp_path / "resnet34.pth")
    chosen = TrainingSettings(system="track-net", preset="resnet34", encoder_weights=str(tmp_path / "resnet34.pth"))
    _, start = open_training(chosen)
    _, again = open_training(chosen)
    assert start is not None
    assert again is not None
    assert torch.equal(start["unet.encoder.layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])
    assert torch.equal(start["unet.decoder.bottleneck.0.weight"], again["unet.decoder.bottleneck.0.weight"])
