"""Two frames decoded together at the end of recurrent windows (paper hourglass, sections 2.4 and 2.5).

A window of l frames gives embeddings of its last two frames, and from them objects that carry the same id in both. The
first windows of a movie have 2, 3, … l − 1 frames. `exact` computes every window anew, as the paper does; `streaming`
carries the state on and renews it every l − 1 frames, so that a frame costs little more than one pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unfade.ops.device import autocast
from unfade.ops.normalise import centred
from unfade.ops.warp import resized, resized_labels
from unfade.predict.engine import Ends, Engine, Segmenter, Stage
from unfade.predict.merging import Corner, merged_tiles, starts
from unfade.predict.tiled import padded
from unfade.records import Instances, Movie

Maps = NDArray[Any] | Tensor
Embed = Callable[[slice, slice], Maps]  # embeddings (k, d, Y, X) of a tile given by its rows and columns


class Windows(Protocol):
    """Settings of a system that this engine needs."""

    length: int  # frames of a window
    windows: str  # exact | streaming
    tile_px: int
    overlap_px: int


class PairSystem(Segmenter, Protocol):
    """A system whose two last frames are decoded together."""

    @property
    def settings(self) -> Windows:
        """How frames are cut into windows and tiles."""
        ...

    def decode(self, maps: NDArray[Any] | Tensor, zoom: float = 1.0) -> Instances:
        """Objects of embeddings `(k, d, Y, X)`, on whatever device they lie."""
        ...


class BlockPredictor(Engine):
    """Objects of pairs of frames."""

    system: PairSystem

    def context(self, movie: Movie, t: int, channel: int) -> NDArray[Any]:
        """One channel of the frame and of the one before, `(L, Y, X)`."""
        return np.stack([movie.frame(n)[channel] for n in range(max(0, t - 1), t + 1)])

    def stage(self, channel: int, zoom: float = 1.0, ends: Ends | None = None) -> Stage:
        """Pair by pair; every frame is normalised by itself."""
        return BlockStage(self, channel, zoom)

    def instances(self, image: NDArray[Any], zoom: float = 1.0, ends: Ends | None = None) -> Instances:
        """Objects of the last frame of a window `(L, Y, X)`."""
        seen = [self.seen(frame, zoom) for frame in image]
        found = self.found(seen, image.shape[1:])
        return _frame_of(found, len(found.labels()) - 1)

    def seen(self, frame: NDArray[Any], zoom: float) -> NDArray[np.float32]:
        """A frame `(Y, X)` smoothed, scaled and at the size at which the network sees it."""
        fixed = self.system.view.size_px
        size = fixed if fixed is not None else tuple(max(1, round(n * zoom)) for n in frame.shape)
        return resized(centred(frame), (size[0], size[1]))

    def found(self, window: Sequence[NDArray[np.float32]], size: tuple[int, ...]) -> Instances:
        """Objects of the last two frames (or the only one) of a window of seen frames, at `size`."""
        stack = np.stack(window)

        def embed(rows: slice, columns: slice) -> Tensor:
            return self.embedded(torch.from_numpy(stack[:, rows, columns]), None, 2)[0]

        return self.decoded(embed, stack.shape[1:], size)

    def embeddings(self, window: Tensor, state: Any) -> tuple[NDArray[np.float32], Any]:
        """Embeddings `(L, d, Y, X)` of frames `(L, Y, X)` after `state`, and the state to carry on."""
        maps, after = self.embedded(window, state, len(window))
        out: NDArray[np.float32] = maps.cpu().numpy()
        return out, after

    def embedded(self, window: Tensor, state: Any, last: int) -> tuple[Tensor, Any]:
        """The same of the last few frames alone, left on the device, where they are clustered."""
        height, width = window.shape[1:]
        image = padded(window[:, None].to(self.device), self.system.view.stride)[None]
        with torch.inference_mode(), autocast(self.device, self.precision):
            outputs, after = self.system.forward(self.network, {"image": image}, state)
            return self.system.activate(outputs)[0, -last:, :, :height, :width].float(), after

    def decoded(self, embed: Embed, seen: tuple[int, ...], size: tuple[int, ...]) -> Instances:
        """Objects at `size` from the embeddings of the tiles of frames of size `seen`."""
        tiles = self.tiles(seen)
        parts = [((y, x), self.system.decode(embed(slice(y, y1), slice(x, x1)))) for (y, x), (y1, x1) in tiles]
        whole = parts[0][1] if len(parts) == 1 else merged_tiles(parts, (seen[0], seen[1]))
        return whole if seen == size else _at(whole, (size[0], size[1]))

    def tiles(self, seen: tuple[int, ...]) -> list[tuple[Corner, Corner]]:
        """First and past-the-end corners of the tiles of frames of a size."""
        s = self.system.settings
        rows, columns = (starts(n, s.tile_px, s.overlap_px) for n in seen)
        return [((y, x), (min(y + s.tile_px, seen[0]), min(x + s.tile_px, seen[1]))) for y in rows for x in columns]


def _at(found: Instances, size: tuple[int, int]) -> Instances:
    """Objects at another size; what becomes empty is left out."""
    labels = resized_labels(found.labels(), size)
    score = {(f, n): s for f, n, s in zip(found.frame.tolist(), found.id.tolist(), found.score.tolist(), strict=True)}
    out = Instances.of(labels)
    scores = np.array([score[key] for key in zip(out.frame.tolist(), out.id.tolist(), strict=True)], np.float32)
    return Instances.of(labels, scores, 1 - scores)


def _frame_of(found: Instances, k: int) -> Instances:
    """One frame of a block, as a block of its own."""
    here = found.frame == k
    return Instances.of(found.labels()[k], found.score[here], found.u_total[here])


@dataclass
class Held:
    """What a stage keeps: the frames of the window as the network sees them, and the states of the tiles."""

    window: list[NDArray[np.float32]] = field(default_factory=list)
    size: tuple[int, ...] = ()
    pushed: int = 0
    age: int = 0  # frames that the states have seen
    states: dict[Corner, Any] = field(default_factory=dict)
    last: dict[Corner, Tensor] = field(default_factory=dict)  # embeddings of the frame before, by tile


class BlockStage:
    """Objects of every frame together with those of the frame before; the first frame waits for the second.

    What comes out for a frame holds two frames, the one before and the frame itself; before the first frame is nothing.
    """

    def __init__(self, predictor: BlockPredictor, channel: int, zoom: float) -> None:
        self.predictor, self.channel, self.zoom = predictor, channel, zoom
        settings = predictor.system.settings
        self.length, self.streaming = settings.length, settings.windows == "streaming"
        self.lag: int | None = 1
        self.memory: int | None = None if self.streaming else self.length - 1
        self.seconds = 0.0

    def start(self) -> Held:
        """No frame yet."""
        return Held()

    def push(self, state: Held, frame: NDArray[Any]) -> tuple[Held, list[Instances]]:
        """Take the next frame `(C, Y, X)`; objects of the frame and the one before."""
        began = time.perf_counter()
        image = frame[self.channel]
        state.window = [*state.window, self.predictor.seen(image, self.zoom)][-self.length :]
        state.pushed, state.size = state.pushed + 1, image.shape
        out = []
        if state.pushed > 1:
            found = self._streamed(state) if self.streaming else self.predictor.found(state.window, state.size)
            out = [_beginning(found), found] if state.pushed == 2 else [found]
        self.seconds += time.perf_counter() - began
        return state, out

    def finish(self, state: Held) -> list[Instances]:
        """The objects of a movie of one frame."""
        if state.pushed != 1:
            return []
        alone = self.predictor.found(state.window, state.size)
        return [_beginning(alone)]

    def _streamed(self, state: Held) -> Instances:
        """Objects of the last two frames with the carried states; old states give way to new ones."""
        renew = state.age == 0 or state.age >= self.length
        new = np.stack(state.window[-2:] if renew else state.window[-1:])
        state.age = 2 if renew else state.age + 1

        def embed(rows: slice, columns: slice) -> Tensor:
            tile = (rows.start, columns.start)
            before = None if renew else state.states[tile]
            maps, state.states[tile] = self.predictor.embedded(torch.from_numpy(new[:, rows, columns]), before, 2)
            both = maps if renew else torch.cat([state.last[tile], maps])
            state.last[tile] = both[-1:]
            return both

        return self.predictor.decoded(embed, state.window[-1].shape, state.size)


def _beginning(found: Instances) -> Instances:
    """The first frame of a block with nothing before it."""
    first = found.labels()[:1]
    here = found.frame == 0
    return Instances.of(np.concatenate([np.zeros_like(first), first]), found.score[here], found.u_total[here])
