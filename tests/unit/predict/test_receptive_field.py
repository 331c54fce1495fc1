"""Receptive fields of networks whose gradients are known by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unfade.errors import SettingsError
from unfade.predict.boxes import BoxPredictor
from unfade.predict.frames import FramePredictor
from unfade.predict.receptive_field import Field, receptive_fields
from unfade.predict.windows import WindowPredictor
from unfade.records import View


class Plain:
    """A system around any network of images."""

    name = "plain"

    def __init__(self, view: View, key: str = "maps") -> None:
        self.view, self.key = view, key

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        image = inputs["image"].flatten(1, 2)
        return {self.key: network(image)[:, None]}, None


def ones(planes: int, size: int, value: float = 1.0) -> nn.Conv2d:
    layer = nn.Conv2d(planes, 1, size, padding=size // 2, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def engine(network: nn.Module, view: View = View(stride=4), kind: Any = FramePredictor, key: str = "maps") -> Any:
    return kind(Plain(view, key), network, torch.device("cpu"), "float32")


def test_two_boxes_make_a_pyramid() -> None:
    network = nn.Sequential(ones(1, 3), ones(1, 3, -2.0))
    (fields,) = receptive_fields(engine(network), side_px=16, draws=2)
    seen = fields[0]
    assert seen.layer == "input"
    assert seen.at_px == (8, 8)
    line = np.array([1, 2, 3, 2, 1])
    assert seen.weight[6:11, 6:11] == pytest.approx(np.outer(line, line) / 81)
    assert np.count_nonzero(seen.weight) == 25
    assert [f.layer for f in fields[1:]] == ["0", "1"]
    assert fields[1].weight[7:10, 7:10] == pytest.approx(np.full((3, 3), 1 / 9))
    assert fields[2].weight[8, 8] == 1


def test_a_module_that_is_used_twice_is_summed_over_its_uses() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.head = ones(1, 1), nn.Conv2d(2, 1, 1, bias=False)
            nn.init.ones_(self.head.weight)

        def forward(self, image: Tensor) -> Tensor:
            here, there = self.encoder(image), self.encoder(image.roll(3, dims=-1))
            return torch.as_tensor(self.head(torch.cat([here, there.roll(2, dims=-2)], dim=1)))

    (fields,) = receptive_fields(engine(Shared()), side_px=16, draws=1)
    assert [f.layer for f in fields] == ["input", "encoder", "head"]
    assert {tuple(at): fields[1].weight[tuple(at)] for at in np.argwhere(fields[1].weight)} == {
        (8, 8): 0.5,
        (6, 8): 0.5,
    }
    assert {(8, 8), (6, 5)} == {tuple(at) for at in np.argwhere(fields[0].weight)}


def test_a_module_used_at_two_sizes_has_an_entry_for_each() -> None:
    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared = ones(1, 3)

        def forward(self, image: Tensor) -> Tensor:
            small = nn.functional.interpolate(self.shared(nn.functional.avg_pool2d(image, 2)), scale_factor=2)
            return torch.as_tensor(self.shared(image) + small)

    (fields,) = receptive_fields(engine(Pyramid()), side_px=16, draws=1)
    assert {(f.layer.partition(" ")[0], f.stride) for f in fields[1:]} == {("shared", 1.0), ("shared", 2.0)}


def test_radii_count_the_weight_around_the_pixel() -> None:
    weight = np.zeros((9, 9))
    weight[4, 4], weight[4, 6], weight[0, 4] = 0.5, 0.45, 0.05
    field = Field("input", (4.0, 4.0), 1.0, weight)
    assert field.radius_px(0.5) == pytest.approx(0, abs=1e-9)
    assert field.radius_px(0.95) == pytest.approx(2, abs=1e-9)
    assert field.radius_px(1.0) == pytest.approx(4)
    coarse = Field("pool", (3.5, 3.5), 2.0, np.array([[0, 0, 0, 0], [0, 0.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 0]]))
    assert coarse.radius_px(0.5) == pytest.approx(np.hypot(1, 1))  # texel (2, 2) covers pixels 4 and 5


def test_positions_at_the_edge_see_less_of_the_frame() -> None:
    middle, corner = receptive_fields(engine(nn.Sequential(ones(1, 5))), ((0.5, 0.5), (0.0, 1.0)), 16, 1)
    assert np.count_nonzero(middle[0].weight) == 25
    assert corner[0].at_px == (0, 15)
    assert np.count_nonzero(corner[0].weight) == 9
    assert corner[0].weight[:3, 13:].sum() == pytest.approx(1)


def test_layers_of_half_the_size_are_told_with_their_stride() -> None:
    network = nn.Sequential(nn.AvgPool2d(2), ones(1, 3), nn.Upsample(scale_factor=2))
    (fields,) = receptive_fields(engine(network), side_px=16, draws=1)
    by_name = {f.layer: f for f in fields}
    assert by_name["0"].stride == 2
    assert by_name["0"].weight.shape == (8, 8)
    assert np.count_nonzero(fields[0].weight) == 36


def test_a_window_of_frames_is_one_input() -> None:
    found = receptive_fields(
        engine(nn.Sequential(ones(3, 3)), View(offsets=(-1, 0, 1), stride=4), WindowPredictor), side_px=8
    )
    assert np.count_nonzero(found[0][0].weight) == 9


def test_networks_of_boxes_are_judged_by_their_finest_features() -> None:
    class Boxes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = ones(1, 3)

        def look(self, image: Tensor) -> Any:
            fine = self.body(image)
            return SimpleNamespace(features={"1": nn.functional.avg_pool2d(fine, 2), "0": fine})

    (fields,) = receptive_fields(engine(Boxes(), kind=BoxPredictor), side_px=8, draws=1)
    assert np.count_nonzero(fields[0].weight) == 9


def test_what_cannot_be_examined_is_said() -> None:
    with pytest.raises(SettingsError, match="multiple of 4"):
        receptive_fields(engine(ones(1, 3)), side_px=18)
    with pytest.raises(SettingsError, match="system 'plain' gives no map of pixels"):
        receptive_fields(engine(ones(1, 3), key="flow"), side_px=16)


def test_draws_repeat_and_progress_is_told() -> None:
    network = nn.Sequential(ones(1, 3), nn.Sigmoid(), nn.Conv2d(1, 1, 3, padding=1))
    told: list[tuple[int, int]] = []
    once = receptive_fields(engine(network), side_px=16, draws=3, progress=lambda *step: told.append(step))
    again = receptive_fields(engine(network), side_px=16, draws=3)
    other = receptive_fields(engine(network), side_px=16, draws=3, seed=1)
    assert np.array_equal(once[0][0].weight, again[0][0].weight)
    assert not np.array_equal(once[0][0].weight, other[0][0].weight)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert all(p.grad is None for p in network.parameters())
