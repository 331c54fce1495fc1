"""One run at a time in a folder: a lock of the operating system, which a kill releases by itself."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from unfade.data.outputs import guarded
from unfade.errors import OutputError

NAME = "lock"  # of the file inside the work folder


@contextmanager
def locked(root: Path, work: Path) -> Iterator[None]:
    """Keep every other run out of `root` during the block; the lock is a file in its folder `work`.

    Folders that were made for the lock, and hold nothing else at the end, go again. In an existing folder that cannot
    be written there is no lock: nothing can be damaged there either.

    Raises
    ------
    OutputError
        If another run is at work in the folder, or the folder cannot be made.
    """
    existed = root.is_dir()
    made = [p for p in (work, *work.parents) if not p.exists()]
    path = work / NAME
    try:
        with guarded(root):
            work.mkdir(parents=True, exist_ok=True)
            stream = _taken(path)
    except OutputError:
        _remove(made)
        if existed and not os.access(root, os.W_OK):
            yield
            return
        raise
    if stream is None:
        raise OutputError(f"Another run is at work in {root} ({_holder(path)}); wait for it or choose another folder.")
    try:
        yield
    finally:
        _release(stream, path)
        _remove(made)


def _taken(path: Path) -> BinaryIO | None:
    """The locked file, or None if somebody else holds it."""
    while True:
        stream = path.open("a+b")
        if not _lock(stream):
            stream.close()
            return None
        with suppress(OSError):
            if os.fstat(stream.fileno()).st_ino == path.stat().st_ino:  # not one that its holder has just removed
                break
        stream.close()
    stream.truncate(0)
    stream.write(f"process {os.getpid()} on {platform.node()}".encode())
    stream.flush()
    return stream


def _lock(stream: BinaryIO) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # a disk without locks has none to give
    return True


def _release(stream: BinaryIO, path: Path) -> None:
    if os.name == "nt":  # an open file cannot be removed there
        stream.close()
        with suppress(OSError):
            path.unlink()
        return
    with suppress(OSError):
        path.unlink()
    stream.close()


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:100] or "a process that has just begun"
    except OSError:
        return "process unknown"


def _remove(made: list[Path]) -> None:
    """Remove folders that are empty, the inner ones first."""
    for place in made:
        with suppress(OSError):
            place.rmdir()
