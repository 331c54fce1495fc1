"""What every way to run a network over a movie has in common.

An engine holds a system, its network and a device. Its `stage` takes the frames of a movie one at a time, so that a run
over a file, a watched folder and a session at the microscope are one path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfade.errors import SettingsError
from unfade.ops.device import Precision
from unfade.records import Instances, Movie, View

Ends = Sequence[tuple[float, float]]  # intensities that become 0 and 1, per channel that the network sees


class Segmenter(Protocol):
    """The part of a system that prediction needs."""

    @property
    def name(self) -> str:
        """What it is called where systems are named."""
        ...

    @property
    def view(self) -> View:
        """What it sees."""
        ...

    @property
    def vectors(self) -> Sequence[tuple[int, int]]:
        """Pairs of output maps (y, x) that are components of vectors."""
        ...

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        """Outputs and state."""
        ...

    def probabilities(self, maps: Tensor) -> Tensor | None:
        """Class probabilities `(B, classes, Y, X)` of activated maps, or None where there are none."""
        ...

    def activate(self, outputs: dict[str, Tensor]) -> Tensor:
        """Maps `(B, L, K, Y, X)` that tiles are joined from."""
        ...

    def decode(self, maps: NDArray[Any], zoom: float = 1.0) -> Instances:
        """Objects of maps `(k, K, Y, X)`."""
        ...


class Stage(Protocol):
    """Frames in, objects out, in order: one `Instances` per frame, at most `lag` frames late."""

    lag: int | None  # frames it looks ahead; 0 = online, None = it needs the whole movie
    memory: int | None  # frames before t that must be pushed again for frame t to come out the same; None = all
    seconds: float  # spent in the network and in decoding

    def start(self) -> Any:
        """The state before the first frame."""
        ...

    def push(self, state: Any, frame: NDArray[Any]) -> tuple[Any, list[Instances]]:
        """Take the next frame `(C, Y, X)`; the new state and the objects of the frames that are ready."""
        ...

    def finish(self, state: Any) -> list[Instances]:
        """Objects of the frames held back."""
        ...


class Engine(ABC):
    """A network in evaluation mode on one device, and one way to run it over a movie."""

    motion: Any = None  # by which what is known of other frames follows the picture

    def __init__(
        self,
        system: Segmenter,
        network: nn.Module,
        device: torch.device,
        precision: Precision = "auto",
        tile_px: int = 1024,
    ) -> None:
        self.system, self.device, self.precision, self.tile_px = system, device, precision, tile_px
        self.network = self.placed(network)

    def placed(self, network: nn.Module) -> nn.Module:
        """A network on the device, ready to predict."""
        return network.to(self.device).to(memory_format=torch.channels_last).eval()

    def ask(self, members: Sequence[nn.Module]) -> None:
        """From now on tell the uncertainty of every object by how far these members of the network disagree.

        Raises
        ------
        SettingsError
            If this engine or system has no class probabilities that could be compared.
        """
        raise SettingsError(f"The system '{self.system.name}' cannot tell its uncertainty; leave out --uncertainty.")

    def begin_with(self, starter: Engine) -> None:
        """From now on let another engine find the objects of the first frame, as the first of the masks fed back.

        Raises
        ------
        SettingsError
            If this engine feeds no masks back.
        """
        raise SettingsError(f"The system '{self.system.name}' is not fed with its own masks; leave out --starter.")

    def follow(self, make: Callable[[float], Any]) -> None:
        """From now on move what is known of other frames along with the picture, by an estimator of its motion.

        `make` gives the estimator for objects of a diameter in px.

        Raises
        ------
        SettingsError
            If this engine looks at single frames, or needs another kind of motion.
        """
        raise SettingsError(
            f"The system '{self.system.name}' uses nothing of other frames that could follow; leave out --follow."
        )

    @abstractmethod
    def context(self, movie: Movie, t: int, channel: int) -> NDArray[Any]:
        """All that the network sees of a movie to find the objects of frame `t`: an array `(…, Y, X)`."""

    @abstractmethod
    def instances(self, image: NDArray[Any], zoom: float = 1.0, ends: Ends | None = None) -> Instances:
        """Objects of one frame from its `context`, seen `zoom` times enlarged.

        `ends` are the intensities that become 0 and 1; without them they are taken from `image`.
        """

    @abstractmethod
    def stage(self, channel: int, zoom: float = 1.0, ends: Ends | None = None) -> Stage:
        """The stage that finds objects in one channel of a movie.

        `ends` belong to the whole movie, for systems whose view asks for that; without them such a system goes by the
        frames it has seen so far.
        """
