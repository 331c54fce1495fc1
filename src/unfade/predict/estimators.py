"""Estimators of model uncertainty: from one network, several members whose disagreement is the doubt.

Paper imperfect, section 3.1, names dropout, ensembles, snapshots of one training (SGDR) and several heads of one
network (winner-takes-all); test-time augmentation needs neither a second set of weights nor a special training. A
member is called like the network itself, and all give their answer in the frame of the image they were given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from unfade.errors import SettingsError
from unfade.ops.turns import TURNS, Turn, turned, turned_back, vectors_back
from unfade.settings import Settings

SOME_TURNS = (TURNS[0], TURNS[1], TURNS[4], TURNS[7])  # four that differ most


class EstimatorSettings(Settings):
    """How members are made."""

    members: int = Field(4, ge=2, le=32, description="members of dropout and tta; 4 in paper imperfect")
    rate: float = Field(0.15, gt=0, lt=1, description="share of feature maps that dropout leaves out")
    seed: int = Field(0, ge=0, description="seed of dropout, so that a run can be repeated")


class Estimator(ABC):
    """One way to get members; built from its settings alone."""

    companions: ClassVar[bool] = False  # whether it needs further weights beside those of the network

    def __init__(self, settings: EstimatorSettings) -> None:
        self.settings = settings

    @abstractmethod
    def members(
        self, network: nn.Module, others: Sequence[nn.Module] = (), vectors: Sequence[tuple[int, int]] = ()
    ) -> list[nn.Module]:
        """Modules called like `network`.

        `others` are further networks of the same build. `vectors` are pairs of output channels (y, x) that turn with
        the image.

        Raises
        ------
        SettingsError
            If the network or the others do not suit this estimator.
        """


class Dropout(Estimator):
    """Feature maps left out at random, differently for every member (Gal and Ghahramani, ICML 2016).

    Where a network has dropout layers, these stay on. In one without, dropout is put behind its encoder, as if it
    had been trained with it (Ledda et al., "Dropout injection at test time", 2023).
    """

    def members(
        self, network: nn.Module, others: Sequence[nn.Module] = (), vectors: Sequence[tuple[int, int]] = ()
    ) -> list[nn.Module]:
        """`settings.members` times the same network."""
        s = self.settings
        if not (_dropouts(network) or hasattr(network, "encoder")):
            raise SettingsError("This network has no dropout layer and no encoder; use another --uncertainty.")
        return [Dropping(network, s.rate, s.seed * 1000 + k) for k in range(s.members)]


class TestTimeAugmentation(Estimator):
    """The image mirrored and turned by right angles, the answers turned back (Wang et al., Neurocomputing 2019)."""

    __test__ = False  # it is no test

    def members(
        self, network: nn.Module, others: Sequence[nn.Module] = (), vectors: Sequence[tuple[int, int]] = ()
    ) -> list[nn.Module]:
        """Up to eight views of the same network."""
        count = self.settings.members
        turns = SOME_TURNS[:count] if count <= len(SOME_TURNS) else TURNS[:count]
        make: Any = getattr(network, "turned", None)
        return [make(turn) if make is not None else Turned(network, turn, vectors) for turn in turns]


class Ensemble(Estimator):
    """Networks trained one by one from different random starts (Lakshminarayanan et al., NIPS 2017)."""

    companions = True

    def members(
        self, network: nn.Module, others: Sequence[nn.Module] = (), vectors: Sequence[tuple[int, int]] = ()
    ) -> list[nn.Module]:
        """The network and the others."""
        if not others:
            raise SettingsError(
                "An ensemble needs the weights of its other members; name each with --member, or use "
                "--uncertainty tta, which needs none."
            )
        return [network, *others]


class Snapshots(Ensemble):
    """Snapshots of one training, each taken before a warm restart (Huang et al., ICLR 2017)."""


class Hypotheses(Estimator):
    """The heads of a network that was trained winner-takes-all, or with its evolving form."""

    def members(
        self, network: nn.Module, others: Sequence[nn.Module] = (), vectors: Sequence[tuple[int, int]] = ()
    ) -> list[nn.Module]:
        """One member per head; a network that gives the answers of all heads is its own only member."""
        if getattr(network, "tells_heads", False):
            return [network]
        heads = int(getattr(network, "heads", 1))
        if heads < 2:
            raise SettingsError("These weights have one head; use --uncertainty tta or train with several hypotheses.")
        return [OneHead(network, k, heads) for k in range(heads)]


class Dropping(nn.Module):
    """A network whose dropout is on, with numbers drawn anew from the same seed at every call."""

    def __init__(self, network: nn.Module, rate: float, seed: int) -> None:
        super().__init__()
        self.network, self.rate, self.seed = network, rate, seed

    def forward(self, *given: Any) -> Any:
        """What the network gives with some feature maps left out."""
        with self.on():
            return self.network(*given)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return self._dropped(getattr(super().__getattr__("network"), name))

    def _dropped(self, part: Any) -> Any:
        """A method of the network, called with dropout on; anything else as it is."""
        if not callable(part) or isinstance(part, nn.Module):
            return part

        def call(*given: Any, **named: Any) -> Any:
            with self.on():
                return part(*given, **named)

        return call

    @contextmanager
    def on(self) -> Iterator[None]:
        """Dropout on for as long as the block runs."""
        layers = _dropouts(self.network)
        hook = None if layers else self.network.encoder.register_forward_hook(self._deepest)  # type: ignore[union-attr]
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            for layer in layers:
                layer.train()
            try:
                yield
            finally:
                for layer in layers:
                    layer.eval()
                if hook is not None:
                    hook.remove()

    def _deepest(self, encoder: nn.Module, given: Any, features: list[Tensor]) -> list[Tensor]:
        """Leave out maps of the two deepest levels of an encoder."""
        return [*features[:-2], *(F.dropout2d(level, self.rate) for level in features[-2:])]


class Turned(nn.Module):
    """A network of maps `(B, C, Y, X)` that sees the image turned and gives its maps turned back."""

    def __init__(self, network: nn.Module, turn: Turn, vectors: Sequence[tuple[int, int]] = ()) -> None:
        super().__init__()
        self.network, self.turn, self.vectors = network, turn, tuple(vectors)

    def forward(self, image: Tensor) -> Tensor:
        """Maps of the image as it is."""
        maps = turned_back(self.network(turned(image, self.turn)), self.turn)
        if not self.vectors:
            return maps
        out = list(maps.unbind(1))
        for y, x in self.vectors:
            out[y], out[x] = vectors_back(maps[:, y], maps[:, x], self.turn)
        return torch.stack(out, dim=1)


class OneHead(nn.Module):
    """One of the heads of a network whose output channels are those of its heads, one after another."""

    def __init__(self, network: nn.Module, head: int, heads: int) -> None:
        super().__init__()
        self.network, self.head, self.heads = network, head, heads

    def forward(self, image: Tensor) -> Tensor:
        """Maps of the one head."""
        return torch.as_tensor(self.network(image).chunk(self.heads, dim=1)[self.head])


def _dropouts(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.Dropout | nn.Dropout2d) and m.p > 0]
