"""hourglass: cells segmented and tracked at once by embeddings of pixels (paper hourglass, Payer et al. 2019).

A stacked recurrent hourglass gives every pixel of a sequence a direction, the same for an object in all frames and at
right angles to those of its neighbours. The last two frames are clustered together, which tells what moved where;
linker `pairs` joins the pairs to tracks. Presets named after data of the Cell Tracking Challenge are table 1; `default`
and those that end in `-small` are for CPUs. `objective = "softmax"` is the paper's comparison (5.1): the same network
tells foreground from background, and objects are its connected pieces.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from unfade.instances.embedding import ClusterSettings, apart, cluster, scored
from unfade.losses.borders import border_weight, separated, weighted_softmax
from unfade.losses.embedding import embedding_terms
from unfade.models.hourglass import StackedHourglass, sum_of_squares
from unfade.ops.neighbours import find_objects
from unfade.records import Instances, View
from unfade.settings import Settings
from unfade.systems.base import Maps, System

CLASSES = 2  # background, foreground
TOUCH_PX = 1e-3  # reach of objects that are one only where they overlap
SMALL = {"width": 24, "levels": 6, "length": 4}


class HourglassSettings(Settings):
    """What the network is, at which size it sees frames, and how its embeddings become objects."""

    parallel: Literal["recurrent", "still", "volumetric"] = Field(
        "recurrent", description="ConvGRUs (paper), convolutions for stills (5.1), or volumes over time (5.2)"
    )
    objective: Literal["embedding", "softmax"] = Field(
        "embedding", description="cosine embeddings (paper), or foreground with drawn borders (its comparison)"
    )
    width: int = Field(64, ge=4, le=256, description="outputs of every convolution and ConvGRU")
    levels: int = Field(7, ge=2, le=8, description="levels of a hourglass; frames shrink 2^(levels − 1) times")
    stacks: int = Field(2, ge=1, le=4, description="hourglasses in a row; the loss is applied to each")
    dimensions: int = Field(16, ge=4, le=64, description="length d of the embedding vectors")
    length: int = Field(8, ge=2, le=64, description="frames l that a window of frames has")
    windows: Literal["exact", "streaming"] = Field(
        "exact", description="a window per frame (paper), or states carried on and renewed every l − 1 frames"
    )
    size_px: tuple[int, int] | None = Field(None, description="height, width at which frames are seen; unset = zoomed")
    diameter_px: tuple[float, float] = Field((20.0, 32.0), description="median diameters trained for, from and to, px")
    tile_px: int = Field(256, ge=32, description="side of a tile (s), px")
    overlap_px: int = Field(128, ge=0, description="pixels by which tiles overlap (o)")
    l2: float = Field(1e-5, ge=0, description="weight of half the squared weights in the loss")
    frugal: bool = Field(False, description="training keeps no activations but computes them again: slower, smaller")
    cluster: ClusterSettings = ClusterSettings()

    @model_validator(mode="after")
    def _windows_and_tiles_fit(self) -> Self:
        one_tile = self.size_px is not None and max(self.size_px) <= self.tile_px
        if self.overlap_px >= self.tile_px and not one_tile:
            raise ValueError(
                f"tiles of {self.tile_px} px cannot overlap by {self.overlap_px} px; set a smaller overlap_px"
            )
        if self.windows == "streaming" and self.parallel != "recurrent":
            raise ValueError(f"'{self.parallel}' has no state to carry on; set windows = 'exact'")
        return self


def _table_1(height: int, width: int, t_size: float, r_n: float) -> dict[str, Any]:
    return {"size_px": (height, width), "cluster": {"min_area_px": t_size, "reach_px": r_n}}


class Hourglass(System):
    """Cells or nuclei of pairs of frames from one channel."""

    name: ClassVar[str] = "hourglass"
    settings_type: ClassVar[type[Settings]] = HourglassSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {
            **SMALL,
            "diameter_px": (14.0, 22.0),
            "cluster": {"min_area_px": 75, "reach_px": 24, "bandwidth": 0.3},  # chosen on validation movies
        },
        "paper": {},
        "DIC-C2DH-HeLa": _table_1(256, 256, 500, 50),
        "Fluo-C2DL-MSC": _table_1(256, 256, 100, 150),
        "Fluo-N2DH-GOWT1": _table_1(512, 512, 100, 50),
        "Fluo-N2DL-HeLa": _table_1(700, 1100, 50, 10),
        "PhC-C2DH-U373": _table_1(384, 512, 500, 50),
        "Fluo-N2DH-SIM+": _table_1(512, 512, 100, 50),
        "stills": {"parallel": "still", "cluster": {"min_area_px": 40, "reach_px": 34}},
        "stills-small": {
            **SMALL,
            "parallel": "still",
            "diameter_px": (14.0, 22.0),
            "cluster": {"min_area_px": 25, "reach_px": 24},
        },
        "DIC-C2DH-HeLa-small": {**SMALL, "tile_px": 128, "overlap_px": 64, **_table_1(128, 128, 100, 25)},
        "PhC-C2DH-U373-small": {**SMALL, "tile_px": 128, "overlap_px": 64, **_table_1(192, 256, 125, 25)},
    }
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "": {
            "train": {
                "steps": 60_000,
                "rate": 1e-4,
                "schedule": "steps",
                "cycle": 30_000,
                "drop": 0.1,
                "warmup": 0,
                "decay": 0.0,
                "average": 0.0,
                "clip": 0.0,
            },
        },
        "small": {
            "train": {"steps": 20_000, "rate": 1e-3, "decay": 0.0, "average": 0.99, "check_every": 500},
            "sampler": {"crop_px": 128, "length": 4, "elastic_px": 5.0},
        },
        "default": {"sampler": {"crop_px": 128, "length": 4, "elastic_px": 5.0, "empty": 0.06}},
        "stills": {"sampler": {"crop_px": 256, "batch": 1, "elastic_px": 10.0, "elastic_points": 6}},
        "stills-small": {"sampler": {"crop_px": 128, "batch": 3, "diameter_px": (12.0, 26.0), "native": 0.0}},
    }
    of_network: ClassVar[frozenset[str]] = frozenset(
        {"parallel", "objective", "width", "levels", "stacks", "dimensions"}
    )
    settings: HourglassSettings

    @property
    def sampler(self) -> str:  # type: ignore[override]
        """Sequences whose ids persist; single frames for the still variant."""
        return "stills" if self.settings.parallel == "still" else "tracked"

    @classmethod
    def recipe(cls, preset: str) -> dict[str, Any]:
        """Settings of training and sampler that a preset is trained with: the paper's, or those of the small ones."""
        base = cls.recipes["small" if preset == "default" or preset.endswith("-small") else ""]
        return {**base, **cls.recipes.get(preset, {})}

    @property
    def view(self) -> View:
        """Windows of one channel, two frames decoded together, tiles joined as objects; stills are joined as maps."""
        s = self.settings
        stride, still = 2 ** (s.levels - 1), s.parallel == "still"
        return View(
            offsets=(0,) if still else tuple(range(1 - s.length, 1)),
            recurrent=s.parallel == "recurrent",
            block=1 if still else 2,
            join="maps" if still else "instances",
            diameter_px=s.diameter_px,
            size_px=s.size_px,
            stride=stride,
            reach_px=s.overlap_px // 2,
        )

    def network(self) -> nn.Module:
        """A fresh network with a random start."""
        s = self.settings
        outputs = s.dimensions if s.objective == "embedding" else CLASSES
        network = StackedHourglass(self.view.channels, outputs, s.width, s.levels, s.stacks, s.parallel)
        network.frugal = s.frugal
        return network

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Embeddings `{"maps": (B, L, d, Y, X)}` and those of earlier hourglasses, `early0` …, with the states."""
        outputs, after = network(inputs["image"], state)
        maps = {"maps": outputs[-1], **{f"early{k}": early for k, early in enumerate(outputs[:-1])}}
        if network.training:
            maps["squares"] = sum_of_squares(network)
        return maps, after

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """The labels `(L, Y, X)` themselves; 0 is background, negative is unknown.

        For the softmax objects are drawn apart, and `border` holds the weights of the borders.
        """
        labels = labels.astype(np.int32)
        if self.settings.objective == "embedding":
            return {"labels": labels}
        labels = np.stack([separated(frame) for frame in labels])
        return {"labels": labels, "border": np.stack([border_weight(frame) for frame in labels])}

    def loss(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """The four terms of the embedding loss or the weighted softmax, each summed over the hourglasses."""
        labels = targets["labels"].long()
        each = [outputs[name] for name in outputs if name == "maps" or name.startswith("early")]
        weights = {"weights": 0.5 * self.settings.l2 * outputs["squares"]}
        if self.settings.objective == "softmax":
            return {"softmax": _sum([weighted_softmax(one, labels, targets["border"]) for one in each]), **weights}
        objects = find_objects(labels, self.settings.cluster.reach_px)
        terms = [embedding_terms(one, labels, objects) for one in each]
        return {**{name: _sum([found[name] for found in terms]) for name in terms[0]}, **weights}

    def activate(self, outputs: Maps) -> Tensor:
        """The embeddings of the last hourglass, or its probability of the foreground `(B, L, 1, Y, X)`."""
        maps = outputs["maps"].float()
        return maps if self.settings.objective == "embedding" else maps.softmax(dim=2)[:, :, 1:]

    def decode(self, maps: np.ndarray | Tensor, zoom: float = 1.0) -> Instances:
        """Objects of embeddings `(k, d, Y, X)` or foreground `(k, 1, Y, X)`; equal ids in the k frames are one.

        Embeddings are clustered on the device on which they lie.
        """
        settings = self.settings.cluster
        if zoom != 1.0:
            settings = settings.changed(
                min_area_px=settings.min_area_px * zoom**2,
                reach_px=settings.reach_px * zoom,
                coordinate=settings.coordinate / zoom,
            )
        if self.settings.objective == "embedding":
            return cluster(maps, settings)
        chance = torch.as_tensor(maps)[:, 0].float().cpu().numpy()
        inside = (chance > 0.5).astype(np.int32)  # objects of two frames are one where they overlap most
        return scored(apart(inside, settings.changed(reach_px=TOUCH_PX)), chance)


def _sum(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).sum()
