"""Effective receptive field: which input pixels one output pixel listens to, and how far they lie from it.

Paper nuclei-unet, sections II.3 and III.2, after Luo et al., "Understanding the effective receptive field in deep
convolutional neural networks" (2016): the gradient of one output pixel is carried back through the network to every
layer and to the input; its size, averaged over random inputs, is the weight of each pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfade.errors import SettingsError
from unfade.predict.boxes import BoxPredictor
from unfade.predict.engine import Engine
from unfade.records import View

_DEPTH = 2  # dots in the names of the modules that are watched
_KINDS = (nn.modules.conv._ConvNd, nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd)

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Field:
    """Weights of the pixels of one layer, or of the input, for one output pixel."""

    layer: str  # "input" or the module's name
    at_px: tuple[float, float]  # the output pixel, y, x in pixels of the input
    stride: float  # pixels of the input per pixel of the layer
    weight: Floats  # (Y, X) sums to 1

    def radius_px(self, inside: float) -> float:
        """Least radius, in pixels of the input, of a circle around the output pixel with this share of the weight."""
        middle = [(n + 0.5) / self.stride - 0.5 for n in self.at_px]
        y, x = np.ogrid[: self.weight.shape[0], : self.weight.shape[1]]
        far = np.hypot(y - middle[0], x - middle[1]).ravel() * self.stride
        order = np.argsort(far, kind="stable")
        held = np.cumsum(self.weight.ravel()[order])
        return float(far[order][min(int(np.searchsorted(held, inside - 1e-9)), far.size - 1)])


def receptive_fields(
    engine: Engine,
    positions: Sequence[tuple[float, float]] = ((0.5, 0.5),),
    side_px: int = 256,
    draws: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[list[Field]]:
    """Fields of the output pixels at `positions` (shares of the height and width): the input's, then the layers' on.

    Inputs are frames of independent noise, evenly distributed over 0 to 1, as the network sees them; masks that it
    would be fed are noise too. The gradient is that of the first output map before its activation (a monotonic
    activation of a single pixel changes its scale alone), of networks of boxes that of the sum over the finest feature
    map that boxes are judged by. Every draw weighs the same.

    Raises
    ------
    SettingsError
        If the side is no multiple of the network's stride, or the network gives no map of pixels.
    """
    view = engine.system.view
    if side_px % view.stride:
        raise SettingsError(
            f"The side must be a multiple of {view.stride} pixels, the network's stride; got {side_px}."
        )
    engine.network.to(memory_format=torch.contiguous_format)  # torch 2.15 loses memory in some narrow backward passes
    look, rng = _look(engine), np.random.default_rng(seed)
    sums: list[dict[str, Floats]] = [{} for _ in positions]
    for draw in range(draws):
        noise = rng.random((1, _planes(view), side_px, side_px), dtype=np.float32)
        seen = torch.from_numpy(noise).to(engine.device).requires_grad_()
        with _watched(engine.network) as grown:
            out = look(seen)
            for n, (y, x) in enumerate(positions):
                grown.clear()
                seen.grad = None
                row, column = (min(int(p * size), size - 1) for p, size in zip((y, x), out.shape, strict=True))
                out[row, column].backward(retain_graph=n + 1 < len(positions))  # type: ignore[no-untyped-call]
                arrived: dict[str, Tensor] = {} if seen.grad is None else {"input": _size(seen.grad)}
                _add(sums[n], {**arrived, **dict(reversed(grown.items()))})
        engine.network.zero_grad(set_to_none=True)
        if progress is not None:
            progress(draw + 1, draws)
    places = [_place(position, (out.shape[0], out.shape[1]), side_px) for position in positions]
    return [
        [_field(name, place, side_px, total) for name, total in found.items()]
        for found, place in zip(sums, places, strict=True)
    ]


def _place(position: tuple[float, float], shape: tuple[int, int], side_px: int) -> tuple[float, float]:
    """Middle of the output pixel at a position, in pixels of the input."""
    y, x = ((min(int(p * n), n - 1) + 0.5) * side_px / n - 0.5 for p, n in zip(position, shape, strict=True))
    return y, x


def _field(name: str, at: tuple[float, float], side_px: int, total: Floats) -> Field:
    return Field(name, at, side_px / total.shape[0], total / total.sum())


def _add(sums: dict[str, Floats], sizes: dict[str, Tensor]) -> None:
    """Add the weights of one draw, of sum 1, to those of the draws before; what nothing arrived at is left out."""
    for name, size in sizes.items():
        found = size.cpu().numpy().astype(np.float64)
        total = found.sum()
        if total > 0:
            sums[name] = sums.get(name, 0) + found / total


def _size(gradient: Tensor) -> Tensor:
    """Size of a gradient `(…, Y, X)` summed over all but its last axes."""
    return gradient.detach().float().abs().flatten(0, -3).sum(0)


def _planes(view: View) -> int:
    """Images that the network sees at once: frames, and the masks it is fed."""
    if view.feedback or view.reference:
        return 2 * (view.channels + 1)
    return view.channels * max(len(view.offsets), view.block)


def _look(engine: Engine) -> Callable[[Tensor], Tensor]:
    """The first output map `(Y, X)` of an input `(1, planes, Y, X)`."""
    network, system = engine.network, engine.system
    if isinstance(engine, BoxPredictor):
        return lambda seen: _finest(network, seen)
    inputs: Callable[[Tensor], dict[str, Tensor]] = getattr(engine, "_inputs", lambda seen: {"image": seen[:, :, None]})

    def look(seen: Tensor) -> Tensor:
        outputs, _ = system.forward(network, inputs(seen))
        maps = outputs.get("maps")
        if maps is None or maps.ndim < 4:
            raise SettingsError(f"The system '{system.name}' gives no map of pixels, so none has a receptive field.")
        first: Tensor = maps.flatten(0, -4)[0] if maps.ndim == 5 else maps[0]
        return first[0]

    return look


def _finest(network: Any, seen: Tensor) -> Tensor:
    features = network.look(seen).features
    finest: Tensor = max(features.values(), key=lambda f: int(f.shape[-1]))
    return finest[0].sum(0)


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Sizes `(Y, X)` of gradients of the maps of modules near the network's root, by name, last module first.

    Where a module is used more than once, as the encoder of two inputs is, its sizes are summed; maps of another size
    have entries of their own.
    """
    grown: dict[str, Tensor] = {}

    def note(name: str, gradient: Tensor) -> None:
        size = _size(gradient)
        if name in grown and grown[name].shape != size.shape:
            name = f"{name} ({size.shape[0]} x {size.shape[1]})"
        grown[name] = grown[name] + size if name in grown else size

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def after(module: nn.Module, given: Any, out: Any) -> None:
            if isinstance(out, Tensor) and out.ndim == 4 and out.requires_grad and out.shape[-1] > 1:
                out.register_hook(lambda gradient: note(name, gradient))  # type: ignore[no-untyped-call]

        return after

    handles = [
        module.register_forward_hook(watch(name))
        for name, module in network.named_modules()
        if name and name.count(".") <= _DEPTH and (any(module.children()) or isinstance(module, _KINDS))
    ]
    try:
        yield grown
    finally:
        for handle in handles:
            handle.remove()
