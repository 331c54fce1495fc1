"""Connected components of a thresholded foreground map: what a binary mask alone can give."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.ops.relabel import drop_small


def by_components(foreground: NDArray[Any], threshold: float = 0.5, min_area_px: float = 0.0) -> NDArray[np.int32]:
    """Instances `(Y, X)`: the 4-connected components of `foreground > threshold` with at least `min_area_px` pixels."""
    labels, _ = ndimage.label(foreground > threshold)
    return drop_small(labels.astype(np.int32), min_area_px)
