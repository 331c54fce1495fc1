"""Movies through a network that sees its own previous mask: frame after frame, each fed with what came before.

Paper lexy, section 3: the first frame uses an estimate, later ones the network's own output. The estimate is a mask
that is given, what a single-frame network finds in the first frame, or nothing, for networks that were trained with
dropped masks.

Where the picture moves, the mask can be moved along with it before it is fed back (`follow`); a probability is read
between pixels, a mask is moved by its outline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfade.errors import SettingsError, ShapeError
from unfade.ops.normalise import PooledLevels, scaled, sequence_levels
from unfade.predict.engine import Ends, Engine, Segmenter, Stage
from unfade.predict.following import Floats, Motion, depth_of, moved, renewed, usual_diameter
from unfade.predict.frames import FramePredictor, _resized
from unfade.predict.tiled import predict_tiled
from unfade.records import Instances


class Feeding(Segmenter, Protocol):
    """The part of a system that prediction with feedback needs."""

    def feedback(self, maps: Tensor) -> Tensor:
        """What the next step sees, `(B, 1, Y, X)`, of activated maps `(B, K, Y, X)`."""
        ...


@dataclass
class Memory:
    """What is carried from frame to frame, on the network's own grid; None where nothing is known yet."""

    previous: Tensor | None = None  # (1, 1, y, x) mask or probability
    reference: Tensor | None = None  # (1, C + 1, y, x) normalised frame and its mask
    levels: PooledLevels | None = None
    frame: Floats | None = None  # (y, x) normalised, where masks follow the picture
    depth: Floats | None = None  # (y, x) of the previous mask, between pixels; None where it is a probability


class RolloutPredictor(FramePredictor):
    """Objects of each frame from the frame, the mask found in the one before and, where seen, a reference."""

    system: Feeding
    starter: Engine | None = None
    motion: Motion | None = None

    def follow(self, make: Callable[[float], Motion]) -> None:
        """Move masks or probabilities along with the picture before they are fed back; references stay as they are."""
        self.motion = make(usual_diameter(self.system.view))

    def begin_with(self, starter: Engine) -> None:
        """Let an engine for single frames find the objects of the first frame, as the first estimate.

        Raises
        ------
        SettingsError
            If that engine needs other frames itself.
        """
        view = starter.system.view
        if view.feedback or view.block > 1 or view.offsets != (0,):
            raise SettingsError(
                f"The system '{starter.system.name}' needs more than the first frame; give --starter one for "
                "single frames."
            )
        self.starter = starter

    def first_mask(self, image: NDArray[Any], zoom: float) -> Tensor | None:
        """The mask that the starter finds in the first frame `(C, Y, X)`, each at the size its network is made for."""
        if self.starter is None:
            return None
        wanted, own = (float(np.prod(view.diameter_px)) ** 0.5 for view in (self.starter.system.view, self.system.view))
        return self.begun(self.starter.instances(image, zoom * wanted / own).labels()[0], zoom).previous

    def ask(self, members: Sequence[nn.Module]) -> None:
        """Members of a network that feeds itself would each need a past of their own.

        Raises
        ------
        SettingsError
            Always.
        """
        raise SettingsError(
            f"The system '{self.system.name}' feeds on its own output and is run by one network; leave out "
            "--uncertainty."
        )

    def stage(self, channel: int, zoom: float = 1.0, ends: Ends | None = None) -> Stage:
        """Frame by frame, online; it must have seen all frames before."""
        return RolloutStage(self, channel, zoom, ends)

    def maps(self, image: NDArray[Any], zoom: float = 1.0, ends: Ends | None = None) -> NDArray[np.float32]:
        """Activated maps `(K, Y, X)` of a frame of whose past nothing is known."""
        return self.step(image, Memory(), zoom, ends)[0]

    def step(
        self, image: NDArray[Any], memory: Memory, zoom: float = 1.0, ends: Ends | None = None
    ) -> tuple[NDArray[np.float32], Memory]:
        """Activated maps `(K, Y, X)` of a frame `(C, Y, X)` at its own resolution, and the memory after it."""
        frame = self._frame(image, zoom, ends)
        now = None if self.motion is None else frame[0, 0].float().cpu().numpy()
        known = memory if now is None else self._moved(memory, now)
        previous = torch.zeros_like(frame[:, :1]) if known.previous is None else known.previous
        reference = torch.cat([frame, previous], dim=1) if memory.reference is None else memory.reference
        view = self.system.view
        with torch.inference_mode():
            seen = torch.cat([frame, previous, reference], dim=1)
            maps = predict_tiled(self._apply, seen, view.stride, view.reach_px, self.tile_px)
            fed = self.system.feedback(maps.float())
            if memory.reference is None:
                reference = torch.cat([frame, fed], dim=1)
            if zoom != 1.0:
                maps = _resized(maps, list(image.shape[-2:]), shrinks=zoom > 1)
        out: NDArray[np.float32] = maps[0].float().cpu().numpy()
        depth = None if now is None else _renewed(known.depth, fed[0, 0].float().cpu().numpy())
        return out, Memory(fed, reference, memory.levels, now, depth)

    def _moved(self, memory: Memory, now: Floats) -> Memory:
        """The memory with what is fed back as it lies in this frame `(y, x)`."""
        if self.motion is None or memory.frame is None or memory.previous is None:
            return memory
        given, depth = memory.previous[0, 0].float().cpu().numpy(), memory.depth
        if _is_mask(given):
            depth = moved(depth_of(given > 0.5) if depth is None else depth, now, memory.frame, self.motion)
            given = (depth < 0).astype(np.float32)
        else:
            given = moved(given, now, memory.frame, self.motion)
        return replace(memory, previous=torch.from_numpy(given)[None, None].to(self.device), depth=depth)

    def begun(self, mask: NDArray[Any], zoom: float = 1.0) -> Memory:
        """A memory whose previous mask is `mask (Y, X)`, labels or booleans."""
        seen = torch.from_numpy((np.asarray(mask) > 0).astype(np.float32))[None, None]
        if zoom != 1.0:
            sides = [max(1, round(side * zoom)) for side in mask.shape]
            seen = (_resized(seen, sides, shrinks=zoom < 1) > 0.5).float()
        return Memory(seen.to(self.device))

    def _frame(self, image: NDArray[Any], zoom: float, ends: Ends | None) -> Tensor:
        """The normalised frame `(1, C, y, x)` on the network's grid."""
        seen = np.asarray(image, np.float32)
        if zoom != 1.0:
            sides = [max(1, round(side * zoom)) for side in image.shape[-2:]]
            seen = _resized(torch.from_numpy(seen)[None], sides, shrinks=zoom < 1)[0].numpy()
        if ends is None:
            ends = self.ends(seen if zoom < 1 else image)
        normal = np.stack([scaled(channel, pair) for channel, pair in zip(seen, ends, strict=True)])
        return torch.from_numpy(normal)[None].to(self.device)

    def _inputs(self, tile: Tensor) -> dict[str, Tensor]:
        channels = self.system.view.channels
        image, previous, reference = tile[:, :channels], tile[:, channels : channels + 1], tile[:, channels + 1 :]
        return {"image": image[:, None], "previous": previous[:, None], "reference": reference[:, None]}


