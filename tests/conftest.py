"""Fixtures that every test folder uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real movies and stills; without it a test skips, in CI it fails."""
    path = Path(os.environ.get("UNFADE_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        absent = f"no real data: there is no folder {path}; set UNFADE_DATA"
        if os.environ.get("CI"):
            pytest.fail(absent)
        pytest.skip(absent)
    return path
