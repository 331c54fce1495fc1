"""Pairs of frames through windows, tiles and stages, with a network that reads labels off the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unfade.instances.embedding import ideal
from unfade.link.pairs import PairLinker
from unfade.ops.overlap import contingency
from unfade.predict.blocks import BlockPredictor
from unfade.predict.merging import merged_tiles, starts
from unfade.records import Instances
from unfade.systems.hourglass import Hourglass, HourglassSettings

SETTINGS = {
    "width": 4,
    "levels": 3,
    "dimensions": 6,
    "length": 3,
    "tile_px": 32,
    "overlap_px": 16,
    "cluster": {"min_area_px": 12.0, "reach_px": 12.0, "fill_px": 0.0},
}


class Levels(Hourglass):
    """Intensity steps are directions; remembers how many frames it was given, and since when a state lives."""

    def __init__(self, settings: HourglassSettings) -> None:
        super().__init__(settings)
        self.calls: list[tuple[int, int]] = []

    def network(self) -> nn.Module:
        return nn.Identity()

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        image = inputs["image"][:, :, 0]
        seen = image.shape[1] + (state or 0)
        self.calls.append((image.shape[1], seen))
        number = ((image + 1) * 2.5).round().long().clamp(0, 5)
        return {"maps": nn.functional.one_hot(number, 6).movedim(-1, 2).float()}, seen


def engine(**settings: Any) -> tuple[BlockPredictor, Levels]:
    system = Levels(HourglassSettings.parse({**SETTINGS, **settings}))
    found = BlockPredictor(system, system.network(), torch.device("cpu"), "float32")
    found.seen = lambda frame, zoom: np.asarray(frame, np.float32) / 2.5 - 1  # type: ignore[method-assign]
    return found, system


def movie(frames: int = 6, side: int = 64) -> np.ndarray:
    """Two cells that move by a pixel per frame, and one on the border between tiles."""
    out = np.zeros((frames, 1, side, side), np.uint8)
    for t in range(frames):
        out[t, 0, 3:11, 3 + t : 11 + t] = 1
        out[t, 0, 26:38, 28:36] = 2
        out[t, 0, 44:54, 40 - t : 50 - t] = 3
    return out


def pushed(stage: Any, frames: np.ndarray) -> list[Instances]:
    state, out = stage.start(), []
    for frame in frames:
        state, ready = stage.push(state, frame)
        out += ready
    return out + stage.finish(state)


@pytest.mark.parametrize("windows", ["exact", "streaming"])
def test_every_frame_comes_out_once_with_the_one_before(windows: str) -> None:
    predictor, _ = engine(windows=windows)
    frames = movie()
    found = [each.labels() for each in pushed(predictor.stage(0), frames)]
    assert [block.shape for block in found] == [(2, 64, 64)] * 6
    assert not found[0][0].any()
    for t, block in enumerate(found):
        assert np.array_equal(block[1] > 0, frames[t, 0] > 0)
        if t:
            assert np.array_equal(block[0] > 0, frames[t - 1, 0] > 0)
            assert np.unique(block[0]).tolist() == np.unique(block[1]).tolist()  # the same ids in both


def test_windows_grow_to_their_length() -> None:
    predictor, system = engine(tile_px=64)
    pushed(predictor.stage(0), movie())
    assert system.calls == [(2, 2), (3, 3), (3, 3), (3, 3), (3, 3)]


def test_streams_carry_the_state_and_renew_it() -> None:
    predictor, system = engine(tile_px=64, windows="streaming")
    pushed(predictor.stage(0), movie(7))
    assert system.calls == [(2, 2), (1, 3), (2, 2), (1, 3), (2, 2), (1, 3)]


def test_a_restart_gives_the_same_frames() -> None:
    predictor, _ = engine()
    frames = movie()
    stage = predictor.stage(0)
    whole = pushed(stage, frames)
    assert stage.memory == 2
    again = pushed(predictor.stage(0), frames[5 - stage.memory :])
    assert np.array_equal(again[-1].labels(), whole[-1].labels())


def test_a_movie_of_one_frame() -> None:
    predictor, _ = engine()
    (found,) = pushed(predictor.stage(0), movie(1))
    assert np.array_equal(found.labels()[1] > 0, movie(1)[0, 0] > 0)


def test_another_size_is_brought_back() -> None:
    predictor, _ = engine(tile_px=64)
    seen = [np.kron(frame[0], np.ones((2, 2))) / 2.5 - 1 for frame in movie(2)]
    found = predictor.found([s.astype(np.float32)[::2, ::2] for s in seen], (128, 128))
    assert found.shape == (2, 128, 128)
    assert np.array_equal(found.labels()[1] > 0, seen[1] > -1)
    assert found.score.min() == pytest.approx(1)


def test_tiles_cover_the_frame_as_in_the_paper() -> None:
    assert len(starts(1100, 256, 128)) * len(starts(700, 256, 128)) == 40
    assert starts(256, 256, 128) == [0]
    assert starts(300, 256, 128) == [0, 44]


def tile(*boxes: tuple[int, int, int, int], side: int = 20) -> Instances:
    labels = np.zeros((1, side, side), np.int32)
    for number, (y0, y1, x0, x1) in enumerate(boxes, 1):
        labels[0, y0:y1, x0:x1] = number
    return Instances.of(labels, np.ones(len(boxes), np.float32))


def test_what_touches_a_border_between_tiles_is_left_to_the_other_tile() -> None:
    left, right = tile((5, 9, 14, 20)), tile((5, 9, 4, 12))
    found = merged_tiles([((0, 0), left), ((0, 10), right)], (20, 30)).labels()[0]
    assert np.argwhere(found).min(axis=0).tolist() == [5, 14]
    assert np.argwhere(found).max(axis=0).tolist() == [8, 21]
    assert found.max() == 1


def test_what_touches_the_border_of_the_frame_stays() -> None:
    found = merged_tiles([((0, 0), tile((0, 4, 0, 6))), ((0, 10), tile((16, 20, 15, 20)))], (20, 30))
    assert len(found) == 2


def test_the_largest_candidate_is_kept() -> None:
    small, large = tile((5, 9, 12, 16)), tile((5, 9, 2, 9))
    found = merged_tiles([((0, 0), small), ((0, 10), large)], (20, 30))
    assert (found.labels() > 0).sum() == 28
    assert len(found) == 1


def test_frames_are_decoded_where_they_were_computed() -> None:
    """Only the last two frames of a window, as a tensor; what comes out is what arrays give."""
    found, system = engine()
    seen: list[Any] = []
    decode = system.decode
    system.decode = lambda maps, zoom=1.0: seen.append(maps) or decode(maps, zoom)  # type: ignore[method-assign,func-returns-value]
    window = [found.seen(frame, 1.0) for frame in movie()[:3, 0]]
    objects = found.found(window, (64, 64))
    assert all(isinstance(maps, Tensor) and maps.shape[0] == 2 for maps in seen)
    whole = torch.from_numpy(np.stack(window))
    by_arrays = found.decoded(lambda y, x: found.embeddings(whole[:, y, x], None)[0][-2:], (64, 64), (64, 64))
    np.testing.assert_array_equal(objects.labels(), by_arrays.labels())


def test_noisy_ideal_embeddings_give_back_the_objects_and_their_tracks() -> None:
    """Tiles, clustering, pairs and links together: twelve cells that move, one of which leaves in the fourth frame."""
    found, _ = engine(dimensions=16, tile_px=64, overlap_px=32, cluster={"min_area_px": 40.0, "reach_px": 24.0})
    truth = [discs(t) for t in range(5)]
    rng = np.random.default_rng(0)
    linker = PairLinker()
    state = linker.start()
    for t in range(1, 5):
        maps = ideal(np.stack(truth[t - 1 : t + 1]), 16, 24.0)
        noisy = maps + np.float32(0.1) * rng.standard_normal(maps.shape).astype(np.float32)
        pair = found.decoded(lambda y, x, noisy=noisy: noisy[:, :, y, x], (128, 128), (128, 128)).labels()
        for mine, true in zip(pair, truth[t - 1 : t + 1], strict=True):
            overlap = contingency(mine, true)
            assert len(overlap.ids_a) == len(overlap.ids_b)
            assert (overlap.sparse_iou() > 0.93).sum() == len(overlap.ids_b)
        if t == 1:
            state, _ = linker.push(state, np.stack([np.zeros_like(pair[0]), pair[0]]))
        state, _ = linker.push(state, pair)
    tracks = linker.finish(state).tracks()
    assert sorted((tracks["last"] - tracks["first"]).tolist()) == [2] + [4] * 11


def discs(t: int) -> np.ndarray:
    """Touching cells of 20 px that move by a pixel and a half per frame; the first is gone from frame 3 on."""
    y, x = np.mgrid[:128, :128]
    out = np.zeros((128, 128), np.int32)
    for n in range(1 if t > 2 else 0, 12):
        cy, cx = 24 + 26 * (n // 4) + t, 20 + 21 * (n % 4) + 1.5 * t
        out[(y - cy) ** 2 + (x - cx) ** 2 < 110] = n + 1
    return out
