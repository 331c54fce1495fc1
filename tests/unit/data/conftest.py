"""A small movie and ways to write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

Write = Callable[..., Path]


@pytest.fixture
def movie() -> np.ndarray:
    """`(T, C, Y, X)` uint16, every pixel different from its neighbours."""
    return np.random.default_rng(3).integers(0, 4000, (5, 2, 24, 32)).astype(np.uint16)


@pytest.fixture
def ome(tmp_path: Path) -> Write:
    """Write an OME-TIFF; keywords are OME metadata."""

    def write(data: np.ndarray, axes: str, name: str = "movie.ome.tif", **metadata: Any) -> Path:
        path = tmp_path / name
        tifffile.imwrite(path, data, metadata={"axes": axes, **metadata}, compression="zlib", photometric="minisblack")
        return path

    return write
