"""What a training resumes from: read by `torch.load(weights_only=True)`, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from unfade.errors import WeightsError


def save_progress(path: Path, progress: dict[str, Any]) -> None:
    """Write optimiser state, weights, their running average and the step number."""
    part = path.with_name(path.name + ".part")
    torch.save(progress, part)
    part.replace(path)


def load_progress(path: Path) -> dict[str, Any]:
    """Read what `save_progress` wrote; nothing but tensors and plain values is accepted.

    Raises
    ------
    WeightsError
        If the file is damaged.
    """
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path} cannot be read ({type(error).__name__}); delete it to start the training anew."
        ) from None
    return found
