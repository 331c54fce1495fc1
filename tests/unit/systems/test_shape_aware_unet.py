"""The paper's U-Nets sit the exam of all systems; cells are drawn with a gap, since components stay together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from unfade.systems.base import System
from unfade.systems.shape_aware_unet import ShapeAwareUNet, ShapeAwareUNetSettings
from unfade.testing.system import SystemExam


class Exam(SystemExam):
    learning_steps = 25
    learning_rate = 1e-2
    loss = "shape-aware"

    def system(self) -> System:
        return ShapeAwareUNet(ShapeAwareUNetSettings.parse({"width": 4, "loss": self.loss}))

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        labels = np.zeros((2, 64, 64), np.int32)
        labels[:, 8:24, 6:24], labels[0, 30:50, 28:44], labels[1, 32:52, 28:44] = 3, 9, 9
        noise = np.random.default_rng(0).normal(0, 0.2, labels.shape)
        return labels, ((labels > 0) + noise).astype(np.float32)[:, None]


class TestShapeAware(Exam):
    pass


class TestCrossEntropy(Exam):
    loss = "bce"


class TestFocal(Exam):
    loss = "focal"


def test_a_wrong_pixel_costs_more_near_an_outline() -> None:
    system = ShapeAwareUNet(ShapeAwareUNetSettings(width=4))
    labels = np.zeros((1, 64, 64), np.int32)
    labels[0, 20:44, 20:44] = 1
    targets = {k: torch.from_numpy(v)[None] for k, v in system.encode(labels, labels[:, None]).items()}
    assert targets["ratio"].item() == pytest.approx((64**2 - 24**2) / 24**2)
    right = (targets["maps"] * 2 - 1) * 20
    costs = []
    for y in (19, 5):
        wrong = right.clone()
        wrong[..., y, 30] *= -1
        costs.append(system.loss({"maps": wrong}, targets)["shape-aware"].item())
    near, far = (1 + 10 * np.exp(-(d**2) / 50) for d in (1, 15))
    assert costs[0] / costs[1] == pytest.approx(near / far, rel=1e-3)


def test_weights_start_as_xavier_says() -> None:
    torch.manual_seed(0)
    network = ShapeAwareUNet(ShapeAwareUNetSettings(width=32)).network()
    layer = next(m for m in network.modules() if isinstance(m, nn.Conv2d) and m.in_channels == 64)
    assert float(layer.weight.detach().std()) == pytest.approx(
        (2 / (9 * (layer.in_channels + layer.out_channels))) ** 0.5, rel=0.05
    )
