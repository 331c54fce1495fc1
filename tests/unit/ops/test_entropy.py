from __future__ import annotations

import math

import pytest
import torch

from unfade.ops.entropy import entropy, parts_of


def test_even_chances_have_entropy_1_whatever_the_number_of_classes() -> None:
    for count in (2, 3, 7):
        assert entropy(torch.full((count, 2), 1 / count)).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)
    assert entropy(torch.tensor([1.0, 0.0])).item() == 0


def test_members_that_agree_leave_the_data_part() -> None:
    same = torch.tensor([0.75, 0.25]).expand(3, 2)[..., None]
    total, data, model = parts_of(same)[:, 0].tolist()
    assert total == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))
    assert data == total
    assert model == 0


def test_sure_members_that_disagree_leave_the_model_part() -> None:
    half = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])[..., None]
    assert parts_of(half)[:, 0].tolist() == pytest.approx([1.0, 0.0, 1.0])


def test_three_of_four_members_see_a_nucleus() -> None:
    members = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]).double()[..., None]
    one = -(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1))
    all_ = -(0.7 * math.log2(0.7) + 0.3 * math.log2(0.3))
    assert parts_of(members)[:, 0].tolist() == pytest.approx([all_, one, all_ - one])


def test_parts_are_never_negative() -> None:
    logits = torch.randn(3, 3, 5000, generator=torch.Generator().manual_seed(0)) * 5
    logits[:, :, :4000] = logits[:1, :, :4000]  # all members alike: the model part is zero up to rounding
    parts = parts_of(torch.softmax(logits, 1))
    assert bool((parts >= 0).all())
    assert parts[0].tolist() == pytest.approx((parts[1] + parts[2]).tolist(), abs=1e-6)
    assert parts[0].max().item() <= 1 + 1e-6
