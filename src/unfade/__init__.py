"""Segment, track, repair and measure cells in live-cell movies, also while their signal fades.

The public names load on first use, so that ``import unfade`` stays quick and needs no torch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "Movie": "unfade.records",
    "Labels": "unfade.records",
    "Lineage": "unfade.records",
    "Table": "unfade.records",
    "UnfadeError": "unfade.errors",
    **dict.fromkeys(
        (
            "run",
            "batch",
            "watch",
            "cluster",
            "segment",
            "track",
            "repair",
            "measure",
            "train",
            "compare",
            "score",
            "validate",
            "export",
            "synthesize",
            "prepare",
            "doctor",
        ),
        "unfade.api",
    ),
    "open_movie": "unfade.api",
    "Way": "unfade.pipeline.running",
    "Session": "unfade.pipeline.session",
    "Vigil": "unfade.pipeline.watching",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'unfade' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """Keeps a verb a verb: loading the room `unfade.measure` would otherwise hide the function of that name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
