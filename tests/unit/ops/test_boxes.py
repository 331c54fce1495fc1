from __future__ import annotations

import numpy as np
import pytest
import torch

from unfade.ops.boxes import boxes_of, merged_boxes, sampled


def drawn() -> torch.Tensor:
    labels = torch.zeros(12, 20, dtype=torch.int32)
    labels[2:6, 3:9], labels[8:12, 15:20], labels[0, 0] = 40, 7, 9
    return labels


def test_boxes_enclose_their_objects() -> None:
    ids, boxes = boxes_of(drawn())
    assert ids.tolist() == [7, 9, 40]
    assert boxes.tolist() == [[15, 8, 20, 12], [0, 0, 1, 1], [3, 2, 9, 6]]


def test_specks_make_no_box() -> None:
    ids, boxes = boxes_of(drawn(), least_px=2)
    assert ids.tolist() == [7, 40]
    assert len(boxes) == 2


def test_an_image_without_objects_has_no_box() -> None:
    ids, boxes = boxes_of(torch.zeros(5, 5, dtype=torch.int64))
    assert ids.shape == (0,)
    assert boxes.shape == (0, 4)


def test_a_box_is_sampled_at_the_middles_of_its_parts() -> None:
    image = torch.arange(12 * 20).reshape(1, 12, 20)
    boxes = torch.tensor([[3.0, 2.0, 7.0, 6.0], [-2.0, -2.0, 2.0, 2.0], [0.0, 0.0, 20.0, 12.0]])
    found = sampled(image, torch.tensor([0, 0, 0]), boxes, 4)
    assert found[2].tolist() == image[0, 1::3, 2::5].tolist()
    assert found[0].tolist() == image[0, 2:6, 3:7].tolist()
    assert found[1].tolist() == [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [20, 20, 20, 21]]


def test_what_any_two_members_find_is_kept() -> None:
    first = torch.tensor([[0.0, 0, 10, 10], [40, 40, 60, 60]])
    second = torch.tensor([[100.0, 0, 120, 20], [2, 0, 12, 10]])
    third = torch.tensor([[40.0, 42, 60, 62]])
    scores = [torch.tensor([0.9, 0.6]), torch.tensor([0.95, 0.3]), torch.tensor([0.6])]
    merged = merged_boxes([first, second, third], scores)
    assert merged.votes.tolist() == [2, 2]
    assert merged.boxes[0].tolist() == pytest.approx([0.5, 0, 10.5, 10])  # nearer to the surer member
    assert merged.boxes[1].tolist() == pytest.approx([40, 41, 60, 61])
    assert merged.scores.tolist() == pytest.approx([1.2 / 3, 1.2 / 3])


def test_one_vote_is_enough_where_it_is_asked_for() -> None:
    alone = merged_boxes([torch.tensor([[0.0, 0, 4, 4]]), torch.zeros(0, 4)], [torch.tensor([0.8]), torch.zeros(0)], 1)
    assert alone.votes.tolist() == [1]
    assert alone.scores.tolist() == pytest.approx([0.4])


def test_two_boxes_of_one_member_are_no_two_votes() -> None:
    twice = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10]])
    merged = merged_boxes([twice, torch.zeros(0, 4)], [torch.tensor([0.9, 0.8]), torch.zeros(0)])
    assert len(merged.scores) == 0
    assert merged.boxes.shape == (0, 4)


def test_a_box_goes_to_the_one_it_fits_best_though_a_surer_one_is_near() -> None:
    """Two cells that overlap; one member found both, the others one each."""
    both = torch.tensor([[0.0, 0, 20, 20], [0, 7, 20, 27]])
    second, third = torch.tensor([[0.0, 6, 20, 26]]), torch.tensor([[0.0, 0, 20, 20]])
    merged = merged_boxes([both, second, third], [torch.tensor([0.9, 0.8]), torch.tensor([0.85]), torch.tensor([0.7])])
    assert merged.votes.tolist() == [2, 2]
    tops = sorted(merged.boxes[:, 1].tolist())
    assert tops[0] == pytest.approx(0)
    assert 6 < tops[1] < 7


def test_members_that_find_nothing_merge_to_nothing() -> None:
    merged = merged_boxes([torch.zeros(0, 4)] * 3, [torch.zeros(0)] * 3)
    assert len(merged.votes) == 0


def test_each_member_gives_its_nearest_box_once() -> None:
    rng = np.random.default_rng(0)
    corner = torch.from_numpy(rng.uniform(0, 400, (50, 2))).float()
    boxes = torch.cat([corner, corner + 20], dim=1)
    members = [boxes + torch.from_numpy(rng.normal(0, 0.5, boxes.shape)).float() for _ in range(4)]
    merged = merged_boxes(members, [torch.full((50,), 0.9)] * 4, least_iou=0.4)
    assert int(merged.votes.sum()) <= 200
    assert (merged.votes >= 2).all()
    distance = torch.cdist(boxes, merged.boxes).min(dim=1).values
    assert float(distance.max()) < 25
