"""The weight map from a distance transform equals the one from every distance to every outline pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unfade.losses.shape_aware import class_ratio, shape_aware_weight
from unfade.ops.distance import boundary_distance


def plain(labels: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """Equation 3, pixel by pixel."""
    height, width = labels.shape
    outline = []
    for y in range(height):
        for x in range(width):
            around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            inside = [labels[a, b] for a, b in around if 0 <= a < height and 0 <= b < width]
            if labels[y, x] and any(other != labels[y, x] for other in inside):
                outline.append((y, x))
    foreground = (labels > 0).sum()
    ratio = (labels == 0).sum() / max(foreground, 1)
    out = np.zeros(labels.shape)
    for y in range(height):
        for x in range(width):
            squared = min(((y - a) ** 2 + (x - b) ** 2 for a, b in outline), default=np.inf)
            out[y, x] = (ratio if labels[y, x] else 1.0) + alpha * np.exp(-squared / (2 * sigma**2))
    return out


def fast(labels: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    inside = torch.from_numpy(labels > 0)
    distance = torch.from_numpy(boundary_distance(labels)).double()
    ratio = class_ratio(inside[None], most=np.inf)[0].double()
    return shape_aware_weight(distance, inside, ratio, alpha, sigma).numpy()


@given(
    arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 9)), elements=st.sampled_from([0, 0, 1, 4])),
    st.sampled_from([(10.0, 5.0), (3.0, 1.0)]),
)
@settings(max_examples=120, deadline=None)
def test_weights_equal_their_definition(labels: np.ndarray, constants: tuple[float, float]) -> None:
    assert fast(labels, *constants) == pytest.approx(plain(labels, *constants), abs=1e-6)


def test_weights_equal_their_definition_on_a_crowded_frame() -> None:
    y, x = np.mgrid[:48, :56]
    labels = np.zeros((48, 56), np.int32)
    for k, (a, b, r) in enumerate([(10, 12, 9), (12, 30, 10), (33, 20, 12), (40, 50, 14)], 1):
        labels[(y - a) ** 2 + (x - b) ** 2 < r * r] = k
    assert fast(labels, 10.0, 5.0) == pytest.approx(plain(labels, 10.0, 5.0), abs=1e-6)
