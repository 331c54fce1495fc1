"""The skeleton of a TIFF file: is every page directory inside the file?

Source: Adobe, TIFF Revision 6.0, section 2 (classic files); BigTIFF keeps the structure with 8-byte numbers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from unfade.errors import UnreadableFileError

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NEEDED = frozenset((256, 257, 258, 259, 270, 273, 277, 278, 279, 322, 323, 324, 325))  # tags that pixels depend on


@dataclass(frozen=True)
class _Kind:
    """How numbers are laid out in this file."""

    order: str  # "<" or ">"
    big: bool

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQQ" if self.big else "HHII")


def is_tiff(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a TIFF or BigTIFF."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def count_pages(path: Path) -> int:
    """Number of pages of a TIFF file whose directories all lie inside it.

    Raises
    ------
    UnreadableFileError
        If the file is no TIFF, cut off, or its pages form a circle.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        if not is_tiff(head):
            raise UnreadableFileError(_foreign(path, head, size))
        kind = _Kind("<" if head[:2] == b"II" else ">", head[2:4] in (b"+\0", b"\0+"))
        start = 8 if kind.big else 4
        if len(head) < start + struct.calcsize(kind.offset):
            raise cut_off(path, "its header", size)
        (offset,) = struct.unpack_from(kind.offset, head, start)
        seen: set[int] = set()
        while offset:
            if offset in seen:
                raise UnreadableFileError(f"The pages of {path} form a circle; the file is damaged, save it again.")
            seen.add(offset)
            offset = _next(file, offset, size, kind, path, len(seen) - 1)
    if not seen:
        raise UnreadableFileError(
            f"{path} is a TIFF file without a page; it was not written to its end, save it again."
        )
    return len(seen)


def _next(file: BinaryIO, offset: int, size: int, kind: _Kind, path: Path, page: int) -> int:
    """Offset of the directory after the one at `offset`, 0 after the last."""
    width = struct.calcsize(kind.offset)
    if offset >= size:
        raise cut_off(path, f"page {page}", size)
    file.seek(offset)
    raw = file.read(struct.calcsize(kind.count))
    entries = struct.unpack(kind.count, raw)[0] if len(raw) == struct.calcsize(kind.count) else 0
    length = struct.calcsize(kind.entry) * entries
    if not entries or file.tell() + length + width > size:
        raise cut_off(path, f"page {page}", size)
    body = file.read(length + width)
    for tag, code, count, value in struct.iter_unpack(kind.entry, body[:length]):
        nbytes = _SIZES.get(code, 1) * count
        if tag in _NEEDED and nbytes > width and value + nbytes > size:
            raise cut_off(path, f"page {page}", size)
    return int(struct.unpack_from(kind.offset, body, length)[0])


def cut_off(path: Path, what: str, size: int) -> UnreadableFileError:
    """The error for a part that would lie behind the end of the file."""
    return UnreadableFileError(f"{path} is cut off: {what} lies beyond its {size} bytes; copy or save it again.")


def _foreign(path: Path, head: bytes, size: int) -> str:
    if size == 0:
        return f"{path} is empty (0 bytes); copy or save it again."
    start = repr(bytes(head[:8])).removeprefix("b")
    return f"{path} is named like a TIFF file but is none (it starts with {start}); save it as TIFF."
