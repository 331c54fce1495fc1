"""The systems of paper lexy sit the exam, and feed back what they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unfade.errors import TruthError
from unfade.ops.relabel import NUCLEUS
from unfade.pipeline.training import TrainingSettings, open_training, with_recipe
from unfade.systems.base import System
from unfade.systems.feedback import FeedbackSettings, FeedbackSystem
from unfade.systems.lexy_unet import LexyUNet
from unfade.systems.masks import MaskSettings
from unfade.systems.siam_net import SiamNet
from unfade.systems.split_net import SplitNet
from unfade.systems.track_net import TrackNet
from unfade.testing.system import SystemExam
from unfade.train.estimates import EstimateSettings

SMALL = {"width": 4, "loss": "combined", "splitting": {"min_area_px": 9.0}}


def apart() -> tuple[np.ndarray, np.ndarray]:
    """Two nuclei that do not touch, in two frames: a binary mask cannot hold more."""
    labels = np.zeros((2, 64, 64), np.int32)
    labels[:, 8:24, 6:24], labels[0, 30:50, 28:44], labels[1, 32:52, 28:44] = 3, 9, 9
    noise = np.random.default_rng(0).normal(0, 0.2, labels.shape)
    return labels, ((labels > 0) + noise).astype(np.float32)[:, None]


class TestUNet(SystemExam):
    """Single frames."""

    learning_rate = 3e-3

    def system(self) -> System:
        return LexyUNet(MaskSettings.parse(SMALL))

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        return apart()


class TestTrackNet(SystemExam):
    """The previous mask as a channel."""

    learning_rate = 3e-3

    def system(self) -> System:
        return TrackNet(FeedbackSettings.parse(SMALL))

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        return apart()


class TestSiamNet(SystemExam):
    """A reference in a second encoder of the same weights."""

    learning_rate = 3e-3

    def system(self) -> System:
        return SiamNet(FeedbackSettings.parse({**SMALL, "batch_norm": True}))

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        return apart()


class TestSplitNet(SystemExam):
    """The previous mask in an encoder of its own."""

    learning_rate = 3e-3

    def system(self) -> System:
        return SplitNet(FeedbackSettings.parse({**SMALL, "feed": "probability"}))

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        return apart()


class Spy(TrackNet):
    """A Track-Net whose output is the previous mask moved one pixel to the right, and that keeps what it saw."""

    def __init__(self, **settings: object) -> None:
        super().__init__(FeedbackSettings.parse(settings))
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def step(self, network: nn.Module, frame: Tensor, previous: Tensor, reference: Tensor) -> Tensor:
        self.seen.append((frame, previous, reference))
        return (torch.roll(previous, 1, -1) - 0.4) * 10


def column(x: int) -> Tensor:
    mask = torch.zeros(1, 1, 4, 8)
    mask[..., x] = 1
    return mask


def places(spy: Spy) -> list[list[int]]:
    return [torch.nonzero(previous[0, 0, 0]).flatten().tolist() for _, previous, _ in spy.seen]


def test_only_the_first_frame_uses_an_estimate() -> None:
    spy = Spy()
    outputs, state = spy.forward(nn.Identity(), {"image": torch.rand(1, 3, 1, 4, 8), "previous": column(2)[:, None]})
    assert places(spy) == [[2], [3], [4]]
    assert outputs["maps"].shape == (1, 3, 1, 4, 8)
    assert torch.equal(state["previous"], column(5))


def test_a_state_carries_a_sequence_on() -> None:
    image = torch.rand(1, 4, 1, 4, 8)
    whole, parts = Spy(), Spy()
    whole.forward(nn.Identity(), {"image": image, "previous": column(0)[:, None]})
    _, state = parts.forward(nn.Identity(), {"image": image[:, :2], "previous": column(0)[:, None]})
    parts.forward(nn.Identity(), {"image": image[:, 2:]}, state)
    assert places(parts) == places(whole)
    assert all(torch.equal(a[2], b[2]) for a, b in zip(whole.seen[1:], parts.seen[1:], strict=True))


def test_estimates_are_seen_but_where_the_own_output_is_asked_for() -> None:
    spy = Spy()
    known = torch.stack([column(k)[0] for k in (0, 5, 6)])[None]
    own = torch.tensor([[1.0, 0.0, 1.0]])
    spy.forward(nn.Identity(), {"image": torch.rand(1, 3, 1, 4, 8), "previous": known, "own": own})
    assert places(spy) == [[0], [5], [6]]  # nothing was found before frame 0; frame 2 sees 5 moved by one
    spy.seen.clear()
    spy.forward(nn.Identity(), {"image": torch.rand(1, 3, 1, 4, 8), "previous": known, "own": torch.ones(1, 3)})
    assert places(spy) == [[0], [1], [2]]


def test_without_a_reference_the_first_frame_becomes_it() -> None:
    spy = Spy()
    image = torch.rand(1, 3, 1, 4, 8)
    spy.forward(nn.Identity(), {"image": image, "previous": column(1)[:, None]})
    assert torch.equal(spy.seen[0][2], torch.cat([image[:, 0], column(1)], 1))
    for _, _, reference in spy.seen[1:]:
        assert torch.equal(reference, torch.cat([image[:, 0], column(2)], 1))
    given = torch.rand(1, 1, 2, 4, 8)
    spy.seen.clear()
    spy.forward(nn.Identity(), {"image": image, "reference": given})
    assert all(torch.equal(reference, given[:, 0]) for _, _, reference in spy.seen)


@pytest.mark.parametrize(("feed", "expected"), [("mask", [0.0, 1.0]), ("probability", [0.25, 0.75])])
def test_what_is_fed_back_is_a_setting(feed: str, expected: list[float]) -> None:
    maps = torch.tensor([0.25, 0.75], requires_grad=True).reshape(1, 1, 1, 2)
    found = TrackNet(FeedbackSettings.parse({"feed": feed})).feedback(maps)
    assert found.flatten().tolist() == expected
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"loss": "dice"}, {"dice"}),
        ({"loss": "bce"}, {"bce"}),
        ({"loss": "combined", "hausdorff": 0.1, "boundary": 0.1}, {"bce", "dice", "hausdorff", "boundary"}),
        ({"loss": "dice", "hard": 1.0, "l1": 1.0, "l2": 1.0}, {"dice", "hard", "l1", "l2"}),
    ],
)
def test_the_loss_has_the_terms_asked_for(settings: dict[str, object], names: set[str]) -> None:
    system = LexyUNet(MaskSettings.parse(settings))
    maps = torch.zeros(1, 1, 1, 8, 8)
    assert set(system.loss({"maps": maps}, {"maps": maps})) == names


def test_the_cytosol_is_a_second_map() -> None:
    system = LexyUNet(MaskSettings.parse({**SMALL, "cytosol": True}))
    nuclei, cells = np.zeros((1, 8, 8), np.int32), np.zeros((1, 8, 8), np.int32)
    nuclei[0, 3:5, 3:5], cells[0, 2:6, 2:6] = 1, 1
    maps = system.encode(cells + NUCLEUS * nuclei, np.zeros((1, 1, 8, 8), np.float32))["maps"]
    assert maps.shape == (1, 2, 8, 8)
    assert [int(m.sum()) for m in maps[0]] == [4, 12]
    assert not (maps[0, 0] * maps[0, 1]).any()
    assert system.network()(torch.zeros(1, 1, 16, 16)).shape == (1, 2, 16, 16)
    with pytest.raises(TruthError, match="cytosol"):
        system.learnt([cells, nuclei])
    marked = [cells, cells + NUCLEUS * nuclei]
    assert [one is two for one, two in zip(system.learnt(marked), marked, strict=True)] == [True, True]
    beside = system.encode(cells[:, :3], np.zeros((1, 1, 3, 8), np.float32))["maps"]  # a part of the cell
    assert [int(m.sum()) for m in beside[0]] == [0, 4]
    plain = LexyUNet(MaskSettings.parse(SMALL))
    assert [int((one > 0).sum()) for one in plain.learnt([marked[1], nuclei])] == [4, 4]


def test_a_gap_keeps_touching_nuclei_apart() -> None:
    labels = np.zeros((1, 40, 40), np.int32)
    labels[0, 8:28, 6:20], labels[0, 8:28, 20:34] = 1, 2
    image = np.zeros((1, 1, 40, 40), np.float32)
    joined, parted = (LexyUNet(MaskSettings(gap=gap)) for gap in (False, True))
    assert joined.encode(labels, image)["maps"].sum() == (labels > 0).sum()
    assert len(parted.decode(parted.encode(labels, image)["maps"])) == 2


def test_feedback_systems_say_so() -> None:
    kinds: list[type[FeedbackSystem]] = [TrackNet, SiamNet, SplitNet]
    assert [kind(FeedbackSettings()).view.reference for kind in kinds] == [False, True, False]
    assert all(kind(FeedbackSettings()).view.feedback for kind in kinds)


@pytest.mark.parametrize(
    ("kind", "batch", "epochs"), [(LexyUNet, 64, 100), (TrackNet, 64, 100), (SiamNet, 32, 50), (SplitNet, 32, 50)]
)
def test_the_paper_presets_are_trained_as_in_section_2_4(kind: type[System], batch: int, epochs: int) -> None:
    for preset in kind.presets:
        settings = TrainingSettings(system=kind.name, preset=preset)
        if not preset.startswith("paper"):
            assert with_recipe(settings) == settings
            continue
        found, videos = with_recipe(settings), preset == "paper-videos"
        how, system = found.train, open_training(found.changed(encoder_weights="none", settings={"width": 4}))[0]
        assert (how.optimiser, how.decay, how.rate, how.schedule) == ("adamw", 0.0, 1e-4, "constant")
        crops = EstimateSettings.parse(found.sampler)
        assert (found.draw, crops.batch, crops.intensity) == ("estimates", 32 if videos else batch, False)
        assert how.steps * crops.batch == pytest.approx(10 * 279 if videos else epochs * 27_154, rel=0.02)
        assert (crops.policy.perspective, system.view.normalise) == ((0.5, "background") if videos else (0.0, "movie"))
    assert {"paper", "paper-videos"} <= set(kind.presets)


def test_what_is_given_comes_before_the_recipe() -> None:
    values = {"system": "track-net", "preset": "paper", "draw": "rollouts", "train": {"steps": 7}}
    found = with_recipe(TrainingSettings.parse({**values, "sampler": {"batch": 2}}))
    assert (found.draw, found.train.steps, found.train.rate, found.sampler["batch"]) == ("rollouts", 7, 1e-4, 2)
