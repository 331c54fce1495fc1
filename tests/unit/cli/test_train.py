"""What `unfade train` says at the end."""

from __future__ import annotations

from typing import Any

import pytest

from unfade.cli.train import heads_alone
from unfade.pipeline.training import TrainingSettings


@pytest.mark.parametrize(
    ("settings", "alone"),
    [
        ({"system": "imperfect"}, True),
        ({"system": "imperfect", "settings": {"learn": "merging"}}, False),
        ({"system": "imperfect", "preset": "single"}, False),
        ({"system": "nuclei-unet"}, False),
    ],
)
def test_heads_that_nothing_merges_yet_are_told(settings: dict[str, Any], alone: bool) -> None:
    assert heads_alone(TrainingSettings.parse(settings)) is alone
