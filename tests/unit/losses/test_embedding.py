"""The embedding loss on drawn cases with values by hand, its gradient, and what must not change it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unfade.losses.embedding import embedding_terms, find_objects


def terms(embeddings: np.ndarray, labels: np.ndarray, reach_px: float = 3.0) -> dict[str, float]:
    given = torch.from_numpy(labels)[None]
    found = embedding_terms(torch.from_numpy(embeddings)[None], given, find_objects(given, reach_px))
    return {name: float(value) for name, value in found.items()}


def directions(numbers: np.ndarray, dimensions: int = 4) -> np.ndarray:
    """Unit embeddings `(L, d, Y, X)` of numbers `(L, Y, X)`."""
    return np.moveaxis(np.eye(dimensions)[numbers], -1, 1)


ROW = np.array([[[0, 1, 1, 2, 2, 0]]])  # one frame, one row


def test_perfect_embeddings_cost_nothing() -> None:
    assert terms(3 * directions(ROW), ROW) == pytest.approx(dict.fromkeys(terms(directions(ROW), ROW), 0), abs=1e-12)


def test_two_objects_of_one_direction() -> None:
    found = terms(directions(np.minimum(ROW, 1)), ROW)
    assert found == pytest.approx({"within": 0, "between": 1, "background": 0, "foreground": 0}, abs=1e-12)


def test_background_along_an_object_and_object_along_the_background() -> None:
    found = terms(directions(np.array([[[1, 1, 1, 0, 2, 0]]])), ROW)
    # object 2 is half background: mean (1, 0, 1)/2, each pixel at 45 degrees: 1 - 1/2
    assert found["within"] == pytest.approx(0.25)  # of the two objects
    assert found["background"] == pytest.approx(0.5)  # one of two pixels
    assert found["foreground"] == pytest.approx(0.25)  # one of four pixels


def test_objects_farther_than_the_reach_may_share_a_direction() -> None:
    far = np.array([[[1, 1, 0, 0, 0, 0, 0, 2, 2]]])
    assert terms(directions(np.minimum(far, 1)), far, 3.0)["between"] == 0
    assert terms(directions(np.minimum(far, 1)), far, 6.51)["between"] == pytest.approx(1)  # 0.5 to 7 are 6.5 px
    assert terms(directions(np.minimum(far, 1)), far, 6.49)["between"] == 0


def test_neighbours_in_time_count() -> None:
    mother_then_daughters = np.array([[[1, 1, 1, 1]], [[2, 2, 3, 3]]])
    assert terms(directions(np.ones_like(mother_then_daughters)), mother_then_daughters)["between"] == pytest.approx(1)
    assert terms(directions(mother_then_daughters), mother_then_daughters)["between"] == 0


def test_unknown_pixels_count_nowhere() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(1, 4, 1, 8))
    labels = np.array([[[0, 1, 1, -1, -1, 2, 2, 0]]])
    changed = embeddings.copy()
    changed[:, :, 0, 3:5] = rng.normal(size=(1, 4, 2))
    assert terms(embeddings, labels) == terms(changed, labels)


def test_ids_and_lengths_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(2, 5, 12, 12))
    labels = rng.integers(0, 4, (2, 12, 12))
    renamed = np.array([0, 900, 7, 31])[labels]
    assert terms(embeddings, labels) == pytest.approx(terms(embeddings, renamed), abs=1e-12)
    assert terms(embeddings, labels) == pytest.approx(terms(4 * embeddings, labels), abs=1e-12)


def test_gradient() -> None:
    rng = np.random.default_rng(2)
    labels = torch.from_numpy(rng.integers(-1, 3, (2, 2, 4, 4)))
    objects = find_objects(labels, 2.5)

    def total(embeddings: torch.Tensor) -> torch.Tensor:
        return torch.stack(list(embedding_terms(embeddings, labels, objects).values())).sum()

    given = torch.from_numpy(rng.normal(size=(2, 2, 3, 4, 4))).requires_grad_()
    assert torch.autograd.gradcheck(total, (given,))


def test_objects_of_more_pixels_than_one_segment() -> None:
    labels = np.ones((3, 20, 20), int)
    embeddings = np.random.default_rng(3).normal(size=(3, 4, 20, 20))
    e = np.moveaxis(embeddings, 1, -1).reshape(-1, 4)
    mean = e.mean(axis=0)
    cosine = e @ mean / np.linalg.norm(mean) / np.linalg.norm(e, axis=1)
    assert terms(embeddings, labels)["within"] == pytest.approx(1 - (cosine**2).mean(), abs=1e-12)
