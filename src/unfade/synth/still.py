"""Sequences from a still, as paper lexy makes them (2.1.2): the picture turns, stretches and shears as one.

Meanwhile its nuclei fade, through the point at which they are as bright as the cytoplasm. Unlike in a translocation
movie all cells move together, so what is around a nucleus tells where it has gone.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.errors import SettingsError, ShapeError
from unfade.synth.course import ratios
from unfade.synth.deformation import Paths, affines
from unfade.synth.fading import LEAST_PX, StillSettings
from unfade.synth.layers import (
    Layers,
    from_reporter,
    mirrored,
    require_cytoplasm,
    require_pair,
    with_drawn_cells,
)
from unfade.synth.scene import Scene, texture_share
from unfade.synth.translocation import TranslocationMovie

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class StillMovie(TranslocationMovie):
    """A still in motion; frames are drawn when asked for, always the same for the same still and settings.

    The field lies at a place of the still that the seed draws, where it is smaller; beyond the still's border its
    mirror image goes on. Of the settings' `deformation`, rotation, stretch, shear and drift of the stage act, once for
    the whole picture; steps of single cells, coverage, size and spacing of nuclei come from the still.

    Parameters
    ----------
    image, labels : arrays (Y, X)
        The picture and its nuclei, 0 is background.
    settings : StillSettings, optional
        Among them `cytoplasm`: `own` where the picture shows the reporter, in nuclei and cytoplasm, `drawn` where it
        shows a nuclear stain.

    Raises
    ------
    ShapeError
        If image and labels are no still or smaller than a field may be, or the picture shows no cytoplasm of its own.
    SettingsError
        If nuclei should divide.
    """

    settings: StillSettings

    def __init__(self, image: NDArray[Any], labels: NDArray[Any], settings: StillSettings | None = None) -> None:
        require_pair(image, labels)
        _, count = np.unique(labels[labels > 0], return_counts=True)
        diameter = max(float(np.median(2 * np.sqrt(count / np.pi))), 3.1)
        chosen = settings or StillSettings()
        if chosen.nuclei.division_rate > 0:
            raise SettingsError("Nuclei of a still cannot divide; set nuclei.division_rate to 0.")
        height, width = chosen.height_px or image.shape[0], chosen.width_px or image.shape[1]
        if min(height, width) < LEAST_PX:
            raise ShapeError(
                f"This still is {image.shape[0]} x {image.shape[1]} px; a field has at least {LEAST_PX} px on a side."
            )
        if chosen.cytoplasm == "own":
            require_cytoplasm(image, labels)
        nuclei = chosen.nuclei.changed(diameter_px=diameter).plain()
        super().__init__(chosen.changed(height_px=height, width_px=width, nuclei=nuclei))
        self._still = image, labels.astype(np.int32)

    @cached_property
    def _motion(self) -> tuple[Doubles, Doubles]:
        """Maps `(T, 2, 2)` about the field's middle, that of frame 0 the identity, and its drift `(T, 2)` in px."""
        s, rng = self.settings, np.random.default_rng([self.settings.seed, 0])
        affine = affines(s.deformation, 1, s.frames, rng)[:, 0]
        drift = np.cumsum(rng.normal(0, s.deformation.drift_px, (s.frames, 2)), axis=0)
        return affine @ np.linalg.inv(affine[0]), drift - drift[0]

    @cached_property
    def corner(self) -> NDArray[np.int64]:
        """First pixel of the field in the still; a field that is larger than the still has it in its middle."""
        rng = np.random.default_rng([self.settings.seed, 6])
        room = np.array(self._still[0].shape) - np.array(self.shape[2:])
        drawn = np.floor(rng.random(2) * (room + 1)).astype(np.int64)
        return np.asarray(np.where(room > 0, drawn, room // 2), np.int64)

    @cached_property
    def _rim(self) -> tuple[int, int]:
        """How far the canvas of any frame goes beyond the still, in px per axis."""
        size, low = np.array(self.shape[2:]), -self.margin_px - 1
        corners = np.array([[y, x] for y in (low, size[0] - low) for x in (low, size[1] - low)], float)
        affine, drift = self._motion
        at = np.einsum("tij,tnj->tni", np.linalg.inv(affine), corners - (size - 1) / 2 - drift[:, None])
        at = at + (size - 1) / 2 + self.corner
        beyond = np.maximum(-at.min((0, 1)), at.max((0, 1)) - np.array(self._still[0].shape) + 1)
        y, x = (max(int(np.ceil(far)), 0) + 1 for far in beyond)
        return y, x

    @cached_property
    def layers(self) -> Layers:
        """The still and its mirror image, taken apart."""
        image, labels = mirrored(*self._still, self._rim)
        if self.settings.cytoplasm == "drawn":
            return with_drawn_cells(image, labels, self.settings)
        return from_reporter(image, labels)

    @cached_property
    def paths(self) -> Paths:
        """Where the nucleus of every id from 1 on is in every frame; the affine maps are those of the picture."""
        nuclei = self.layers.nuclei
        count, ids = int(nuclei.max()), np.unique(nuclei[nuclei > 0])
        centre = np.full((count, 2), np.nan)
        centre[ids - 1] = ndimage.center_of_mass(nuclei > 0, nuclei, ids)
        middle = (np.array(self.shape[2:]) - 1) / 2
        affine, drift = self._motion
        own = centre - self.corner - self._rim - middle
        where = np.einsum("tij,nj->tni", affine, own) + middle + drift[:, None]
        frames, area = self.settings.frames, np.bincount(nuclei.ravel(), minlength=count + 1)[1:]
        alive = np.broadcast_to(area > 0, (frames, count))
        radius = np.broadcast_to(np.sqrt(area / np.pi), (frames, count))
        each = np.broadcast_to(affine[:, None], (frames, count, 2, 2))
        return Paths(where, each, radius, np.zeros((frames, count)), alive, np.full(count, -1), drift)

    @cached_property
    def contrast(self) -> Doubles:
        """Logarithm of nuclear over cytoplasmic concentration `(T, N)`."""
        rng = np.random.default_rng([self.settings.seed, 1])
        return ratios(self.settings.course, self.settings.frames, self.paths.alive.shape[1], rng)

    def _paint(self, t: int) -> Scene:
        light, nuclear, around, level = self._lit(t)
        layers = self.layers
        marker = np.where(layers.nuclei > 0, layers.grain, 0)
        nuclei, cells = (self._moved(ids, t, order=0) for ids in (layers.nuclei, layers.cells))
        here = np.flatnonzero(self.paths.alive[t])
        y, x = self.corner + self._rim
        self._litter(light, (int(y), int(x)))  # part of the picture: it moves along
        return Scene(
            np.maximum(self._moved(light, t, order=1), 0),
            self._moved(marker, t, order=1),
            nuclei,
            cells,
            here,
            nuclear[here],
            around[here],
            level[here],
        )

    def _lit(self, t: int) -> tuple[Floats, Doubles, Doubles, Doubles]:
        """Light of the still with the nuclei of frame `t`, and per id the weighted areas and the cytoplasm's level."""
        layers, s = self.layers, self.settings.nuclei
        count = self.contrast.shape[1]
        contrast = self.contrast[t]
        ratio = np.concatenate([[1.0], np.exp(contrast)]).astype(np.float32)
        share = np.concatenate([[0.0], texture_share(contrast, s.residue)]).astype(np.float32)
        grown = 1 + np.float32(s.texture) * share[layers.nuclei] * (layers.grain - 1)
        own = layers.cytoplasm * grown
        nucleus = layers.nuclei.ravel()
        nuclear = np.bincount(nucleus, own.ravel(), count + 1)[1:]
        plain = np.bincount(nucleus, layers.cytoplasm.ravel(), count + 1)[1:]
        around = np.bincount(layers.cells.ravel(), layers.cytoplasm.ravel(), count + 1)[1:] - plain
        level = (plain + around) / np.maximum(ratio[1:] * nuclear + around, 1e-6)
        levels = np.concatenate([[1.0], level]).astype(np.float32)
        light = np.asarray(own * ratio[layers.nuclei] * levels[layers.cells], np.float32)
        return light, np.asarray(nuclear), np.asarray(around), level

    def _moved(self, picture: Any, t: int, order: Literal[0, 1]) -> NDArray[Any]:
        """A layer on the canvas of frame `t`: between pixels (order 1) or from the nearest one (order 0)."""
        affine, drift = self._motion
        inverse = np.linalg.inv(affine[t])
        size = np.array(self.shape[2:]) + 2 * self.margin_px
        middle = (np.array(self.shape[2:]) - 1) / 2
        start = middle + self.corner + self._rim - inverse @ (self.margin_px + middle + drift[t])
        shape = (int(size[0]), int(size[1]))
        out: NDArray[Any] = ndimage.affine_transform(picture, inverse, start, shape, order=order, mode="nearest")
        return out
