"""What the wheel holds: the whole package, its weights and its typing marker, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_BYTES = 60_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source tree."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.fail("uv is needed to build the wheel; `make test` installs it")
    out = tmp_path_factory.mktemp("dist")
    command = [uv, "build", "--quiet", "--python", sys.executable, "--wheel", "--out-dir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {n for n in archive.namelist() if ".dist-info/" not in n}
    ignored = ("__pycache__", ".pyc")
    source = {p for p in (ROOT / "src").rglob("*") if p.is_file() and not any(i in str(p) for i in ignored)}
    assert packed == {p.relative_to(ROOT / "src").as_posix() for p in source}
    assert "unfade/py.typed" in packed
    assert "unfade/report/page.html.jinja" in packed


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= LIMIT_BYTES


def test_the_wheel_names_its_licence_and_its_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {n.partition(".dist-info/")[2]: archive.read(n) for n in archive.namelist() if ".dist-info/" in n}
    assert b"BSD 3-Clause License" in texts["licenses/LICENSE"]
    assert b"unfade = unfade.cli:main\n" in texts["entry_points.txt"]
    assert b"License-Expression: BSD-3-Clause" in texts["METADATA"]
