"""Networks of paper lexy: shapes, parameter counts and wiring against sections 2.2 and 2.3."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from unfade.models.lexy_unet import LexyUNet, build_encoder
from unfade.models.siam_net import SiamNet
from unfade.models.split_net import SplitNet
from unfade.models.track_net import TrackNet

NETWORKS = ("unet", "track", "siam", "split")
ENCODERS = ("plain", "vgg16", "resnet34")


def build(network: str, encoder: str, width: int = 64, **options: float) -> nn.Module:
    if network == "unet":
        return LexyUNet(build_encoder(encoder, 1, width), 1, **options)
    if network == "track":
        return TrackNet(build_encoder(encoder, 2, width, masks=1), 1, **options)
    if network == "siam":
        return SiamNet(build_encoder(encoder, 2, width, masks=1), 1, **options)
    return SplitNet(build_encoder(encoder, 1, width), build_encoder(encoder, 1, width, masks=1), 1, **options)


def inputs(network: str, side: int = 64) -> list[torch.Tensor]:
    torch.manual_seed(1)
    channels = {"unet": (1,), "track": (1, 1), "siam": (1, 1, 2), "split": (1, 1)}[network]
    return [torch.rand(1, c, side, side) for c in channels]


def conv(before: int, after: int, kernel: int = 3, bias: bool = True) -> int:
    return before * after * kernel**2 + after * bias


def double(before: int, after: int) -> int:
    return conv(before, after) + conv(after, after)


def encoder_count(encoder: str, channels: int) -> int:
    if encoder == "plain":  # four levels of two convolutions, 64 doubled
        return sum(double(a, b) for a, b in pairwise((channels, 64, 128, 256, 512)))
    if encoder == "vgg16":  # 14,714,688 in torchvision's convolutional part, for three colours
        return 14_714_688 + (channels - 3) * 64 * 9
    return 21_797_672 - 513_000 + (channels - 3) * 64 * 49  # torchvision's ResNet34 without its last layer


def decoder_count(encoder: str, bottom: int) -> int:
    skips = {"plain": (512, 256, 128, 64), "vgg16": (512, 512, 256, 128, 64), "resnet34": (512, 256, 128, 64)}[encoder]
    total, wide = double(bottom, 1024), 1024
    for skip in skips:
        total += conv(wide, skip, 2) + double(2 * skip, skip)
        wide = skip
    if encoder == "resnet34":  # the step to full resolution, without skip
        total += conv(64, 32, 2) + double(32, 32)
        wide = 32
    return total + conv(wide, 1, 1)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_parameters_are_those_of_the_paper(network: str, encoder: str) -> None:
    with torch.device("meta"):
        found = sum(p.numel() for p in build(network, encoder).parameters())
    channels = 1 if network in ("unet", "split") else 2
    encoders = encoder_count(encoder, channels) * (2 if network == "split" else 1)  # Siam-Net shares one
    assert found == encoders + decoder_count(encoder, 1024 if network in ("siam", "split") else 512)


def test_the_plain_unet_has_the_known_number_of_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build("unet", "plain").parameters()) == 31_030_593


@pytest.mark.parametrize(
    ("encoder", "shapes"),
    [
        ("plain", [(64, 64), (128, 32), (256, 16), (512, 8), (512, 4)]),
        ("vgg16", [(64, 64), (128, 32), (256, 16), (512, 8), (512, 4), (512, 2)]),
        ("resnet34", [(64, 32), (128, 16), (256, 8), (512, 4), (512, 2)]),
    ],
)
def test_encoders_go_down_as_the_paper_says(encoder: str, shapes: list[tuple[int, int]]) -> None:
    with torch.device("meta"):
        part = build_encoder(encoder, 2)
        found = part(torch.zeros(1, 2, 64, 64))
    assert [(f.shape[1], f.shape[2]) for f in found] == shapes
    assert [f.shape[1] for f in found] == list(part.widths)
    assert [64 // f.shape[2] for f in found] == list(part.strides)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_maps_have_the_size_of_the_frame(network: str, encoder: str) -> None:
    net = build(network, encoder, width=8).eval()
    with torch.inference_mode():
        out = net(*(x.expand(2, -1, -1, -1)[..., :32] for x in inputs(network)))
    assert out.shape == (2, 1, 64, 32)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_skip_and_the_bottleneck_reach_the_output(network: str, encoder: str) -> None:
    net = build(network, encoder, width=8).eval()
    unet = net.unet if network == "track" else net
    channels = 1 if network in ("unet", "split") else 2
    *skips, bottom = (f.detach().requires_grad_() for f in unet.encoder(torch.rand(1, channels, 64, 64)))
    entering = torch.cat([bottom, bottom], 1) if network in ("siam", "split") else bottom
    unet.head(unet.decoder(entering, skips)).sum().backward()
    assert all(f.grad is not None and f.grad.abs().sum() > 0 for f in (*skips, bottom))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_reference_of_siam_net_enters_at_the_bottleneck_alone(encoder: str) -> None:
    net = build("siam", encoder, width=8).eval()
    frame, previous, reference = inputs("siam")
    half = net.decoder.bottleneck[0].in_channels // 2
    with torch.no_grad():
        net.decoder.bottleneck[0].weight[:, half:] = 0  # what the reference's part of the bottleneck reads
        assert torch.equal(net(frame, previous, reference), net(frame, previous, reference + 1))
    assert len([m for m in net.children() if m is net.encoder]) == 1


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_mask_of_the_variant_enters_at_the_bottleneck_alone(encoder: str) -> None:
    net = build("split", encoder, width=8).eval()
    frame, previous = inputs("split")
    with torch.no_grad():
        before = net(frame, previous)
        assert not torch.equal(before, net(frame, 1 - previous))
        net.decoder.bottleneck[0].weight[:, net.encoder.widths[-1] :] = 0
        assert torch.equal(net(frame, previous), net(frame, 1 - previous))


def test_both_encoders_of_siam_net_are_one() -> None:
    net = build("siam", "plain", width=8)
    frame, previous, reference = inputs("siam")
    calls: list[torch.Tensor] = []
    net.encoder.register_forward_hook(lambda _, given, __: calls.append(given[0]))
    net(frame, previous, reference)
    assert len(calls) == 2
    assert torch.equal(calls[0], torch.cat([frame, previous], 1))
    assert torch.equal(calls[1], reference)


def test_vgg16_is_torchvisions_layer_by_layer() -> None:
    from torchvision.models import vgg16

    torch.manual_seed(0)
    ours = build_encoder("vgg16", 3).eval()
    with torch.device("meta"):
        theirs = vgg16(weights=None).features.eval()
    theirs.load_state_dict(ours.features.state_dict(), assign=True)
    x = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(ours(x)[-1], theirs(x))


def test_resnet34_is_torchvisions_without_max_pooling() -> None:
    from torchvision.models import resnet34

    torch.manual_seed(0)
    theirs = resnet34(weights=None).eval()
    ours = build_encoder("resnet34", 3).eval()
    ours.load_trunk(theirs.state_dict())
    x = torch.rand(1, 1, 32, 32).expand(-1, 3, -1, -1)  # grey
    with torch.inference_mode():
        deep = theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(torch.relu(theirs.bn1(theirs.conv1(x)))))))
        torch.testing.assert_close(ours(x)[3], deep, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("encoder", ["plain", "vgg16"])
def test_batch_normalisation_and_dropout_are_options(encoder: str) -> None:
    part = build_encoder(encoder, 1, 8, batch_norm=True)
    net = LexyUNet(part, batch_norm=True, dropout=0.5)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == sum(
        m.kernel_size == (3, 3) for m in net.modules() if isinstance(m, nn.Conv2d)
    )
    x = torch.rand(2, 1, 32, 32)
    torch.manual_seed(0)
    assert not torch.equal(net.train()(x), net(x))
    with torch.inference_mode():
        assert torch.equal(net.eval()(x), net(x))
