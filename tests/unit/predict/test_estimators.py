from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from unfade.errors import SettingsError
from unfade.ops.turns import TURNS, boxes_back, boxes_turned, turned, turned_back, vectors_back
from unfade.predict.doubt import joined, mean_over, with_uncertainty
from unfade.predict.estimators import (
    Dropout,
    Ensemble,
    EstimatorSettings,
    Hypotheses,
    Snapshots,
    TestTimeAugmentation,
    Turned,
)
from unfade.predict.frames import FramePredictor
from unfade.records import Instances
from unfade.systems.nuclei_unet import NucleiUNet, NucleiUNetSettings

SETTINGS = EstimatorSettings()


def system() -> NucleiUNet:
    return NucleiUNet(NucleiUNetSettings(width=8, levels=2))


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return system().network().eval()


def image(seed: int = 1) -> torch.Tensor:
    return torch.randn(1, 1, 16, 24, generator=torch.Generator().manual_seed(seed))


class Offsets(nn.Module):
    """An ideal network: every pixel points to a bright spot, whichever way the image lies."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[-2:]
        at = int(image[0, 0].argmax())
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        return torch.stack([image[0, 0], at // width - y, at % width - x])[None].float()


@pytest.mark.parametrize("turn", TURNS)
def test_turning_and_turning_back_leaves_an_image_as_it_was(turn: tuple[bool, bool, bool]) -> None:
    assert torch.equal(turned_back(turned(image(), turn), turn), image())


def test_the_eight_turns_differ() -> None:
    square = torch.arange(9.0).reshape(1, 3, 3)
    assert len({tuple(turned(square, turn).flatten().tolist()) for turn in TURNS}) == 8


@pytest.mark.parametrize("turn", TURNS)
def test_vectors_point_to_the_same_place_from_every_side(turn: tuple[bool, bool, bool]) -> None:
    spot = torch.zeros(1, 1, 5, 9)
    spot[0, 0, 1, 6] = 1
    assert torch.equal(Turned(Offsets(), turn, [(1, 2)])(spot), Offsets()(spot))
    assert not any(v.isnan().any() for v in vectors_back(spot, spot, turn))


@pytest.mark.parametrize("turn", TURNS)
def test_boxes_turn_with_their_pixels(turn: tuple[bool, bool, bool]) -> None:
    frame = torch.zeros(7, 11)
    frame[1:3, 2:9] = 1
    box = torch.tensor([[2.0, 1.0, 9.0, 3.0]])
    x0, y0, x1, y1 = boxes_turned(box, turn, 7, 11)[0].int().tolist()
    other = turned(frame, turn)
    assert other[y0:y1, x0:x1].sum() == other.sum() == other[y0:y1, x0:x1].numel()
    assert torch.equal(boxes_back(boxes_turned(box, turn, 7, 11), turn, 7, 11), box)


def test_dropout_differs_by_member_and_repeats_by_seed() -> None:
    plain = network()
    members = Dropout(SETTINGS).members(plain)
    assert len(members) == 4
    with torch.inference_mode():
        answers = [member(image()) for member in members]
        assert all(torch.equal(member(image()), answer) for member, answer in zip(members, answers, strict=True))
        assert not torch.equal(answers[0], answers[1])
        before = plain(image())
        members[0](image())
        assert torch.equal(plain(image()), before)  # nothing stays switched on


def test_dropout_layers_of_a_network_are_used() -> None:
    plain = nn.Sequential(nn.Conv2d(1, 8, 1), nn.Dropout2d(0.5), nn.Conv2d(8, 2, 1)).eval()
    members = Dropout(SETTINGS).members(plain)
    assert not torch.equal(members[0](image()), members[1](image()))
    assert not plain[1].training
    with pytest.raises(SettingsError, match="no dropout layer"):
        Dropout(SETTINGS).members(nn.Conv2d(1, 1, 1))


def test_the_callers_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    want = torch.rand(3)
    torch.manual_seed(5)
    Dropout(SETTINGS).members(network())  # building one draws numbers, calling it must not
    member = Dropout(SETTINGS).members(network())[0]
    torch.manual_seed(5)
    member(image())
    assert torch.equal(torch.rand(3), want)


def test_an_ensemble_says_what_it_lacks() -> None:
    with pytest.raises(SettingsError, match="--member"):
        Ensemble(SETTINGS).members(network())
    both = [network(0), network(1)]
    assert Ensemble(SETTINGS).members(both[0], both[1:]) == both
    assert Snapshots.companions
    assert not TestTimeAugmentation.companions


def test_heads_become_members() -> None:
    plain = nn.Conv2d(1, 6, 1)
    with pytest.raises(SettingsError, match="one head"):
        Hypotheses(SETTINGS).members(plain)
    plain.heads = 3  # type: ignore[assignment]
    members = Hypotheses(SETTINGS).members(plain)
    answers = torch.cat([member(image()) for member in members], dim=1)
    assert torch.equal(answers, plain(image()))


def test_joined_maps_carry_three_parts() -> None:
    maps = [torch.full((1, 1, 2, 2), p) for p in (0.2, 0.8)]
    chances = [torch.cat([1 - m, m], dim=1) for m in maps]
    out = joined(maps, chances)
    assert out.shape == (1, 4, 2, 2)
    single = -(0.2 * np.log2(0.2) + 0.8 * np.log2(0.8))
    assert out[0, :, 0, 0].tolist() == pytest.approx([0.5, 1.0, single, 1 - single], abs=1e-6)


def test_uncertainty_of_an_object_is_the_mean_over_its_mask() -> None:
    labels = np.zeros((4, 6), np.int32)
    labels[0, 1:4], labels[1:3, 5] = 2, 9
    found = Instances.of(labels)
    parts = np.random.default_rng(0).random((3, 4, 6)).astype(np.float32)
    told = with_uncertainty(found, parts)
    want = [[part[labels == n].mean() for n in (2, 9)] for part in parts]
    assert np.stack([told.u_total, told.u_data, told.u_model]) == pytest.approx(np.array(want), rel=1e-5)
    assert told.uncertainty is not None
    assert told.uncertainty.shape == (1, 3, 4, 6)
    assert len(mean_over(Instances.of(np.zeros((4, 6), np.int32)), parts[0])) == 0


@pytest.mark.parametrize("estimator", [TestTimeAugmentation, Dropout])
def test_the_engine_tells_uncertainty_of_frames_of_any_size(estimator: type[Dropout]) -> None:
    engine = FramePredictor(system(), network(), torch.device("cpu"), "float32")
    frame = np.random.default_rng(3).random((1, 45, 70)).astype(np.float32)
    engine.ask(estimator(SETTINGS).members(engine.network, (), engine.system.vectors))
    maps = engine.maps(frame, 1.3)
    assert maps.shape == (8, 45, 70)
    total, data, model = maps[5:]
    assert total == pytest.approx(data + model, abs=1e-5)
    assert model.max() > 1e-6
    found = engine.instances(frame, 1.3)
    assert found.uncertainty is not None
    assert found.uncertainty[0] == pytest.approx(maps[5:], abs=1e-6)


def test_members_that_are_the_network_itself_change_nothing() -> None:
    alone = FramePredictor(system(), network(), torch.device("cpu"), "float32")
    asked = FramePredictor(system(), network(), torch.device("cpu"), "float32")
    asked.ask([asked.network, asked.network])
    frame = np.random.default_rng(3).random((1, 48, 64)).astype(np.float32)
    assert asked.maps(frame)[:5] == pytest.approx(alone.maps(frame), abs=1e-6)
    assert asked.maps(frame)[7].max() < 1e-6
