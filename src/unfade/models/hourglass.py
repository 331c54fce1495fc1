"""Stacked recurrent hourglass that gives every pixel of every frame an embedding vector.

Paper hourglass (Payer et al., Medical Image Analysis 57, 2019), section 2.1 and figure 2: two hourglasses of seven
levels; single 3×3 convolutions of 64 outputs with ReLU on the way down and up, a ConvGRU (Ballas et al., ICLR 2016) in
every parallel path, max pooling, nearest neighbour up, addition; the first output is joined to the input image for the
second hourglass. No normalisation, no dropout; He initialisation, zero biases. Where the paper leaves it open: the
candidate state uses ReLU and the gates a sigmoid, a 3×3 convolution without activation makes the embeddings.

Two variants of the paper: `still` (5.1) has a convolution where the ConvGRU was, `volumetric` (5.2) has 3×3×3
convolutions throughout and pools in space only.

Only the ConvGRU needs frames in order, so that every other layer takes all frames of a sequence at once.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

Parallel = Literal["recurrent", "still", "volumetric"]
State = list[list[Tensor | None]]  # per hourglass, per level: (B, width, Y / 2^level, X / 2^level)


class StackedHourglass(nn.Module):
    """Embeddings of a sequence `(B, L, C, Y, X)`; Y and X must be multiples of `2^(levels − 1)`."""

    def __init__(
        self,
        in_channels: int = 1,
        dimensions: int = 16,
        width: int = 64,
        levels: int = 7,
        stacks: int = 2,
        parallel: Parallel = "recurrent",
    ) -> None:
        super().__init__()
        self.dimensions, self.levels = dimensions, levels
        self.frugal = False  # activations of a hourglass are computed again for the backward pass, not kept
        inputs = [in_channels] + [in_channels + dimensions] * (stacks - 1)
        self.hourglasses = nn.ModuleList(Hourglass(n, width, levels, parallel) for n in inputs)
        kind: type[nn.Module] = Across if parallel == "volumetric" else Within
        self.heads = nn.ModuleList(kind(width, dimensions) for _ in inputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def stride(self) -> int:
        """Sides of frames are multiples of this."""
        return 1 << (self.levels - 1)

    def forward(self, image: Tensor, state: State | None = None) -> tuple[list[Tensor], State]:
        """Embeddings `(B, L, d, Y, X)` of every hourglass, the last one the best, and the states after the sequence."""
        length = image.shape[1]
        frames = _time_first(image)  #                                   (L·B, C, Y, X)
        outputs: list[Tensor] = []
        after: State = []
        for place, (hourglass, head) in enumerate(zip(self.hourglasses, self.heads, strict=True)):
            seen = torch.cat([frames, outputs[-1].to(frames.dtype)], dim=1) if outputs else frames
            before = state[place] if state is not None else [None] * self.levels
            if self.frugal and torch.is_grad_enabled():
                x, states = checkpoint(hourglass, seen, length, before, use_reentrant=False)
            else:
                x, states = hourglass(seen, length, before)
            outputs.append(head(x, length))  #                           (L·B, d, Y, X)
            after.append(states)
        return [out.view(length, -1, *out.shape[1:]).transpose(0, 1) for out in outputs], after


class Hourglass(nn.Module):
    """One way down and up again, with a parallel path at every level."""

    def __init__(self, in_channels: int, width: int, levels: int, parallel: Parallel) -> None:
        super().__init__()
        across = parallel == "volumetric"
        kind: type[nn.Module] = Across if across else Within
        self.down = nn.ModuleList(kind(in_channels if k == 0 else width, width) for k in range(levels))
        beside: type[nn.Module] = ConvGRU if parallel == "recurrent" else Beside
        self.beside = nn.ModuleList(beside(width, across) for _ in range(levels))
        self.up = nn.ModuleList(kind(width, width) for _ in range(levels))

    def forward(self, x: Tensor, length: int, state: list[Tensor | None]) -> tuple[Tensor, list[Tensor | None]]:
        """Features `(L·B, width, Y, X)` and the states after the last frame."""
        skips: list[Tensor] = []
        after: list[Tensor | None] = []
        for level, (down, beside) in enumerate(zip(self.down, self.beside, strict=True)):
            if level:
                x = F.max_pool2d(x, 2)  #                                (L·B, width, Y/2^k, X/2^k)
            x = F.relu(down(x, length))
            skip, last = beside(x, length, state[level])
            skips.append(skip)
            after.append(last)
        out = F.relu(self.up[-1](skips[-1], length))
        for up, skip in zip(reversed(self.up[:-1]), reversed(skips[:-1]), strict=True):
            out = F.relu(up(skip + F.interpolate(out, scale_factor=2.0), length))
        return out, after


class ConvGRU(nn.Module):
    """Gated recurrent unit of 3×3 convolutions: `h' = (1 − z) h + z ReLU(W x + U (r h))`."""

    def __init__(self, width: int, across: bool = False) -> None:
        super().__init__()
        self.width = width
        self.of_input = nn.Conv2d(width, 3 * width, 3, padding=1)  # update gate, reset gate, candidate
        self.of_state = nn.Conv2d(width, 2 * width, 3, padding=1, bias=False)
        self.of_reset = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor, length: int, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """States `(L·B, width, Y, X)` after each frame, and the last of them; without a state it begins with zeros."""
        out = []
        for given in self.of_input(x).chunk(length):  #                  (B, 3·width, Y, X) per frame
            gates, candidate = given[:, : 2 * self.width], given[:, 2 * self.width :]
            if state is None:
                state = torch.sigmoid(gates[:, : self.width]) * F.relu(candidate)
            else:
                update, reset = torch.sigmoid(gates + self.of_state(state)).chunk(2, dim=1)
                state = torch.lerp(state, F.relu(candidate + self.of_reset(reset * state)), update)
            out.append(state)
        assert state is not None
        return torch.cat(out), state


class Beside(nn.Module):
    """A convolution with ReLU in place of the ConvGRU; there is no state."""

    def __init__(self, width: int, across: bool = False) -> None:
        super().__init__()
        self.layer = (Across if across else Within)(width, width)

    def forward(self, x: Tensor, length: int, state: Tensor | None) -> tuple[Tensor, None]:
        """Features `(L·B, width, Y, X)`."""
        return F.relu(self.layer(x, length)), None


class Within(nn.Conv2d):
    """3×3 convolution of every frame by itself."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, 3, padding=1)

    def forward(self, input: Tensor, length: int = 1) -> Tensor:
        """`(L·B, before, Y, X)` to `(L·B, after, Y, X)`."""
        return super().forward(input)


class Across(nn.Conv2d):
    """3×3×3 convolution over time, y and x, as one of images that hold the frames before and after as channels."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(3 * before, after, 3, padding=1)

    def forward(self, input: Tensor, length: int = 1) -> Tensor:
        """`(L·B, before, Y, X)` to `(L·B, after, Y, X)`; zeros stand before the first and after the last frame."""
        batch = len(input) // length
        nothing = torch.zeros_like(input[:batch])
        before, after = torch.cat([nothing, input[:-batch]]), torch.cat([input[batch:], nothing])
        return super().forward(torch.cat([before, input, after], dim=1))


def sum_of_squares(network: nn.Module) -> Tensor:
    """Sum of the squared weights of a network, without its biases."""
    return torch.stack([p.float().square().sum() for p in network.parameters() if p.ndim > 1]).sum()


def _time_first(image: Tensor) -> Tensor:
    """`(B, L, C, Y, X)` as images `(L·B, C, Y, X)`, so that each frame is one piece."""
    frames = image.transpose(0, 1).flatten(0, 1)
    return frames.contiguous(memory_format=torch.channels_last)
