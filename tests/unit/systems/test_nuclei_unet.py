"""The shipped system and the paper's configuration sit the exam of all systems."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unfade.systems.base import System
from unfade.systems.nuclei_unet import NucleiUNet, NucleiUNetSettings
from unfade.testing.system import SystemExam


class TestVotes(SystemExam):
    """Touching nuclei come apart by the centre their pixels point to."""

    def system(self) -> System:
        return NucleiUNet(NucleiUNetSettings(width=8))


class TestDistance(SystemExam):
    """They come apart by a watershed of the distance map."""

    def system(self) -> System:
        return NucleiUNet(NucleiUNetSettings(width=8, grouping_by="distance"))


class TestHeads(SystemExam):
    """Four heads, all of which learn at first."""

    learning_rate = 4e-3
    learning_steps = 20

    def system(self) -> System:
        return NucleiUNet(NucleiUNetSettings(width=8, heads=4, evolving=True))

    def batch(self, system: System) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        inputs, targets = super().batch(system)
        return inputs, {**targets, "progress": torch.tensor(0.0)}


class TestPaper(SystemExam):
    """Mask alone, so that touching nuclei stay together: the truth is drawn with a gap."""

    learning_rate = 3e-4
    learning_steps = 6

    def system(self) -> System:
        return NucleiUNet(NucleiUNetSettings.parse(NucleiUNet.presets["paper"]))

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        labels = np.zeros((2, 64, 64), np.int32)
        labels[:, 8:24, 6:24], labels[0, 30:50, 28:44], labels[1, 32:52, 28:44] = 3, 9, 9
        noise = np.random.default_rng(0).normal(0, 0.2, labels.shape)
        return labels, ((labels > 0) + noise).astype(np.float32)[:, None]


def test_the_paper_has_one_map_and_one_term() -> None:
    system = NucleiUNet(NucleiUNetSettings.parse(NucleiUNet.presets["paper"]))
    maps = torch.zeros(1, 1, 1, 4, 4)
    assert system.maps == 1
    assert set(system.loss({"maps": maps}, {"maps": maps})) == {"dice"}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"mask_loss": "bce"}, {"bce"}),
        ({"mask_loss": "hard", "hard_pixels": 14000}, {"hard"}),
        ({"mask_loss": "dice+hard"}, {"dice", "hard"}),
        ({"mask_loss": "bce+hard"}, {"bce and hard"}),
    ],
)
def test_hard_pixels_are_a_choice_of_the_paper(settings: dict[str, object], names: set[str]) -> None:
    system = NucleiUNet(NucleiUNetSettings.parse({**NucleiUNet.presets["paper"], **settings}))
    truth = torch.zeros(1, 1, 1, 64, 64)
    truth[..., :16, :16] = 1
    maps = torch.full_like(truth, -3.0, requires_grad=True)
    terms = system.loss({"maps": maps}, {"maps": truth})
    assert set(terms) == names
    sum(terms.values(), torch.zeros(())).backward()
    assert maps.grad is not None
    share = float((maps.grad != 0).float().mean())
    expected = round(settings["hard_pixels"] / 16) / 64**2 if settings["mask_loss"] == "hard" else 1.0
    assert share == pytest.approx(expected, abs=1e-4)


def test_the_score_is_the_mean_probability_inside() -> None:
    system = NucleiUNet(NucleiUNetSettings(targets="mask"))
    maps = np.zeros((1, 1, 16, 16), np.float32)
    maps[0, 0, 4:8, :8], maps[0, 0, 8:12, :8] = 0.75, 1.0
    found = system.decode(maps)
    assert found.score.tolist() == [pytest.approx(0.875, abs=1e-5)]
    half = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)) / 2
    assert found.u_total.tolist() == [pytest.approx(half, abs=1e-4)]


def test_the_best_head_of_a_crop_learns() -> None:
    system = NucleiUNet(NucleiUNetSettings(width=8, heads=2, targets="mask"))
    truth = torch.zeros(2, 1, 1, 16, 16)
    truth[..., :8] = 1
    good = (truth * 2 - 1) * 2
    maps = torch.cat([torch.stack([good[0], -good[1]]), torch.stack([-good[0], good[1]])], dim=2).requires_grad_()
    system.loss({"maps": maps}, {"maps": truth})["heads"].backward()  # type: ignore[no-untyped-call]
    assert maps.grad is not None
    assert maps.grad.flatten(3).any(3)[:, 0].tolist() == [[True, False], [False, True]]
    mean = system.activate({"maps": maps.detach()})
    assert mean.shape == (2, 1, 1, 16, 16)
    assert mean.mean().item() == pytest.approx(0.5, abs=1e-5)
