"""Draw the weight maps of paper shape-aware (its figures 2 and 3) on four drawn cells: python docs/draw_weights.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps, image

from unfade.losses.shape_aware import class_ratio, shape_aware_weight
from unfade.ops.distance import boundary_distance

PICTURES = Path(__file__).parent / "pictures"
SIDE, GAP, ENLARGED = 96, 6, 2
SIGMAS, ALPHAS = (2.0, 5.0, 10.0), (2.0, 10.0, 20.0)


def cells() -> np.ndarray:
    """Four cells, three of which touch."""
    y, x = np.mgrid[:SIDE, :SIDE]
    labels = np.zeros((SIDE, SIDE), np.int32)
    drawn = [(24, 26, 20, 18), (30, 62, 20, 20), (62, 36, 22, 26), (76, 80, 12, 10)]
    for k, (a, b, high, wide) in enumerate(drawn, 1):
        inside = ((y - a) / high) ** 2 + ((x - b) / wide) ** 2 < 1
        labels[inside & (labels == 0)] = k
    return labels


def weights(labels: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """Weight map `(Y, X)` of one frame."""
    inside = torch.from_numpy(labels > 0)
    distance = torch.from_numpy(boundary_distance(labels))
    return shape_aware_weight(distance, inside, class_ratio(inside[None])[0], alpha, sigma).numpy()


def row(maps: list[np.ndarray], most: float) -> np.ndarray:
    """The cells and their weight maps side by side, all on one scale from 0 to `most`."""
    colours = colormaps["magma"]
    grey = np.repeat((cells() > 0)[..., None] * 0.75, 3, axis=2)
    parts = [grey, *(colours(np.clip(one / most, 0, 1))[..., :3] for one in maps)]
    space = np.ones((SIDE, GAP, 3))
    joined = [parts[0]]
    for part in parts[1:]:
        joined += [space, part]
    return np.kron(np.concatenate(joined, axis=1), np.ones((ENLARGED, ENLARGED, 1)))


def main() -> None:
    labels = cells()
    PICTURES.mkdir(exist_ok=True)
    by_sigma = [weights(labels, 10.0, sigma) for sigma in SIGMAS]
    by_alpha = [weights(labels, alpha, 5.0) for alpha in ALPHAS]
    for name, maps in (("weights-sigma.png", by_sigma), ("weights-alpha.png", by_alpha)):
        image.imsave(PICTURES / name, row(maps, max(float(m.max()) for m in maps)))


if __name__ == "__main__":
    main()
