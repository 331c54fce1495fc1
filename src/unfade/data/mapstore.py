"""Maps of every pixel beside a movie, such as uncertainties, as an OME-Zarr image that every viewer opens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from unfade.data.outputs import replacing
from unfade.records import Calibration

TILE = 1024  # longest side of a chunk in pixels


def write_maps(
    path: Path,
    frames: Iterable[NDArray[np.float32]],
    shape: tuple[int, int, int, int],
    channels: Sequence[str],
    calibration: Calibration = Calibration(),
) -> None:
    """Write maps 0..1 `(C, Y, X)`, one for each frame, as an NGFF 0.5 image `(T, C, Y, X)`, complete or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replacing(path) as part:
        root = zarr.create_group(part, zarr_format=3, attributes={"ome": _metadata(channels, calibration)})
        sides = (ceil(n / ceil(n / TILE)) for n in shape[2:])
        array = root.create_array(
            "0",
            shape=shape,
            chunks=(1, 1, *sides),
            dtype="float32",
            compressors=[ZstdCodec(level=1)],
            dimension_names=["t", "c", "y", "x"],
        )
        for t, image in enumerate(frames):
            array[t] = image


def _metadata(channels: Sequence[str], calibration: Calibration) -> dict[str, Any]:
    pixel, interval = calibration.pixel_um, calibration.interval_s
    space: dict[str, str] = {} if pixel is None else {"unit": "micrometer"}
    time: dict[str, str] = {} if interval is None else {"unit": "second"}
    steps = [interval or 1.0, 1.0, pixel or 1.0, pixel or 1.0]
    window = {"min": 0.0, "max": 1.0, "start": 0.0, "end": 1.0}
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": "uncertainty",
                "axes": [
                    {"name": "t", "type": "time", **time},
                    {"name": "c", "type": "channel"},
                    {"name": "y", "type": "space", **space},
                    {"name": "x", "type": "space", **space},
                ],
                "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": steps}]}],
            }
        ],
        "omero": {"channels": [{"label": name, "color": "FFFFFF", "window": window} for name in channels]},
    }
