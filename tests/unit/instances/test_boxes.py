from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unfade.instances.boxes import (
    Regions,
    compartments,
    encode,
    numbered,
    paint,
    taken,
    uncertainty_map,
    without_doubles,
    without_specks,
)
from unfade.ops.boxes import boxes_of, sampled
from unfade.ops.overlap import contingency
from unfade.ops.relabel import NUCLEUS
from unfade.records import Instances


def blobs(height: int = 96, width: int = 128) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.int32)
    for k, (a, b, r) in enumerate([(20, 20, 17), (22, 58, 20), (60, 40, 18), (70, 100, 24)], 3):
        labels[((y - a) / r) ** 2 + ((x - b) / (1.2 * r)) ** 2 < 1] = k
    return labels


def perfect(labels: np.ndarray, side: int = 28, classes: int = 2) -> Regions:
    """Regions of a network that has learnt the labels by heart."""
    plain = torch.from_numpy(labels % NUCLEUS).long()
    ids, boxes = boxes_of(plain)
    which = torch.zeros(len(ids), dtype=torch.long)
    inside = (sampled(plain[None], which, boxes, side) == ids[:, None, None]).long()
    if classes == 3:
        inside *= 1 + (sampled(torch.from_numpy(labels)[None], which, boxes, side) >= NUCLEUS).long()
    chances = torch.nn.functional.one_hot(inside, classes).permute(0, 3, 1, 2).float().numpy()
    n = len(ids)
    score = np.linspace(0.9, 0.8, n, dtype=np.float32)
    return Regions(boxes.numpy(), score, chances, np.full((n, 3, side, side), 0.25, np.float32), np.ones(n, bool))


def test_the_truth_survives_boxes_and_small_masks() -> None:
    labels = blobs()
    found = paint(perfect(labels), labels.shape)
    overlap = contingency(found.labels("cell")[0], labels)
    assert len(found) == 4
    assert overlap.sparse_iou().max() > 0.97
    assert sorted(overlap.sparse_iou())[-4] > 0.95
    fine = paint(perfect(labels, 56), labels.shape)
    assert contingency(fine.labels("cell")[0], labels).iou().max(0).min() > overlap.iou().max(0).min()


def test_the_ceiling_of_real_cells(data_root: Path) -> None:
    import tifffile

    path = data_root / "ctc" / "DIC-C2DH-HeLa" / "01_ST" / "SEG" / "man_seg034.tif"
    labels = tifffile.imread(path).astype(np.int32)
    iou = [contingency(paint(perfect(labels, n), labels.shape).labels("cell")[0], labels).iou() for n in (28, 56)]
    means = [float(one.max(0).mean()) for one in iou]
    assert means[0] > 0.955
    assert means[1] > means[0] + 0.01


def test_a_cell_and_its_nucleus_share_the_id() -> None:
    cells = blobs()
    nuclei = np.zeros_like(cells)
    nuclei[14:26, 12:28], nuclei[60:80, 90:110], nuclei[0:3, 120:128] = 1, 2, 9  # the last one lies in no cell
    labels = compartments(cells, nuclei)
    assert (labels % NUCLEUS == cells).all()
    found = paint(perfect(labels, 56, classes=3), cells.shape)
    assert len(found) == 6
    inner = found.labels("nucleus")[0]
    assert set(np.unique(inner)) == {0, 1, 4}  # the first and the last cell, in the order of their boxes
    assert contingency(inner, nuclei).iou().max(0)[:2].min() > 0.9
    assert found.labels().max() == 4  # cells come first


def test_masks_may_overlap_and_have_holes() -> None:
    ring = np.zeros((40, 40), np.int32)
    ring[5:35, 5:35] = 1
    ring[15:25, 15:25] = 0
    both = [perfect(ring, 60), perfect(np.pad(ring[:, :-8], ((0, 0), (8, 0))), 60)]
    found = paint(Regions.joined(both), ring.shape)
    assert found.mask(0)[12, 12] == 0
    assert contingency(found.labels("cell")[0], ring).sparse_iou().size > 0
    areas = [int(found.mask(n).sum()) for n in range(2)]
    assert areas[0] == pytest.approx(800, abs=40)
    assert (found.labels("cell") > 0).sum() < sum(areas)


