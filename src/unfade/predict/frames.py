"""Frames of a movie to objects: normalise, rescale, run the network, decode."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unfade.ops.device import Precision, autocast
from unfade.ops.normalise import levels, scaled
from unfade.predict.tiled import predict_tiled
from unfade.records import Instances, View


class Segmenter(Protocol):
    """The part of a system that prediction needs."""

    @property
    def view(self) -> View:
        """What it sees."""
        ...

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        """Outputs and state."""
        ...

    def activate(self, outputs: dict[str, Tensor]) -> Tensor:
        """Maps `(B, L, K, Y, X)` that tiles are joined from."""
        ...

    def decode(self, maps: NDArray[np.float32], zoom: float = 1.0) -> Instances:
        """Objects of maps `(k, K, Y, X)`."""
        ...


class FramePredictor:
    """Objects of single frames by a network in evaluation mode on one device."""

    def __init__(
        self,
        system: Segmenter,
        network: nn.Module,
        device: torch.device,
        precision: Precision = "auto",
        tile_px: int = 1024,
    ) -> None:
        self.system, self.device, self.precision, self.tile_px = system, device, precision, tile_px
        self.network = network.to(device).to(memory_format=torch.channels_last).eval()

    def maps(self, image: NDArray[Any], zoom: float = 1.0) -> NDArray[np.float32]:
        """Activated maps `(K, Y, X)` of a frame `(C, Y, X)` at its own resolution.

        The network sees the frame enlarged `zoom` times. Statistics come from the whole frame, after it was made
        smaller: averaging flattens noise, which against the old range would look like the inside of a large object.
        """
        view, size = self.system.view, image.shape[-2:]
        seen = np.asarray(image, np.float32)
        if zoom != 1.0:
            sides = [max(1, round(side * zoom)) for side in size]
            seen = _resized(torch.from_numpy(seen)[None], sides, shrinks=zoom < 1)[0].numpy()
        ends = [levels(channel) for channel in (seen if zoom < 1 else image)]
        normal = np.stack([scaled(channel, pair) for channel, pair in zip(seen, ends, strict=True)])
        tensor = torch.from_numpy(normal)[None].to(self.device)
        with torch.inference_mode():
            maps = predict_tiled(self._apply, tensor, view.stride, view.reach_px, self.tile_px)
            if zoom != 1.0:
                maps = _resized(maps, list(size), shrinks=zoom > 1)
        out: NDArray[np.float32] = maps[0].float().cpu().numpy()
        return out

    def instances(self, image: NDArray[Any], zoom: float = 1.0) -> Instances:
        """Objects of a frame `(C, Y, X)`."""
        return self.system.decode(self.maps(image, zoom)[None], 1.0 / zoom)

    def _apply(self, tile: Tensor) -> Tensor:
        tile = tile.contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.precision):
            outputs, _ = self.system.forward(self.network, {"image": tile[:, None]})
        return self.system.activate(outputs)[:, 0]


def _resized(maps: Tensor, size: list[int], shrinks: bool) -> Tensor:
    """Maps `(B, C, Y, X)` at another size; smoothed first where they shrink."""
    return F.interpolate(maps, size, mode="bilinear", antialias=shrinks, align_corners=False)
