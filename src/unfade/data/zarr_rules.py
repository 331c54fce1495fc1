"""What a zarr store may hold before a library opens it: plain numbers, known codecs, sizes that can be true.

Metadata of a store name codecs out of an open registry, one of which unpickles; only those listed here are followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from unfade.data.frames import DEFLATE, SMALL
from unfade.errors import UnreadableFileError

CODECS = frozenset((
    "bytes", "transpose", "sharding_indexed", "gzip", "zlib", "zstd", "blosc", "crc32c", "crc32", "adler32", "bz2",
    "lz4", "lzma", "delta", "shuffle", "bitround", "fixedscaleoffset", "quantize", "packbits", "fletcher32",
    "jenkins_lookup3", "vlen-utf8", "vlen-bytes", "numcodecs.vlen_utf8",
))  # fmt: skip
LARGEST_METADATA = 64 << 20  # bytes of one metadata file
LONGEST_ARRAY = 1 << 62
MOST_FILES = 1_000_000  # metadata files that are looked at in one store
_PLAIN = re.compile(r"(bool|u?int(8|16|32|64)|float(16|32|64))|[<>|=]?[biuf][1248]|[<>|=]?b1")
_TEXT = re.compile(r"string|variable_length_utf8|fixed_length_utf32|[<>|=]?[OU]\d*")
_NAMES = ("zarr.json", ".zarray", ".zmetadata")


def check_array(folder: Path, text: bool = False) -> Mapping[str, Any]:
    """Metadata of the array in `folder`, if it holds plain numbers behind known codecs; `text` allows words too.

    Raises
    ------
    UnreadableFileError
        If it does not; nothing but the metadata was read.
    """
    path = next((folder / name for name in (".zarray", "zarr.json") if (folder / name).is_file()), None)
    if path is None:
        raise UnreadableFileError(f"There is no array in {folder}; the store is damaged, copy it again.")
    found = read_metadata(path)
    _check(path, found, text)
    return found


def read_metadata(path: Path) -> Mapping[str, Any]:
    """One JSON object from a metadata file.

    Raises
    ------
    UnreadableFileError
        If it is none, or larger than any metadata.
    """
    try:
        if path.stat().st_size > LARGEST_METADATA:
            raise UnreadableFileError(f"{path} is larger than any metadata; the store is damaged.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:80]
        raise UnreadableFileError(f"{path} cannot be read ({reason}); the store is damaged, copy it again.") from None
    if not isinstance(found, Mapping):
        raise UnreadableFileError(f"{path} holds no metadata; the store is damaged, copy it again.")
    return found


def check_store(folder: Path) -> None:
    """Every array of a store that is read whole: its type, its codecs, and the sum of all claims against its files.

    Raises
    ------
    UnreadableFileError
        If one of them may not be read, or they claim more than the store can hold.
    """
    claimed = stored = 0
    for number, path in enumerate(folder.rglob("*")):
        if number > MOST_FILES:
            raise UnreadableFileError(f"{folder} holds more than {MOST_FILES} files; it is no store of this kind.")
        if path.is_file():
            stored += path.stat().st_size
        if path.name in _NAMES:
            claimed += sum(_check(path, found, True) for found in _arrays(path))
    if claimed > SMALL and claimed > stored * DEFLATE:
        raise UnreadableFileError(f"{folder} claims {claimed} bytes and stores only {stored}; it is damaged.")


def _arrays(path: Path) -> list[Mapping[str, Any]]:
    """Descriptions of arrays in one metadata file, those gathered from elsewhere among them."""
    found = read_metadata(path)
    gathered = found.get("consolidated_metadata") or {}
    inner = gathered.get("metadata") if isinstance(gathered, Mapping) else None
    if path.name == ".zmetadata":
        inner = found.get("metadata")
    all_of = [found, *(inner.values() if isinstance(inner, Mapping) else ())]
    return [a for a in all_of if isinstance(a, Mapping) and ("chunks" in a or a.get("node_type") == "array")]


def _check(path: Path, found: Mapping[str, Any], text: bool) -> int:
    """Bytes that an array claims, if its type and codecs are allowed."""
    dtype = found.get("data_type", found.get("dtype"))
    name = dtype.get("name") if isinstance(dtype, Mapping) else dtype
    if not (isinstance(name, str) and (_PLAIN.fullmatch(name) or (text and _TEXT.fullmatch(name)))):
        raise UnreadableFileError(f"{path} has elements of type {str(dtype)[:60]!r}; only plain numbers are read.")
    for codec in _codecs(found):
        if codec not in CODECS:
            raise UnreadableFileError(f"{path} names the codec {codec[:60]!r}, which is not read; save it with zstd.")
    shape = found.get("shape")
    whole = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    if not isinstance(shape, list) or not whole or prod(shape) > LONGEST_ARRAY:
        raise UnreadableFileError(f"{path} claims the shape {str(shape)[:80]}; the store is damaged.")
    return 8 * prod(shape)


def _codecs(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Names of all codecs, filters and compressors that chunks of an array go through, nested ones too."""
    waiting: list[Any] = [metadata.get(key) for key in ("codecs", "filters", "compressor")]
    for _ in range(1000):
        if not waiting:
            return
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            yield str(item.get("name", item.get("id")))
            inner = item.get("configuration")
            if isinstance(inner, Mapping):
                waiting += [inner.get("codecs"), inner.get("index_codecs")]
    yield "more than 1000 codecs"
