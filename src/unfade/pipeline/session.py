"""Frames pushed one at a time, each answered at once with its objects, tracks and measurements: for feedback."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.data import check_frame
from unfade.errors import SettingsError, ShapeError
from unfade.measure import Haze, ObjectMeasurer
from unfade.ops.relabel import remap
from unfade.pipeline.linking import open_linker
from unfade.pipeline.measuring import measure_haze
from unfade.pipeline.opening import open_model
from unfade.pipeline.segmenting import find_diameter, require_whole
from unfade.pipeline.settings import RunSettings
from unfade.predict.diameter import Diameter
from unfade.records import Calibration, Image, Instances, LabelImage, Lineage, Movie


@dataclass(frozen=True)
class FrameResult:
    """What is known of a frame as soon as it was pushed; later frames change none of it."""

    frame: int
    labels: LabelImage  # (Y, X), values are tracks
    objects: pd.DataFrame  # rows of the objects table
    parents: NDArray[np.int32]  # (P, 2) child, parent of the tracks that begin by a division
    found: Instances  # as segmented, before tracks
    seconds: float  # spent on it


class Session:
    """Segments, links and measures frames `(C, Y, X)` as they come.

    `session = Session(RunSettings(), ("nuclei", "reporter")); result = session.push(frame)`. The network is opened with
    the first frame, which also tells the diameter of the objects where it is not given.

    Raises
    ------
    SettingsError
        If the system or the linker has to see later frames, or frames are too large to follow the picture.
    """

    def __init__(
        self,
        settings: RunSettings = RunSettings(),
        channels: Sequence[str] = ("channel 0",),
        calibration: Calibration = Calibration(),
    ) -> None:
        self.settings, self.channels, self.calibration = settings, tuple(channels), calibration
        self.diameter: Diameter | None = None
        self.haze: Haze | None = None  # told by the first frame where it is asked for; a share of 0 has a reason
        self.count = 0
        self._linker: Any = open_linker(settings.link)
        if self._linker.lag != 0:
            raise SettingsError(f"The linker '{settings.link.linker}' looks ahead and cannot work live; name another.")
        self._links: Any = self._linker.start()
        self._size: tuple[int, ...] | None = None
        self._stage: Any = None
        self._state: Any = None
        self._measurer: ObjectMeasurer | None = None
        self._segmented = 0
        self._measured: tuple[tuple[int, str], ...] = ()

    def push(self, frame: Image, found: Instances | None = None) -> FrameResult:
        """Take the next frame `(C, Y, X)`, or `(Y, X)` of one channel; `found` spares the network what is known.

        Raises
        ------
        ShapeError
            If it is not of the size of the first one.
        InputError
            For pixels that are no numbers.
        """
        began = time.perf_counter()
        image = np.asarray(frame)
        image = image[None] if image.ndim == 2 else image
        if self._size is None:
            self._open(image)
        if image.shape != self._size:
            raise ShapeError(f"Frame {self.count} is {image.shape}, those before it are {self._size} (C, Y, X).")
        check_frame(image, self.count, self.channels)
        if found is None:
            self._state, ready = self._stage.push(self._state, image)
            (found,) = ready
        seen = found.labels()[-1]
        self._links, links = self._linker.push(self._links, seen)
        labels = remap(seen, links.label, links.track)
        sure = dict(zip(found.id.tolist(), (1 - found.u_total).tolist(), strict=True))
        known = {int(k): sure[int(n)] for k, n in zip(links.track, links.label, strict=True)}
        if self._measurer is None:
            self._measurer = self._open_measurer(image, labels)
        _, rows = self._measurer.push(self._measurer.start(), (self.count, image, labels, known))
        result = FrameResult(self.count, labels, rows[0], links.parents, found, time.perf_counter() - began)
        self.count += 1
        return result

    def lineage(self) -> Lineage:
        """All tracks so far and who descends from whom."""
        lineage: Lineage = self._linker.finish(self._links)
        return lineage

    def ratios(self) -> tuple[tuple[str, str], ...]:
        """Columns of nucleus/ring ratios, each with the name of its channel."""
        return () if self._measurer is None else tuple(self._measurer.ratios())

    def _open(self, image: Image) -> None:
        """Network, diameter and measurements from the first frame."""
        settings = self.settings
        if len(self.channels) != len(image):
            raise ShapeError(f"The frame has {len(image)} channels but {len(self.channels)} names; name each.")
        movie = Movie.of(image[None], self.channels, self.calibration)
        channel = movie.channel(settings.input.segment_channel)
        engine = open_model(settings).engine
        self.diameter = find_diameter(engine, movie, channel, settings.predict)
        require_whole(engine, (image.shape[1], image.shape[2]), float(self.diameter.zoom))
        self._stage = engine.stage(channel, float(self.diameter.zoom))
        if self._stage.lag != 0:
            raise SettingsError(f"The system '{settings.system.name}' looks at later frames and cannot work live.")
        self._state = self._stage.start()
        self._segmented = channel
        names = settings.input.measure_channels
        chosen = [movie.channel(n) for n in names] if names else range(len(self.channels))
        self._measured = tuple((c, self.channels[c]) for c in chosen)
        self._size = image.shape

    def _open_measurer(self, image: Image, labels: LabelImage) -> ObjectMeasurer:
        """Measurements with the haze that the first frame tells, where it is asked for."""
        settings = self.settings.measure
        if settings.haze == "measured":
            settings, self.haze = measure_haze(settings, image[self._segmented], labels)
        return ObjectMeasurer(settings, self._measured, self.calibration)
