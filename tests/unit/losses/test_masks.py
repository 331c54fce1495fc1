"""Losses of masks against their formulas written out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from unfade.losses.boundary import UNIT_PX, boundary_loss, hausdorff_loss
from unfade.losses.crossentropy import binary_crossentropy, weighted_crossentropy
from unfade.losses.hard_pixels import hard_pixel_loss, hard_pixels_of, with_hard_pixels
from unfade.losses.overlap import combined_loss, dice_loss
from unfade.losses.regression import absolute_difference, squared_difference

Loss = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    truth = torch.zeros(2, 1, 12, 12)
    truth[:, :, 3:9, 2:8] = 1
    return torch.randn(2, 1, 12, 12, requires_grad=True), truth


def perfect(truth: Tensor) -> Tensor:
    return (2 * truth - 1) * 30


def test_weighted_crossentropy_is_equation_1(pair: tuple[Tensor, Tensor]) -> None:
    logits, truth = pair
    p, y = logits.detach().sigmoid().double(), truth.double()
    expected = -(2 * y * p.log() + (1 - y) * (1 - p).log()).mean()
    assert weighted_crossentropy(logits, truth).item() == pytest.approx(expected.item(), rel=1e-5)
    assert weighted_crossentropy(logits, truth, 1.0).item() == pytest.approx(
        binary_crossentropy(logits, truth).item(), rel=1e-6
    )


def test_combined_loss_is_equation_3(pair: tuple[Tensor, Tensor]) -> None:
    expected = weighted_crossentropy(*pair) + 0.5 * dice_loss(*pair)
    assert combined_loss(*pair, beta=0.5).item() == pytest.approx(expected.item(), rel=1e-6)


def test_dice_loss_of_counted_pixels_is_equation_2() -> None:
    truth, found = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    truth[..., :2, :], found[..., 1:3, :] = 1, 1  # 4 true positives, 4 false ones, 4 missed
    assert dice_loss(perfect(found), truth, smooth=0.0).item() == pytest.approx(1 - 8 / 16, abs=1e-5)


def test_the_hard_pixels_alone_have_gradients(pair: tuple[Tensor, Tensor]) -> None:
    logits, truth = pair
    hard_pixel_loss(logits, truth, 5).backward()
    assert logits.grad is not None
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits.detach(), truth, reduction="none")
    for grad, loss in zip(logits.grad, each, strict=True):
        assert int((grad != 0).sum()) == 5
        assert loss[grad != 0].min() >= loss[grad == 0].max()


def test_all_pixels_are_the_plain_crossentropy(pair: tuple[Tensor, Tensor]) -> None:
    plain = binary_crossentropy(*pair).item()
    assert hard_pixel_loss(*pair, 10_000).item() == pytest.approx(plain, rel=1e-6)
    assert hard_pixel_loss(*pair, 20).item() > plain


@pytest.mark.parametrize(("k", "share"), [(6000, 0.09), (14000, 0.21), (33000, 0.5)])
def test_k_keeps_its_share_of_a_patch(k: int, share: float) -> None:
    assert hard_pixels_of(k, 256, 256) == k
    assert hard_pixels_of(k, 96, 96) / 96**2 == pytest.approx(share, abs=0.01)
    assert hard_pixels_of(k, 1, 1) == 1


def test_weighted_sum_of_all_and_hard() -> None:
    assert with_hard_pixels(torch.tensor(2.0), torch.tensor(4.0), 0.25).item() == pytest.approx(2.5)


def test_differences_are_those_of_probabilities(pair: tuple[Tensor, Tensor]) -> None:
    logits, truth = pair
    error = logits.detach().sigmoid().numpy() - truth.numpy()
    assert absolute_difference(logits, truth).item() == pytest.approx(float(np.abs(error).mean()), rel=1e-5)
    assert squared_difference(logits, truth).item() == pytest.approx(float((error**2).mean()), rel=1e-5)


def test_hausdorff_loss_grows_with_the_square_of_the_distance() -> None:
    truth = torch.zeros(1, 1, 32, 32)
    truth[..., 4:10, 4:10] = 1

    def stray(x: int) -> float:
        found = truth.clone()
        found[..., 6, x] = 1
        return float(hausdorff_loss(perfect(found), truth))

    # a stray pixel at x is x − 9 px from the truth's last column and one pixel from its own outline
    expected = [((x - 9) ** 2 + 1) / UNIT_PX**2 / 32**2 for x in (12, 20)]
    assert [stray(12), stray(20)] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", [hausdorff_loss, boundary_loss])
def test_a_perfect_mask_costs_nothing_and_wrong_pixels_are_pulled_back(
    loss: object, pair: tuple[Tensor, Tensor]
) -> None:
    assert callable(loss)
    _, truth = pair
    assert float(loss(perfect(truth), truth)) == pytest.approx(0.0, abs=1e-6)
    logits = torch.zeros_like(truth, requires_grad=True)
    loss(logits, truth).backward()
    assert logits.grad is not None
    assert (logits.grad[truth == 0] > 0).all()  # descending lowers them
    assert (logits.grad[truth == 1] < 0).all()


@pytest.mark.parametrize("loss", [hausdorff_loss, boundary_loss, dice_loss, combined_loss])
def test_empty_and_full_truths_are_finite(loss: Loss) -> None:
    for truth in (torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)):
        logits = torch.randn(1, 1, 8, 8, requires_grad=True)
        loss(logits, truth).backward()
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()
