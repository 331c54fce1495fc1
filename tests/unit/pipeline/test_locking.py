"""A folder takes one run at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unfade.errors import OutputError
from unfade.pipeline.locking import locked

HOLDS = """
import sys, time
from pathlib import Path
from unfade.pipeline.locking import locked
with locked(Path(sys.argv[1]), Path(sys.argv[1]) / ".unfade"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_told_who_is_at_work_and_a_kill_frees_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(root)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(OutputError, match=rf"Another run is at work in .*out \(process {other.pid} on .*\); wait"),
            locked(root, root / ".unfade"),
        ):
            pass
        assert (root / ".unfade" / "lock").exists()
        other.kill()
    with locked(root, root / ".unfade"):
        assert (root / ".unfade" / "lock").read_text().startswith(f"process {os.getpid()} ")


def test_the_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    root = tmp_path / "a" / "out"
    with locked(root, root / ".unfade"):
        assert (root / ".unfade" / "lock").is_file()
    assert list(tmp_path.iterdir()) == []
    with locked(root, root / ".unfade"):
        (root / "result").touch()
    assert [p.name for p in root.iterdir()] == ["result"]


def test_a_lock_inside_the_lock_of_this_process_is_refused(tmp_path: Path) -> None:
    with (
        locked(tmp_path, tmp_path / "w"),
        pytest.raises(OutputError, match="Another run"),
        locked(tmp_path, tmp_path / "w"),
    ):
        pass


def test_a_folder_that_cannot_be_written_needs_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)
    entered = False
    with locked(tmp_path, tmp_path / "w"):
        entered = True
    assert entered
    with pytest.raises(OutputError, match="cannot be written: it is not allowed"), locked(tmp_path / "new", tmp_path):
        pass
