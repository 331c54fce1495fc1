"""Tiles that cover a frame."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.errors import SettingsError
from unfade.predict.merging import starts


@pytest.mark.parametrize("overlap", [0, 1, 30, 63])
def test_tiles_see_every_pixel_and_overlap(overlap: int) -> None:
    corners = starts(300, 64, overlap)
    seen = np.zeros(300, int)
    for corner in corners:
        seen[corner : corner + 64] += 1
    assert seen.min() == 1
    assert corners[-1] == 300 - 64
    assert max(np.diff(corners)) <= 64 - overlap


@pytest.mark.parametrize("overlap", [64, 65, 200, -1])
def test_tiles_that_would_leave_pixels_unseen_are_refused(overlap: int) -> None:
    with pytest.raises(SettingsError, match=rf"^Tiles of 64 px cannot overlap by {overlap} px; .*\.$"):
        starts(300, 64, overlap)
    assert starts(64, 64, overlap) == [0]  # one tile overlaps with none