def test_an_object_that_touches_all_four_borders() -> None:
    labels = np.ones((50, 70), np.int32)
    labels[20:24, 30:36] = 0
    found = paint(perfect(labels, 56), labels.shape)
    assert found.box.tolist() == [[0, 0, 50, 70]]
    assert contingency(found.labels("cell")[0], labels).iou()[0, 0] > 0.97


def test_nothing_and_slivers_paint_nothing() -> None:
    none = Regions(*(np.zeros((0, *s), np.float32) for s in ((4,), (), (2, 28, 28), (3, 28, 28))), np.zeros(0, bool))
    found = paint(none, (20, 30))
    assert len(found) == 0
    assert len(without_doubles(found, none.whole, 0.5)) == 0
    assert not uncertainty_map(none, (20, 30)).any()
    outside = perfect(blobs())
    far = Regions(outside.boxes + 500, outside.score, outside.chances, outside.parts, outside.whole)
    assert len(paint(far, (96, 128))) == 0


def test_uncertainty_is_the_mean_inside_the_mask() -> None:
    labels = blobs()
    regions = perfect(labels, 28)
    regions.parts[0, 0] = np.where(regions.chances[0, 1] > 0, 0.6, 0.0)
    found = paint(regions, labels.shape)
    assert found.u_total[1:] == pytest.approx(0.25, abs=1e-5)
    assert 0.5 < found.u_total[0] < 0.6
    seen = uncertainty_map(regions, labels.shape)
    assert seen.shape == (3, 96, 128)
    assert seen[0][labels == 3].mean() == pytest.approx(found.u_total[0], abs=0.03)
    assert seen[0, 48, 75] == pytest.approx(0.25, abs=1e-5)


def test_what_two_tiles_found_is_one_object() -> None:
    labels = blobs()
    regions = perfect(labels)
    twice = Regions.joined([regions, regions])
    found = numbered(without_doubles(paint(twice, labels.shape), twice.whole, 0.5))
    assert len(found) == 4
    assert found.id.tolist() == [1, 2, 3, 4]


def test_a_piece_that_a_tile_cut_goes_although_it_is_surer() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 10:50] = 1
    piece = np.zeros_like(labels)
    piece[10:30, 38:50] = 1
    whole, part = perfect(labels), perfect(piece)
    both = Regions.joined([whole, Regions(part.boxes, part.score + 0.09, part.chances, part.parts, ~part.whole)])
    found = without_doubles(paint(both, labels.shape), both.whole, 0.5)
    assert len(found) == 1
    assert int(found.mask(0).sum()) > 700
    kept = Regions.joined([whole, Regions(part.boxes, part.score + 0.09, part.chances, part.parts, part.whole)])
    assert len(without_doubles(paint(kept, labels.shape), kept.whole, 0.5)) == 2  # a small cell on a large one


def test_one_pixel_objects_of_the_truth_are_counted_and_left_out() -> None:
    labels = blobs()
    labels[0, 0], labels[95, 127] = 50, 51 + NUCLEUS
    kept, dropped = without_specks(labels, 4)
    assert dropped == 2
    assert sorted(set(np.unique(kept)) - {0}) == [3, 4, 5, 6]
    targets = encode(np.stack([labels, blobs()]))
    assert targets["dropped"].tolist() == [2, 0]
    assert targets["labels"][0].tolist() == kept.tolist()
    background = (kept == 0).sum()
    assert targets["ratio"][0] == pytest.approx(background / (kept > 0).sum())


def test_objects_can_be_taken_and_numbered() -> None:
    found = Instances.of(blobs(), kind="cell")
    some = numbered(taken(found, np.array([3, 1])))
    assert some.id.tolist() == [2, 1]
    assert (some.mask(0) == found.mask(3)).all()
    assert (some.labels()[0] == np.select([blobs() == 6, blobs() == 4], [2, 1], 0)).all()
