"""Fixtures that every test folder uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real movies and stills; the test skips where it is absent."""
    path = Path(os.environ.get("UNFADE_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real data: there is no folder {path}; set UNFADE_DATA")
    return path
