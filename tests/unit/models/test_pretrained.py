from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import resnet34, vgg16

from unfade.errors import WeightsError
from unfade.models.encoders import ResNet18Encoder
from unfade.models.lexy_unet import EncoderName, LexyUNet, build_encoder
from unfade.models.pretrained import first_kernel, load_encoders, pretrained_encoders


def state_of(network: Callable[[], nn.Module]) -> dict[str, torch.Tensor]:
    """Tensors of a torchvision network at random, without its classifier."""
    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in network().state_dict().items() if not k.startswith(("classifier", "fc"))}
    return {k: torch.rand(shape) for k, shape in shapes.items()}


@pytest.fixture
def vgg_file(tmp_path: Path) -> Path:
    torch.save(state_of(vgg16), tmp_path / "vgg16.pth")
    return tmp_path / "vgg16.pth"


def unreachable(*_: Any, **__: Any) -> dict[str, torch.Tensor]:
    raise OSError("no network")


def test_a_grey_frame_gives_what_a_grey_picture_gave() -> None:
    kernel, grey = torch.rand(4, 3, 3, 3), torch.rand(1, 1, 8, 8)
    before = torch.conv2d(grey.expand(-1, 3, -1, -1), kernel)
    for channels in (1, 2):
        after = torch.conv2d(grey.expand(-1, channels, -1, -1), first_kernel(kernel, channels))
        torch.testing.assert_close(after, before)


def test_a_mask_beside_the_frame_starts_at_zero_and_one_alone_does_not() -> None:
    kernel = torch.rand(4, 3, 3, 3)
    both = first_kernel(kernel, 2, masks=1)
    torch.testing.assert_close(both[:, :1], kernel.sum(1, keepdim=True))
    assert not both[:, 1].any()
    torch.testing.assert_close(first_kernel(kernel, 1, masks=1), kernel.sum(1, keepdim=True))


def test_a_file_starts_every_encoder(vgg_file: Path) -> None:
    theirs = torch.load(vgg_file, weights_only=True)
    net = nn.ModuleList([build_encoder("vgg16", 1), build_encoder("vgg16", 1, masks=1)])
    load_encoders(net, str(vgg_file))
    for encoder in net:
        assert torch.equal(encoder.features[28].weight, theirs["features.28.weight"])
        torch.testing.assert_close(encoder.features[0].weight, theirs["features.0.weight"].sum(1, keepdim=True))


def test_an_encoder_starts_blind_to_its_mask(tmp_path: Path) -> None:
    torch.save(state_of(resnet34), tmp_path / "r.pth")
    encoder = build_encoder("resnet34", 2, masks=1).eval()
    load_encoders(encoder, str(tmp_path / "r.pth"))
    frame, mask = torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        assert torch.equal(encoder(torch.cat([frame, mask], 1))[-1], encoder(torch.cat([frame, 0 * mask], 1))[-1])


@pytest.mark.parametrize(
    "make", [partial(build_encoder, "vgg16", 1), partial(build_encoder, "resnet34", 1), partial(ResNet18Encoder, 1)]
)
def test_weights_that_cannot_be_had_are_an_error(
    make: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = make()
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", unreachable)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    before = [p.clone() for p in net.parameters()]
    with pytest.raises(WeightsError, match=r"--encoder-weights none .*--encoder-weights FILE"):
        load_encoders(net, "imagenet")
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_imagenet_weights_come_through_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_of(resnet34)
    asked: list[str] = []

    def fetch(url: str, **_: Any) -> dict[str, torch.Tensor]:
        asked.append(url)
        return state

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    net = build_encoder("resnet34", 1)
    load_encoders(net, "imagenet")
    assert "resnet34" in asked[0]
    assert torch.equal(net.layer4[2].conv2.weight, state["layer4.2.conv2.weight"])


def test_none_leaves_the_start_as_it_is() -> None:
    net = LexyUNet(build_encoder("plain", 1, 8))
    load_encoders(net, "none")
    assert pretrained_encoders(net) == []
    with pytest.raises(WeightsError, match="No encoder of this network"):
        load_encoders(net, "imagenet")


def test_weights_of_another_network_are_refused(vgg_file: Path) -> None:
    with pytest.raises(WeightsError, match=r"no ResNet34 trunk.*conv1\.weight"):
        load_encoders(build_encoder("resnet34", 1), str(vgg_file))


@pytest.mark.parametrize(("encoder", "batch_norm"), [("vgg16", False), ("resnet34", False), ("vgg16", True)])
def test_encoders_of_another_build_take_no_weights(encoder: EncoderName, batch_norm: bool) -> None:
    part = build_encoder(encoder, 1, 64 if batch_norm else 8, batch_norm=batch_norm)
    assert pretrained_encoders(part) == []
    with pytest.raises(WeightsError, match="full width"):
        load_encoders(part, "imagenet")


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    net = build_encoder("vgg16", 1)
    with pytest.raises(WeightsError, match="There is no weights file"):
        load_encoders(net, str(tmp_path / "missing.pth"))
    (tmp_path / "bad.pth").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_encoders(net, str(tmp_path / "bad.pth"))
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="holds no network state"):
        load_encoders(net, str(tmp_path / "other.pth"))
