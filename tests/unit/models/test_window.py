"""The memory of a window: an addition, blind to the order of frames, and able to find one clear frame."""

from __future__ import annotations

import torch

from unfade.models.unet import slim_unet
from unfade.models.window import FrameMemory, window_unet


def test_a_memory_that_joins_with_zero_adds_nothing() -> None:
    torch.manual_seed(0)
    network = window_unet(5, 2, 8, 3, 1, 4).eval()
    for name, values in network.named_parameters():
        if ".join." in name:
            torch.nn.init.zeros_(values)
    plain = slim_unet(5, 2, 8, 3, 1).eval()
    missing = plain.load_state_dict(network.state_dict(), strict=False)
    assert not missing.missing_keys
    assert all(".memory." in name for name in missing.unexpected_keys)
    window = torch.rand(2, 5, 32, 48)
    assert torch.equal(network(window), plain(window))


def test_every_frame_is_looked_at_alike_whatever_its_place() -> None:
    torch.manual_seed(1)
    memory = FrameMemory(6, 8, 4).eval()
    window = torch.rand(1, 6, 32, 32)
    shuffled = memory(window[:, torch.randperm(6)])
    assert memory(window).shape == (1, 4, 8, 8)
    torch.testing.assert_close(shuffled, memory(window), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        memory.nearness[0] += 3.0
    assert not torch.allclose(memory(window[:, [1, 0, 2, 3, 4, 5]]), memory(window), atol=1e-3)


def test_it_learns_to_tell_where_one_of_many_frames_showed_something() -> None:
    torch.manual_seed(2)
    memory = FrameMemory(8, 8, 1)
    optimiser = torch.optim.Adam(memory.parameters(), 1e-2)
    for _ in range(60):
        window, place = _seen_once()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(memory(window), place)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    window, place = _seen_once()
    right = ((memory(window) > 0) == (place > 0.5)).float().mean()
    assert right > 0.95


def _seen_once() -> tuple[torch.Tensor, torch.Tensor]:
    """Windows `(8, 8, 32, 32)` of noise; in one frame a quarter of the field is bright. Where, at a quarter's size."""
    window, place = 0.1 * torch.rand(8, 8, 32, 32), torch.zeros(8, 1, 8, 8)
    for n in range(8):
        y, x, t = (int(torch.randint(high, ())) for high in (2, 2, 8))
        window[n, t, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16] += 1
        place[n, 0, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4] = 1
    return window, place
