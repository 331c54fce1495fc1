"""Endpoint errors in pixels."""

import pytest
import torch

from unfade.losses.flow import WEIGHTS, endpoint_error, multiscale_error


def test_endpoint_error_is_the_mean_length():
    truth = torch.zeros(1, 2, 2, 2)
    flow = truth.clone()
    flow[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    assert float(endpoint_error(flow, truth)) == pytest.approx(5 / 4, abs=1e-3)


def test_scales_are_held_against_the_mean_truth():
    truth = torch.zeros(1, 2, 64, 64)
    truth[:, 0] = 2.0
    flows = [torch.zeros(1, 2, 16 // 2**k, 16 // 2**k) for k in range(5)]
    assert float(multiscale_error(flows, truth)) == pytest.approx(2 * sum(WEIGHTS), rel=1e-4)
    flows[0][:, 0] = 2.0
    assert float(multiscale_error(flows, truth)) == pytest.approx(2 * sum(WEIGHTS[1:]), rel=1e-3)
