"""Which stills are kept and how they are cropped: paper lexy, section 2.1.2, on drawn images."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.datasets.preparation import PreparationSettings, Tally, clear_of_border, contrast, for_sequences, prepare
from unfade.datasets.stills import Still

PLAIN = PreparationSettings(least_share=0.001)


def still(
    places: list[tuple[int, int]], side: int = 100, radius: int = 6, inside: float = 60, around: float = 50
) -> Still:
    """Round nuclei at these places in cells twice as wide."""
    y, x = np.mgrid[:side, :side]
    image, labels = np.full((side, side), 10.0), np.zeros((side, side), np.int32)
    for n, (cy, cx) in enumerate(places, start=1):
        far = np.hypot(y - cy, x - cx)
        image[(far <= 3 * radius) & (labels == 0)] = around
        image[far <= radius] = inside
        labels[far <= radius] = n
    return Still("one", image[None, None], labels[None], "train")


def test_every_nucleus_clear_of_the_border_becomes_the_middle_of_a_crop() -> None:
    tally = Tally()
    source = still([(40, 50), (60, 60), (2, 30)])
    crops = list(prepare([source], PLAIN, tally))
    assert [c.name for c in crops] == ["one@1", "one@2"]
    assert all(c.image.shape == (1, 1, 50, 50) and c.labels.shape == (1, 50, 50) for c in crops)
    assert crops[0].labels[0, 25, 25] == 1
    assert crops[1].labels[0, 25, 25] == 2
    assert np.array_equal(crops[0].image[0, 0], source.image[0, 0, 15:65, 25:75])
    assert (tally.images, tally.crops) == (1, 2)


def test_a_crop_stays_inside_the_image() -> None:
    (crop,) = prepare([still([(12, 90)])], PLAIN)
    assert crop.labels[0, 12, 40] == 1


def test_crowded_images_are_dropped_and_nuclei_at_the_border_do_not_count() -> None:
    inner = [(15 + 22 * (k // 3), 15 + 30 * (k % 3)) for k in range(9)]
    tally = Tally()
    assert list(prepare([still(inner)], PLAIN, tally)) == []
    assert tally.crowded == 1
    assert len(list(prepare([still([*inner[:8], (0, 50), (50, 0)])], PLAIN))) == 8
    assert len(list(prepare([still(inner)], PLAIN.changed(most_nuclei=9)))) == 9


def test_small_objects_go_before_and_after_cropping() -> None:
    tally = Tally()
    source = still([(50, 50)])
    source.labels[0, 5:8, 5:8] = 7  # 9 px of 10,000
    source.labels[0, 30:50, 80:83] = 8  # large, but a crop keeps one column of it
    crops = list(prepare([source], PLAIN.changed(least_share=0.0021, crop_share=0.61), tally))
    assert len(crops) == 2
    assert set(np.unique(crops[0].labels)) == {0, 1}
    assert (source.labels[0, 20:81, 20:81] == 8).sum() == 20  # what is cut off the crop again
    specks = still([])
    specks.labels[0, 5:8, 5:8] = 1
    assert list(prepare([specks], PLAIN, tally)) == []
    assert (tally.images, tally.empty) == (2, 1)


def test_sequences_want_whole_nuclei_of_similar_intensity() -> None:
    tally = Tally()
    good = still([(50, 50)], inside=50)
    cut = still([(50, 50), (1, 80)], inside=50)
    bright, dark = still([(50, 50)], inside=200), still([(50, 50)], inside=20)
    assert list(for_sequences([good, cut, bright, dark], tally=tally)) == [good]
    assert (tally.cut, tally.dissimilar) == (1, 2)


def test_contrast_is_nuclear_over_cytosolic_above_the_background() -> None:
    assert contrast(still([(50, 50)], inside=60, around=50), ring_px=8) == pytest.approx(50 / 40)
    assert np.isnan(contrast(still([])))


def test_labels_clear_of_the_border() -> None:
    labels = np.zeros((6, 6), np.int32)
    labels[0, 3], labels[2, 2], labels[4, 5], labels[4, 4] = 9, 4, 2, 2
    assert clear_of_border(labels).tolist() == [4]
