"""The vectorised embedding loss equals equations 1-6 of paper hourglass, written out object by object."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unfade.losses.embedding import embedding_terms, find_objects

Array = NDArray[np.float64]


def cos2(a: Array, b: Array) -> Array:
    """Squared cosine of one vector `(d,)` with many `(P, d)`, equation 1."""
    return np.asarray((b @ a / (np.linalg.norm(a) * np.linalg.norm(b, axis=1))) ** 2)


def plain(embeddings: Array, labels: NDArray[np.int64], reach_px: float) -> dict[str, float]:
    """The four terms of one sequence `(L, d, Y, X)` with labels `(L, Y, X)`."""
    e = np.moveaxis(embeddings, 1, -1)
    within, between = [], []
    for i in np.unique(labels[labels > 0]):
        own = labels == i
        mean = e[own].mean(axis=0)
        _, y, x = np.nonzero(own)
        near = np.zeros(labels.shape, bool)
        for j in np.unique(labels[(labels > 0) & ~own]):
            _, yj, xj = np.nonzero(labels == j)
            if np.hypot(yj - y.mean(), xj - x.mean()).min() < reach_px:
                near |= labels == j
        within.append(1 - cos2(mean, e[own]).mean())
        between.append(cos2(mean, e[near]).mean() if near.any() else 0.0)
    fixed = np.eye(e.shape[-1])[0]
    empty, objects = labels == 0, labels > 0
    return {
        "within": float(np.mean(within)) if within else 0.0,
        "between": float(np.mean(between)) if between else 0.0,
        "background": 1 - float(cos2(fixed, e[empty]).mean()) if empty.any() else 0.0,
        "foreground": float(cos2(fixed, e[objects]).mean()) if objects.any() else 0.0,
    }


def blobs(seed: int, objects: int, side: int = 40) -> NDArray[np.int64]:
    """Random disks that move a little over three frames; one frame has dots only and no known background."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((3, side, side), np.int64)
    for number in range(objects):
        centre, radius = rng.uniform(0, side, 2), rng.uniform(1, 6)
        for t in range(3):
            cy, cx = centre + rng.uniform(-2, 2, 2)
            labels[t][np.hypot(y - cy, x - cx) < (1 if t == 1 else radius)] = 7 + 3 * number
    labels[1][labels[1] == 0] = -1
    return labels


@pytest.mark.parametrize(("objects", "reach_px"), [(1, 5.0), (6, 9.5), (20, 4.0), (20, 60.0)])
def test_terms_equal_the_plain_loop(objects: int, reach_px: float) -> None:
    rng = np.random.default_rng(objects)
    labels = np.stack([blobs(1, objects), blobs(2, max(objects // 2, 1))])
    embeddings = rng.normal(size=(2, 3, 5, 40, 40))
    given = torch.from_numpy(labels)
    found = embedding_terms(torch.from_numpy(embeddings), given, find_objects(given, reach_px))
    each = [plain(e, one, reach_px) for e, one in zip(embeddings, labels, strict=True)]
    for name, value in found.items():
        assert float(value) == pytest.approx(np.mean([part[name] for part in each]), abs=1e-10)


@pytest.mark.parametrize("value", [0, -1])
def test_without_objects(value: int) -> None:
    labels = np.full((1, 2, 8, 8), value)
    embeddings = np.random.default_rng(0).normal(size=(1, 2, 4, 8, 8))
    given = torch.from_numpy(labels)
    found = embedding_terms(torch.from_numpy(embeddings), given, find_objects(given, 5.0))
    expected = plain(embeddings[0], labels[0], 5.0)
    assert {k: float(v) for k, v in found.items()} == pytest.approx(expected)
