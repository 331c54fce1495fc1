from __future__ import annotations

import pytest
import torch

from unfade.errors import WeightsError
from unfade.models.encoders import ResNet18Encoder, SlimResNetEncoder
from unfade.models.unet import resnet18_unet, slim_unet


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_resnet18_trunk_goes_down_sixteen_times_and_doubles_its_depth() -> None:
    features = ResNet18Encoder(1)(torch.zeros(1, 1, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [(64, 32, 48), (64, 16, 24), (128, 8, 12), (256, 4, 6)]


def test_resnet18_trunk_has_the_parameters_of_its_three_stages() -> None:
    # convolutions and normalisation of torchvision's ResNet-18 without layer 4 (8,393,728) and fc (513,000), and with a
    # first convolution of one colour instead of three
    assert count(ResNet18Encoder(1)) == 11_689_512 - 8_393_728 - 513_000 - 2 * 64 * 49


@pytest.mark.parametrize(("net", "stride"), [(resnet18_unet(1, 1), 16), (slim_unet(2, 5, 8, levels=3), 8)])
def test_unet_gives_maps_of_the_size_of_its_input(net: torch.nn.Module, stride: int) -> None:
    channels = 1 if stride == 16 else 2
    out = net(torch.zeros(2, channels, 2 * stride, 3 * stride))
    assert out.shape == (2, 1 if stride == 16 else 5, 2 * stride, 3 * stride)


def test_slim_trunk_doubles_width_and_halves_resolution_per_stage() -> None:
    encoder = SlimResNetEncoder(1, (8, 16, 32), blocks=2)
    features = encoder(torch.zeros(1, 1, 32, 32))
    assert [tuple(f.shape[1:]) for f in features] == [(8, 16, 16), (16, 8, 8), (32, 4, 4)]
    assert encoder.strides == (2, 4, 8)


def test_every_skip_reaches_the_output() -> None:
    net = slim_unet(1, 1, 8, levels=3).eval()
    seen = [f.detach().requires_grad_() for f in net.encoder(torch.rand(1, 1, 32, 32))]
    x = seen[-1]
    for up, fuse, skip in zip(net.ups, net.fuses, reversed(seen[:-1]), strict=True):
        x = fuse(torch.cat([up(x), skip], 1))
    net.head(x).sum().backward()
    assert all(f.grad is not None and f.grad.abs().sum() > 0 for f in seen)


def test_first_convolution_for_other_channel_numbers_keeps_the_answer_to_grey() -> None:
    three, one = ResNet18Encoder(3), ResNet18Encoder(1)
    state = dict(three.state_dict().items())
    one.load_trunk(state)
    grey = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(one.conv1(grey), three.conv1(grey.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-5)


def test_a_trunk_file_without_first_convolution_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"conv1\.weight"):
        ResNet18Encoder(1).load_trunk({"fc.weight": torch.zeros(1)})
