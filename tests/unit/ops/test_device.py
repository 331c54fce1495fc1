"""Devices by name."""

from __future__ import annotations

import pytest
import torch

from unfade.errors import DeviceError
from unfade.ops.device import pick_device


@pytest.mark.parametrize("name", ["cuda:7", "cpu:3", "gpu", "cuda:x", "meta"])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(DeviceError, match=rf"no (usable )?device (called )?'{name}'"):
        pick_device(name)


def test_an_index_is_held_against_the_number_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(DeviceError, match="no usable device 'cuda:2'"):
        pick_device("cuda:2")
