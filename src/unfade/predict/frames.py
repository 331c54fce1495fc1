"""Frames of a movie to objects: normalise, rescale, run the network, decode."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unfade.ops.device import autocast
from unfade.ops.normalise import levels, scaled
from unfade.predict.doubt import joined, with_uncertainty
from unfade.predict.engine import Ends, Engine, Stage
from unfade.predict.stitched import find_stitched, parts_of
from unfade.predict.tiled import predict_tiled
from unfade.records import Instances, Movie, Rows

STRIP_ROWS = 2048  # of a large frame that are made smaller together


class FramePredictor(Engine):
    """Objects of single frames."""

    members: tuple[nn.Module, ...] = ()  # whose disagreement is told; none: the network alone

    def ask(self, members: Sequence[nn.Module]) -> None:
        """Average the maps of these members before objects are decoded, and tell where they disagree."""
        self.members = tuple(members)

    def context(self, movie: Movie, t: int, channel: int) -> NDArray[Any]:
        """One channel of the frame, `(1, Y, X)`."""
        return movie.frame(t)[channel : channel + 1]

    def stage(self, channel: int, zoom: float = 1.0, ends: Ends | None = None) -> Stage:
        """Frame by frame; every frame is normalised by itself unless `ends` are given."""
        return FrameStage(self, channel, zoom, ends)

    def maps(self, image: NDArray[Any], zoom: float = 1.0, ends: Ends | None = None) -> NDArray[np.float32]:
        """Activated maps `(K, Y, X)` of a frame `(C, Y, X)` at its own resolution; `(K + 3, Y, X)` with members.

        The network sees the frame enlarged `zoom` times. Statistics come from the whole frame, after it was made
        smaller: averaging flattens noise, which against the old range would look like the inside of a large object.
        """
        view, size = self.system.view, image.shape[-2:]
        tensor = self.seen(image, zoom, ends)
        with torch.inference_mode():
            maps = predict_tiled(self._apply, tensor, view.stride, view.reach_px, self.tile_px)
            if zoom != 1.0:
                maps = _resized(maps, list(size), shrinks=zoom > 1)
        out: NDArray[np.float32] = maps[0].float().cpu().numpy()
        return out

    def seen(self, image: NDArray[Any], zoom: float, ends: Ends | None) -> Tensor:
        """What the network sees of a frame `(C, Y, X)`: `(1, C, Y, X)`, rescaled and normalised."""
        found = self._seen(image, zoom)
        if ends is None:
            ends = self.ends(found if zoom < 1 else image)
        normal = np.stack([scaled(channel, pair) for channel, pair in zip(found, ends, strict=True)])
        return torch.from_numpy(normal)[None].to(self.device)

    def _seen(self, image: NDArray[Any], zoom: float) -> NDArray[np.float32]:
        """A frame as the network sees it, before its intensities are scaled."""
        seen = np.asarray(image, np.float32)
        if zoom == 1.0:
            return seen
        sides = [max(1, round(side * zoom)) for side in image.shape[-2:]]
        smaller: NDArray[np.float32] = _resized(torch.from_numpy(seen)[None], sides, shrinks=zoom < 1)[0].numpy()
        return smaller

    def ends(self, image: NDArray[Any]) -> Ends:
        """Intensities of a frame `(C, Y, X)` that become 0 and 1, channel by channel."""
        return [levels(channel) for channel in image]

    def instances(self, image: NDArray[Any], zoom: float = 1.0, ends: Ends | None = None) -> Instances:
        """Objects of a frame `(C, Y, X)`; a very large one is taken in parts."""
        parts = parts_of((image.shape[-2], image.shape[-1]), self.system.view, zoom)
        if len(parts) == 1:
            return self.piece(image, zoom, ends)
        known = self.frame_ends(image, zoom) if ends is None else ends
        return find_stitched(image, parts, lambda part: self.piece(part, zoom, known))

    def frame_ends(self, image: NDArray[Any] | Rows, zoom: float) -> Ends:
        """Intensities of a whole large frame `(C, Y, X)` that become 0 and 1, read by rows."""
        rows = Rows.of(image)
        if zoom >= 1:
            return [levels(rows.plane(channel)) for channel in range(rows.shape[0])]
        seen = [self._seen(rows.read(*strip), zoom) for strip in rows.ranges(STRIP_ROWS)]
        return self.ends(np.concatenate(seen, axis=1))

    def piece(self, image: NDArray[Any], zoom: float, ends: Ends | None) -> Instances:
        """Objects of a frame, or of a part of one, in one piece."""
        return self.decoded(self.maps(image, zoom, ends), zoom)

    def decoded(self, maps: NDArray[np.float32], zoom: float) -> Instances:
        """Objects of the maps of a frame."""
        if not self.members:
            return self.system.decode(maps[None], 1.0 / zoom)
        return with_uncertainty(self.system.decode(maps[None, :-3], 1.0 / zoom), maps[-3:])

    def _apply(self, tile: Tensor) -> Tensor:
        tile = tile.contiguous(memory_format=torch.channels_last)
        if not self.members:
            return self._activated(self.network, tile)
        maps = [self._activated(member, tile) for member in self.members]
        chances = [chance for chance in map(self.system.probabilities, maps) if chance is not None]
        if not chances:
            super().ask(self.members)
        return joined(maps, chances)

    def _activated(self, network: nn.Module, tile: Tensor) -> Tensor:
        with autocast(self.device, self.precision):
            outputs, _ = self.system.forward(network, self._inputs(tile))
        return self.system.activate(outputs)[:, 0]

    def _inputs(self, tile: Tensor) -> dict[str, Tensor]:
        return {"image": tile[:, None]}


def _resized(maps: Tensor, size: list[int], shrinks: bool) -> Tensor:
    """Maps `(B, C, Y, X)` at another size; smoothed first where they shrink."""
    return F.interpolate(maps, size, mode="bilinear", antialias=shrinks, align_corners=False)


class FrameStage:
    """Objects frame by frame; it looks at nothing but the frame in hand."""

    lag: int | None = 0
    memory: int | None = 0

    def __init__(self, predictor: FramePredictor, channel: int, zoom: float, ends: Ends | None = None) -> None:
        self.predictor, self.channel, self.zoom, self.ends = predictor, channel, zoom, ends
        self.seconds = 0.0

    def start(self) -> None:
        """There is no state."""

    def push(self, state: None, frame: NDArray[Any]) -> tuple[None, list[Instances]]:
        """Objects of the frame `(C, Y, X)`."""
        began = time.perf_counter()
        found = self.predictor.instances(frame[self.channel : self.channel + 1], self.zoom, self.ends)
        self.seconds += time.perf_counter() - began
        return None, [found]

    def finish(self, state: None) -> list[Instances]:
        """Nothing is held back."""
        return []
