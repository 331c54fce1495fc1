"""Writing without half-written files: a temporary name beside the target, renamed once all is there."""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from unfade.errors import OutputError

PART = ".part"  # what is appended to the name of everything unfinished

_REASONS = {
    errno.ENOSPC: "the disk is full, make room or choose another place",
    errno.EDQUOT: "the disk quota is used up, make room or choose another place",
    errno.EROFS: "the disk is read-only, choose another place",
    errno.EACCES: "it is not allowed there, choose another place",
    errno.EPERM: "it is not allowed there, choose another place",
    errno.ENOTDIR: "a part of its path is a file, choose another place",
    errno.EISDIR: "a folder of that name is in the way, choose another name",
    errno.EFBIG: "the disk takes no file that large, choose another place",
    errno.ENAMETOOLONG: "the name is too long, choose a shorter one",
}


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn every failure to write `path` inside the block into one sentence.

    Raises
    ------
    OutputError
        For a full or read-only disk, missing rights and the like.
    """
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}; choose another place")
        raise OutputError(f"{path} cannot be written: {reason}.") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write a file or folder to; it takes the name at the end of the block.

    Missing parent folders are made. If the block fails, the temporary file is removed and `path` stays as it was.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    part = path.with_name(path.name + PART)
    with guarded(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(part)
        recover(path)
        try:
            yield part
            move(part, path)
        except BaseException:
            clear(part)
            raise


def move(part: Path, path: Path) -> None:
    """Give a finished file or folder its name; what had that name before is replaced.

    A folder that is in the way is set aside for a moment; a kill between the two renamings leaves it there, and
    `recover` brings it back.
    """
    if not path.is_dir():
        part.replace(path)
        return
    old = _aside(path)
    remove(old)
    path.rename(old)
    try:
        part.rename(path)
    except BaseException:
        old.rename(path)
        raise
    remove(old)


def recover(path: Path) -> None:
    """Undo what a kill in the middle of `move` left: the folder set aside gets its name back, or goes."""
    old = _aside(path)
    if old.is_dir() and not path.exists():
        old.rename(path)
    remove(old)


def _aside(path: Path) -> Path:
    return path.with_name(path.name + PART + ".old")


def remove(path: Path) -> None:
    """Delete a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clear(path: Path) -> None:
    """Delete what a write that failed has left, also what its threads write after that.

    Zarr writes chunks from threads of its own; those that have not failed may still make folders.
    """
    for pause_s in (0.05, 0.2, 0.5):
        folder = path.is_dir()
        with suppress(OSError):
            remove(path)
        if not folder:
            break
        time.sleep(pause_s)
        if not path.exists():
            return
    remove(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8, line feeds) in one step.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write plain values as indented JSON in one step; NaN and infinity are refused.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
