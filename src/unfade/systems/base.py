"""The promise every system keeps. Engines rely on nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from unfade.ops.relabel import of_kind
from unfade.records import Instances, View
from unfade.settings import Settings

Maps = dict[str, Tensor]


class System(ABC):
    """One published way to find cells; frozen, built from its settings alone.

    Tensors are `(B, L, C, Y, X)`: batch, consecutive frames, channels, height, width.
    """

    name: ClassVar[str]
    settings_type: ClassVar[type[Settings]]
    presets: ClassVar[dict[str, dict[str, Any]]]
    of_network: ClassVar[frozenset[str]]  # settings that fix the build of the network, so that weights decide them
    fresh: ClassVar[dict[str, Any]] = {}  # settings that a training does not take over from the weights it starts from
    shown: ClassVar[tuple[str, ...]] = ()  # targets that `forward` sees in training beside the inputs
    sampler: ClassVar[str] = "stills"  # the registered sampler that draws its training examples
    metric: ClassVar[str] = "AP"  # score by which training keeps the best weights; any other comes from its `measure`

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def vectors(self) -> tuple[tuple[int, int], ...]:
        """Pairs of output maps (y, x) that are components of vectors: they turn where an image is turned."""
        return ()

    @classmethod
    def recipe(cls, preset: str) -> dict[str, Any]:
        """Settings `train` and `sampler` that a training of the preset uses where it is not told otherwise.

        `draw` may name the sampler that those settings belong to.
        """
        return {}

    @property
    @abstractmethod
    def view(self) -> View:
        """What it sees and how its outputs are joined."""

    @abstractmethod
    def network(self) -> nn.Module:
        """A fresh network; random start."""

    def begin(self, network: nn.Module) -> bool:
        """Give a new network the weights, trained elsewhere, that its settings ask for; whether there were any.

        Raises
        ------
        WeightsError
            If they cannot be had.
        """
        return False

    @abstractmethod
    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Outputs `{"maps": (B, L, K, Y, X)}` of `inputs {"image": (B, L, C, Y, X)}`, and the state to carry on."""

    @abstractmethod
    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Targets of label images `(L, Y, X)` and their normalised image `(L, C, Y, X)`, by name, L first."""

    def learnt(self, stills: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What is learnt of the label images `(L, Y, X)` of all stills: nuclei or cells, where both are marked.

        It is told on whole stills, for a crop of a cell may hold nothing of its nucleus.

        Raises
        ------
        TruthError
            If what the system learns is marked in none.
        """
        kinds = self.view.kinds
        return [of_kind(labels, kinds[0]) if len(kinds) == 1 else labels for labels in stills]

    def left_out(self, labels: np.ndarray) -> int:
        """How many objects of label images `(L, Y, X)` are too small to learn from; they are no targets."""
        return 0

    @abstractmethod
    def loss(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """Named scalars; the engine sums them."""

    @abstractmethod
    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        """Objects of the activated maps `(k, K, Y, X)`; `zoom` is how often they were enlarged after the network."""

    @abstractmethod
    def activate(self, outputs: Maps) -> Tensor:
        """What tiles are blended and decoded from, `(B, L, K, Y, X)`: logits made probabilities, the rest as it is."""

    def probabilities(self, maps: Tensor) -> Tensor | None:
        """Class probabilities `(B, K, Y, X)` of activated maps, or None where there are none."""
        return None
