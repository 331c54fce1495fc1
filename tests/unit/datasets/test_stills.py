"""Training folders of stills and of movies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from unfade.datasets.reading import read_training_folder
from unfade.datasets.stills import Still
from unfade.errors import ShapeError
from unfade.ops.relabel import NUCLEUS


def discs(frames: int, radius: float) -> np.ndarray:
    """The same disc, with the same id, in every frame."""
    y, x = np.indices((64, 64))
    return np.broadcast_to(np.where(np.hypot(y - 30, x - 30) < radius, 7, 0), (frames, 64, 64)).astype(np.int32)


@pytest.mark.parametrize("frames", [1, 5])
def test_the_diameter_is_that_of_one_frame(frames: int) -> None:
    labels = discs(frames, 10.0)
    still = Still("disc", labels[:, None], labels, "train")
    assert still.diameter_px == pytest.approx(20, abs=0.3)


def test_without_objects_there_is_no_diameter() -> None:
    labels = np.zeros((2, 8, 8), np.int32)
    assert np.isnan(Still("empty", labels[:, None], labels, "train").diameter_px)


def write(folder: Path, image: np.ndarray, labels: np.ndarray) -> None:
    for name, pixels in (("images", image), ("masks", labels)):
        (folder / name).mkdir()
        tifffile.imwrite(folder / name / "a.tif", pixels.astype(np.uint16), photometric="minisblack")


@pytest.mark.parametrize(
    ("image", "labels", "shape"),
    [
        ((64, 64), (64, 64), (1, 1, 64, 64)),
        ((64, 64, 3), (64, 64), (1, 1, 64, 64)),
        ((5, 64, 64), (5, 64, 64), (5, 1, 64, 64)),
        ((5, 2, 64, 64), (5, 64, 64), (5, 2, 64, 64)),
    ],
)
def test_masks_say_what_is_a_movie(
    tmp_path: Path, image: tuple[int, ...], labels: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    pixels = np.arange(np.prod(image)).reshape(image) % 60_000
    write(tmp_path, pixels, np.ones(labels))
    (still,) = read_training_folder(tmp_path)
    assert still.image.shape == shape
    assert still.labels.shape == (shape[0], *shape[2:])
    if len(labels) == 3:
        assert np.array_equal(still.image.reshape(image), pixels)


def test_a_movie_and_masks_of_other_lengths_are_refused(tmp_path: Path) -> None:
    write(tmp_path, np.zeros((5, 64, 64)), np.zeros((4, 64, 64)))
    with pytest.raises(ShapeError, match=r"a.tif is \(5, 64, 64\) but its mask is \(4, 64, 64\)"):
        read_training_folder(tmp_path)


def test_diameters_are_those_of_one_kind() -> None:
    cells = np.zeros((1, 40, 40), np.int32)
    cells[0, 4:24, 4:24], cells[0, 30:34, 2:6] = 3, 5
    cells[0, 8:18, 8:18] += NUCLEUS
    still = Still("a", np.zeros((1, 1, 40, 40)), cells, "train")
    sizes = {kind: np.sqrt(np.pi) / 2 * still.only(kind).diameter_px for kind in ("cell", "nucleus")}
    assert sizes["nucleus"] == pytest.approx(10)
    assert sizes["cell"] == pytest.approx((20 + 4) / 2)
