"""Every choice of device, precision and memory layout in the project."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Literal, cast

import torch
from torch import nn

from unfade.errors import DeviceError

Precision = Literal["auto", "float32", "bfloat16"]
Compiled = Literal["no", "kernels", "graphs"]


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name` (auto | cpu | cuda | cuda:N | mps); auto takes the fastest there is.

    Raises
    ------
    DeviceError
        If it is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"There is no device called '{name}'; use auto, cpu, cuda or mps.") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if not there.get(device.type, False) or (device.index or 0) >= count:
        raise DeviceError(f"This machine has no usable device '{name}'; use --device auto or cpu.")
    return device


@cache
def half_is_faster(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are worth it here: GPUs with it, CPUs with AMX tiles or native bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False


def autocast(device: torch.device, precision: Precision = "auto") -> AbstractContextManager[None]:
    """A context in which convolutions run in bfloat16 where asked for, or where `auto` finds it faster."""
    half = precision == "bfloat16" or (precision == "auto" and half_is_faster(device))
    return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()


def compiled(network: nn.Module, how: Compiled) -> nn.Module:
    """A module that shares the network's weights and runs compiled: joined kernels, or CUDA graphs of them.

    The first step of each shape of input takes minutes; graphs want a GPU and batches of one shape.
    """
    if how == "no":
        return network
    mode = "reduce-overhead" if how == "graphs" else None
    return cast(nn.Module, torch.compile(network, mode=mode))
