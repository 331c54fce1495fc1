"""Which augmentations a training still gets: those of paper lexy (2.4.3) and those it proposes (section 4).

The paper rotates and flips; for videos it adds perspective changes and random crops. It names elastic deformations,
scaling, sharpness, blur, noise, brightness and contrast as the next step, and a search for the best combination
(AutoAugment): a `Policy` is one combination, drawn by `draw_policy` for such a search.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from unfade.augment.spatial import Affine, smoothed
from unfade.ops.warp import sample_image, sample_labels
from unfade.settings import Settings

Floats = NDArray[np.float32]


class Policy(Settings):
    """Chance of each augmentation, and how strong the strongest is; 0 = never."""

    elastic: float = Field(0.0, ge=0, le=1, description="chance of an elastic deformation")
    elastic_px: float = Field(3.0, ge=0, description="its displacement, one standard deviation in px")
    elastic_grain_px: float = Field(16.0, gt=0, description="its smoothness: blur of the displacements in px")
    perspective: float = Field(0.0, ge=0, le=1, description="chance of a change of perspective")
    perspective_share: float = Field(0.15, ge=0, lt=0.5, description="corners move by up to this share of the side")
    sharpen: float = Field(0.0, ge=0, le=1, description="chance of sharpening by up to 1.5 times the fine detail")
    blur: float = Field(0.0, ge=0, le=1, description="chance of a Gaussian blur")
    blur_px: float = Field(1.5, ge=0, description="its largest standard deviation in px")
    noise: float = Field(0.0, ge=0, le=1, description="chance of Gaussian noise")
    noise_level: float = Field(0.1, ge=0, description="its largest standard deviation; the image runs from 0 to 1")
    brightness: float = Field(0.0, ge=0, le=1, description="chance of a shift by up to 0.2")
    contrast: float = Field(0.0, ge=0, le=1, description="chance of a contrast of 1/1.6 to 1.6 around the mean")


CHANCES = ("elastic", "perspective", "sharpen", "blur", "noise", "brightness", "contrast")


def draw_policy(rng: np.random.Generator, most: float = 0.6) -> Policy:
    """A random policy: each augmentation is left out or has a chance of up to `most`."""
    chances = {name: float(rng.uniform(0.1, most)) if rng.random() < 0.6 else 0.0 for name in CHANCES}
    return Policy(**chances)


def place(rng: np.random.Generator, affine: Affine, policy: Policy) -> torch.Tensor:
    """Source positions `(2, H, W)` of a crop: the affine map, bent by perspective and elastic deformation."""
    at = affine.positions()
    if rng.random() < policy.perspective:
        at = at + _perspective(rng, at, policy.perspective_share)
    if rng.random() < policy.elastic:
        at = at + _elastic(rng, affine.size, policy) / affine.zoom
    return at


def taken(
    image: Floats, labels: NDArray[np.int32], at: torch.Tensor, zoom: float = 1.0
) -> tuple[Floats, NDArray[np.int32]]:
    """Crops of image `(C, Y, X)`, bilinear, and labels `(L, Y, X)`, nearest, at positions `(2, H, W)`.

    The image is smoothed first where `zoom`, crop pixels per source pixel, shrinks it.
    """
    crop = sample_image(torch.from_numpy(np.ascontiguousarray(smoothed(image, zoom))), at).numpy()
    return np.asarray(crop, np.float32), sample_labels(torch.from_numpy(np.ascontiguousarray(labels)), at).numpy()


def tinted(rng: np.random.Generator, image: Floats, policy: Policy) -> Floats:
    """Image `(C, Y, X)` with drawn sharpness, blur, noise, contrast and brightness."""
    out = image.astype(np.float32, copy=True)
    if rng.random() < policy.sharpen:
        out += rng.uniform(0.3, 1.5) * (out - ndimage.gaussian_filter(out, (0, 1.5, 1.5)))
    if rng.random() < policy.blur:
        sigma = rng.uniform(0.3, max(policy.blur_px, 0.3))
        out = ndimage.gaussian_filter(out, (0, sigma, sigma))
    if rng.random() < policy.noise:
        out = out + rng.uniform(0, policy.noise_level) * rng.standard_normal(out.shape, np.float32)
    if rng.random() < policy.contrast:
        mean = out.mean(axis=(-2, -1), keepdims=True)
        out = mean + (out - mean) * np.exp(rng.uniform(-1, 1) * np.log(1.6))
    if rng.random() < policy.brightness:
        out = out + rng.uniform(-0.2, 0.2)
    return np.asarray(np.clip(out, -1.0, 3.0), np.float32)


def _elastic(rng: np.random.Generator, size: tuple[int, int], policy: Policy) -> torch.Tensor:
    """Displacements `(2, H, W)` in crop pixels: blurred noise of the wanted spread."""
    grain = policy.elastic_grain_px
    field = ndimage.gaussian_filter(rng.standard_normal((2, *size)), (0, grain, grain), mode="reflect")
    spread = max(float(field.std()), 1e-9)
    return torch.from_numpy((field * policy.elastic_px / spread).astype(np.float32))


def _perspective(rng: np.random.Generator, at: torch.Tensor, share: float) -> torch.Tensor:
    """Displacements `(2, H, W)` of the plane whose four corners are moved at random (a projective map)."""
    height, width = at.shape[-2:]
    corners = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    moved = corners + rng.uniform(-2 * share, 2 * share, (4, 2))
    rows = []
    for (y, x), (v, u) in zip(corners, moved, strict=True):
        rows.append([y, x, 1, 0, 0, 0, -v * y, -v * x])
        rows.append([0, 0, 0, y, x, 1, -u * y, -u * x])
    h = np.append(np.linalg.solve(np.array(rows), moved.ravel()), 1.0).reshape(3, 3)
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    v, u, w = np.tensordot(h, np.stack([y, x, np.ones_like(y)]), axes=1)
    shift = np.stack([v / w - y, u / w - x]).astype(np.float32) / 2
    down = (at[:, -1].mean(-1) - at[:, 0].mean(-1)).numpy()  # the crop's axes in the source
    right = (at[:, :, -1].mean(-1) - at[:, :, 0].mean(-1)).numpy()
    return torch.from_numpy(down[:, None, None] * shift[0] + right[:, None, None] * shift[1])