def _is_mask(fed: Floats) -> bool:
    """Whether what is fed back `(y, x)` is a mask, not a probability."""
    return bool(((fed == 0) | (fed == 1)).all())


def _renewed(depth: Floats | None, fed: Floats) -> Floats | None:
    """The depth of what is fed back `(y, x)` from that of the mask before it; None for a probability."""
    if not _is_mask(fed):
        return None
    return depth_of(fed > 0.5) if depth is None else renewed(depth, fed > 0.5)


class RolloutStage:
    """Objects of every frame at once; a restart must begin at the first frame."""

    lag: int | None = 0
    memory: int | None = None

    def __init__(self, predictor: RolloutPredictor, channel: int, zoom: float, ends: Ends | None = None) -> None:
        self.predictor, self.channel, self.zoom, self.ends = predictor, channel, zoom, ends
        self.seconds = 0.0

    def start(self, mask: NDArray[Any] | None = None) -> Memory:
        """Nothing known of the past, or an estimate of the first frame's mask `(Y, X)`."""
        return Memory() if mask is None else self.predictor.begun(mask, self.zoom)

    def push(self, state: Memory, frame: NDArray[Any]) -> tuple[Memory, list[Instances]]:
        """Objects of the frame `(C, Y, X)`.

        Raises
        ------
        ShapeError
            If the frame differs in size from the mask or the frames before.
        """
        began = time.perf_counter()
        image = frame[self.channel : self.channel + 1]
        if state.previous is None:
            state.previous = self.predictor.first_mask(image, self.zoom)
        ends = self.ends
        if ends is None and self.predictor.system.view.normalise != "frame":
            state.levels = state.levels or sequence_levels(self.predictor.system.view.normalise)
            state.levels.add(image[0])
            ends = [state.levels.ends()]
        size = tuple(max(1, round(side * self.zoom)) for side in image.shape[-2:])
        if state.previous is not None and tuple(state.previous.shape[-2:]) != size:
            raise ShapeError(f"The frame is {image.shape[-2:]}, which does not fit the mask before it; use one size.")
        maps, state = self.predictor.step(image, state, self.zoom, ends)
        found = self.predictor.system.decode(maps[None], 1.0 / self.zoom)
        self.seconds += time.perf_counter() - began
        return state, [found]

    def finish(self, state: Memory) -> list[Instances]:
        """Nothing is held back."""
        return []
