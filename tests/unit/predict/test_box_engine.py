"""The engine that joins tiles as objects, with a network that sees perfectly."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unfade.ops.boxes import boxes_of, sampled
from unfade.ops.overlap import contingency
from unfade.predict import stitched
from unfade.predict.boxes import BoxPredictor
from unfade.records import Instances
from unfade.systems.shape_aware import ShapeAware, ShapeAwareSettings


class Seer(nn.Module):
    """Finds every object whose grey value is its number, in whatever part of the frame it is shown."""

    def __init__(self, blind_to: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.blind_to = blind_to
        self.tiles: list[tuple[int, int]] = []

    def look(self, image: Tensor) -> Tensor:
        self.tiles.append((image.shape[2], image.shape[3]))
        return (image[:, 0] * 2000).round().long()

    def detect(self, sight: Tensor) -> tuple[Tensor, Tensor]:
        ids, boxes = boxes_of(sight[0])
        seen = torch.tensor([int(i) not in self.blind_to for i in ids], dtype=torch.bool)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return boxes[seen], (0.99 - area / 1e7)[seen]  # pieces look surer than whole cells

    def masks(self, sight: Tensor, boxes: Tensor) -> dict[str, Tensor]:
        which = torch.zeros(len(boxes), dtype=torch.long)
        values = sampled(sight, which, boxes, 28)
        middle = values[:, 10:18, 10:18].flatten(1).mode(1).values if len(boxes) else values[:, 0, 0]
        logits = torch.where(values == middle[:, None, None], 8.0, -8.0)
        return {"mask_logits": logits[:, None, None]}


def engine(tile_px: int = 1024, network: Seer | None = None) -> BoxPredictor:
    system = ShapeAware(ShapeAwareSettings(diameter_px=(20.0, 40.0)))
    return BoxPredictor(system, network or Seer(), torch.device("cpu"), "float32", tile_px)


def frame(labels: np.ndarray) -> dict[str, Any]:
    return {"image": labels[None].astype(np.float32), "ends": [(0.0, 2000.0)]}


def field(height: int, width: int, step: int = 32, radius: int = 12) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    row, column = y // step, x // step
    inside = (y % step - step / 2) ** 2 + (x % step - step / 2) ** 2 < radius**2
    return np.where(inside, row * (width // step) + column + 1, 0).astype(np.int32)


def same(found: Instances, truth: np.ndarray, least: float = 0.9) -> None:
    overlap = contingency(found.labels("cell")[0], truth)
    assert len(overlap.ids_a) == len(overlap.ids_b) == len(found)
    assert overlap.iou().max(0).min() > least


def test_tiles_give_what_one_pass_gives() -> None:
    truth = np.pad(field(240, 320, 40, 15), ((0, 16), (0, 0)))  # tiles cut some of them
    whole, parts = engine(), engine(128)
    same(whole.instances(**frame(truth)), truth)
    same(parts.instances(**frame(truth)), truth)
    assert len(parts.network.tiles) > 4  # type: ignore[arg-type]
    assert max(max(t) for t in parts.network.tiles) <= 128  # type: ignore[union-attr]


@pytest.mark.parametrize("short_px", [1.0, 2.0, 3.0])
def test_boxes_that_end_before_a_seam_leave_no_pieces(short_px: float) -> None:
    """A box is never exact: here those that a tile cuts stop some pixels short of its edge."""

    class Short(Seer):
        def detect(self, sight: Tensor) -> tuple[Tensor, Tensor]:
            boxes, scores = super().detect(sight)
            high = torch.tensor([sight.shape[-1], sight.shape[-2]]).float()
            low = torch.where(boxes[:, :2] < 1, boxes[:, :2] + short_px, boxes[:, :2])
            top = torch.where(boxes[:, 2:] > high - 1, boxes[:, 2:] - short_px, boxes[:, 2:])
            kept = ((top - low) > 2).all(1)
            return torch.cat([low, top], dim=1)[kept], scores[kept]

    truth = np.pad(field(240, 320, 40, 15), ((8, 8), (0, 0)))  # the frame's own edge cuts none
    found = engine(128, Short()).instances(**frame(truth))
    same(found, truth)


def test_pieces_that_tiles_cut_leave_no_doubt_behind() -> None:
    """What is unsure of cells that run on beyond its tile, as a network is, and sure of all others."""

    class Unsure(Seer):
        def masks(self, sight: Tensor, boxes: Tensor) -> dict[str, Tensor]:
            at_edge = (
                (boxes[:, :2] < 1).any(1) | (boxes[:, 2] > sight.shape[-1] - 1) | (boxes[:, 3] > sight.shape[-2] - 1)
            )
            calm = torch.where(at_edge, 0.05, 1.0)[:, None, None, None, None]
            return {name: logits * calm for name, logits in super().masks(sight, boxes).items()}

    truth = np.pad(field(240, 320, 40, 15), ((8, 8), (8, 8)))
    maps = []
    for side in (1024, 128):
        predictor = engine(side)
        predictor.ask([Unsure()])
        found = predictor.instances(**frame(truth))
        assert found.uncertainty is not None
        maps.append(found.uncertainty[0, 0][truth > 0].mean())
    assert maps[1] == pytest.approx(maps[0], abs=0.02)


def test_a_very_large_frame_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = field(640, 960)
    monkeypatch.setattr(stitched, "WHOLE_PX", 400 * 400)
    monkeypatch.setattr(stitched, "CORE_PX", 256)
    predictor, pieces = engine(), []
    whole = predictor.piece
    monkeypatch.setattr(predictor, "piece", lambda image, *how: pieces.append(image.shape) or whole(image, *how))
    same(predictor.instances(**frame(truth)), truth, 0.85)
    assert len(pieces) > 4
    assert max(max(shape) for shape in pieces) < 960


def test_a_cell_longer_than_what_tiles_share_is_not_nested_pieces() -> None:
    truth = np.zeros((64, 320), np.int32)
    truth[24:40, 60:220] = 1
    found = engine(128).instances(**frame(truth))
    assert 1 <= len(found) <= 2  # pieces that overlap; which of them are one cell nobody can tell
    inside = [a[1] <= b[1] and b[3] <= a[3] for a, b in permutations(found.box.tolist(), 2)]
    assert not any(inside)


@pytest.mark.parametrize("zoom", [0.6, 1.7])
def test_masks_lie_right_whatever_the_zoom(zoom: float) -> None:
    class Spot(Seer):
        def look(self, image: Tensor) -> Tensor:
            return (image[:, 0] > 0.5).long()

    y, x = np.mgrid[:160, :320]
    truth = ((y - 60) / 21) ** 2 + ((x - 130) / 30) ** 2 < 1
    found = engine(network=Spot()).instances(truth[None].astype(np.float32), zoom, [(0.0, 1.0)])
    mask = found.labels("cell")[0] > 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95
    assert np.abs(np.argwhere(mask).mean(0) - np.argwhere(truth).mean(0)).max() < 0.3


def test_many_objects_and_none() -> None:
    truth = field(1024, 1536)
    assert len(np.unique(truth)) - 1 == 1536
    same(engine(512).instances(**frame(truth)), truth, 0.85)
    assert len(engine().instances(**frame(np.zeros((50, 60), np.int32)))) == 0


def test_one_object_on_all_four_borders() -> None:
    truth = np.ones((64, 96), np.int32)
    truth[30:33, 40:45] = 0
    found = engine().instances(**frame(truth))
    assert found.box.tolist() == [[0, 0, 64, 96]]


def test_what_two_of_three_members_find_is_kept() -> None:
    truth = field(96, 128)
    predictor = engine()
    predictor.ask([Seer((1, 2)), Seer((2, 3)), Seer((2,))])
    found = predictor.instances(**frame(truth))
    kept = np.where(truth == 2, 0, truth)  # 1 and 3 lack one vote each, 2 lacks all
    same(found, kept)
    assert found.uncertainty is not None
    assert found.uncertainty.shape == (1, 3, 96, 128)
    predictor.ask([Seer((1,)), Seer((1,)), Seer()])
    assert len(predictor.instances(**frame(truth))) == len(np.unique(truth)) - 2


def test_members_that_see_other_masks_leave_a_model_part() -> None:
    class Doubter(Seer):
        def masks(self, sight: Tensor, boxes: Tensor) -> dict[str, Tensor]:
            return {name: -logits for name, logits in super().masks(sight, boxes).items()}

    predictor = engine()
    predictor.ask([Seer(), Seer(), Doubter()])
    found = predictor.instances(**frame(field(96, 128)))
    assert found.u_model == pytest.approx(found.u_total, abs=0.02)
    assert float(found.u_total.min()) > 0.85
