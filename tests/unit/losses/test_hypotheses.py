from __future__ import annotations

import pytest
import torch

from unfade.losses.hypotheses import best_heads, evolving_top


def test_only_the_best_head_of_each_example_is_penalised() -> None:
    losses = torch.tensor([[3.0, 1.0, 2.0, 4.0], [0.5, 9.0, 9.0, 9.0]], requires_grad=True)
    total = best_heads(losses)
    assert total.item() == pytest.approx(0.75)
    total.backward()
    assert losses.grad is not None
    assert (losses.grad > 0).nonzero().tolist() == [[0, 1], [1, 0]]


def test_the_best_two_of_four_learn() -> None:
    losses = torch.tensor([[3.0, 1.0, 2.0, 4.0]], requires_grad=True)
    best_heads(losses, 2).backward()
    assert losses.grad is not None
    assert losses.grad.tolist() == [[0.0, 0.5, 0.5, 0.0]]


def test_the_number_of_learning_heads_is_halved() -> None:
    course = [evolving_top(f / 12, 4) for f in range(13)]
    assert course == [4] * 4 + [2] * 4 + [1] * 5
    assert [evolving_top(f, 8) for f in (0.0, 0.3, 0.6, 0.99)] == [8, 4, 2, 1]
    assert evolving_top(0.0, 1) == 1
