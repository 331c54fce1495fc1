"""Damaged copies of good files: cut, overwritten, flipped, spliced, and numbers in them made absurd."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

NUMBERS = (b"0", b"-1", b"999999999", b"1e999", b"NaN", b"18446744073709551616", b"1000000000000")
BYTES = (b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"<!ENTITY a 'b'>", b"../..")
WORDS = (b"[" * 2000, b"../../../../etc/passwd", b"{}", b"null", b'"', b"\xc3\x28", b"pickle", b"object")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One damaged copy of some bytes; the same generator state gives the same copy."""
    ways = (_cut, _overwritten, _flipped, _spliced, _renumbered, _inserted)
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = rng.choice(ways)(data, rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """Mostly in the first and last part, where headers and directories are."""
    size = len(data)
    near = min(size, 400)
    return rng.choice((rng.randrange(near + 1), max(0, size - rng.randrange(near + 1)), rng.randrange(size + 1)))


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: _place(data, rng)]


def _overwritten(data: bytes, rng: random.Random) -> bytes:
    at, new = _place(data, rng), rng.choice(BYTES)
    return data[:at] + new + data[at + len(new) :]


def _flipped(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 3, 20))):
        if out:
            at = min(_place(data, rng), len(out) - 1)
            out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def _spliced(data: bytes, rng: random.Random) -> bytes:
    a, b = sorted((_place(data, rng), _place(data, rng)))
    return data[:a] + data[a:b] * rng.choice((0, 2, 5)) + data[b:]


def _renumbered(data: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", data[:200_000]))
    if not found:
        return _flipped(data, rng)
    hit = rng.choice(found)
    return data[: hit.start()] + rng.choice(NUMBERS) + data[hit.end() :]


def _inserted(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.choice(WORDS) + data[at:]


def damaged_copies(good: Path, place: Path, count: int, seed: int) -> Iterator[Path]:
    """Copies of a file or folder in `place`, one after the other, each with one of its files damaged.

    A copy is gone when the next one is asked for.
    """
    rng = random.Random(f"{seed} {good.name}")
    files = sorted(p.relative_to(good) for p in good.rglob("*") if p.is_file()) if good.is_dir() else []
    for number in range(count):
        copy = place / f"{number:04d}" / good.name
        copy.parent.mkdir(parents=True)
        if good.is_dir():
            shutil.copytree(good, copy)
            target = copy / rng.choice(files)
        else:
            target = copy
        target.write_bytes(mutated((good / target.relative_to(copy) if good.is_dir() else good).read_bytes(), rng))
        yield copy
        shutil.rmtree(copy.parent)
