"""OME-Zarr images and labels: NGFF 0.4 and 0.5 are read, 0.5 (zarr v3) is written.

Source: Moore et al., Histochemistry and Cell Biology 160, 223 (2023); NGFF 0.5 specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from unfade.data.axes import DROPPED, UNKNOWN, Layout, resolve
from unfade.data.frames import Source, check_dtype, check_filled, check_frames, check_size, damaged, within
from unfade.data.units import length_um, time_s
from unfade.data.zarr_rules import check_array, read_metadata
from unfade.errors import InputError, MissingInputError, UnfadeError
from unfade.records import KINDS, Calibration, Image, Kind

Attributes = Mapping[str, Any]
ROWS = 2048  # of a chunk at most, so that reading some rows costs little more than these


@dataclass(frozen=True)
class ZarrPlanes:
    """One zarr array; its metadata are read once per process, its chunks when asked for."""

    path: Path
    layout: Layout
    dtype: np.dtype[Any]

    def block(self, t: int, z: int, rows: slice = slice(None)) -> Image:
        """All channels of one plane, `(C, Y, X)`, or some of its rows."""
        chosen: dict[str, int | slice] = {"T": t, "Z": z, DROPPED: 0, "Y": rows}
        at = tuple(chosen.get(axis, slice(None)) for axis in self.layout.axes)
        image = np.asarray(_array(self.path, _stamp(self.path))[at])
        kept = [axis for axis in self.layout.axes if axis in "CYX"]
        image = image.transpose(sorted(range(len(kept)), key=lambda i: "CYX".index(kept[i])))
        return np.asarray(image.reshape(-1, *image.shape[-2:]), self.dtype)

    @property
    def by_rows(self) -> bool:
        """Whether some rows can be read for less than a whole plane."""
        chunks = _array(self.path, _stamp(self.path)).chunks
        return int(chunks[self.layout.axes.index("Y")]) <= ROWS


def _stamp(path: Path) -> int:
    """Time of the last change of an array's metadata, so that no reader keeps stale ones."""
    for name in ("zarr.json", ".zarray"):
        if (path / name).is_file():
            return (path / name).stat().st_mtime_ns
    raise FileNotFoundError(f"there is no array {path}")


@lru_cache(maxsize=16)
def _array(path: Path, stamp: int) -> zarr.Array[Any]:
    return zarr.open_array(path, mode="r")


def open_zarr(path: Path, axes: str | None = None) -> Source:
    """Look at an OME-Zarr image (its level 0) or a bare zarr array; no chunk is read.

    Raises
    ------
    UnreadableFileError
        If the metadata are damaged, or a frame is larger than the machine can hold.
    AmbiguousAxesError, AxisError
        If the axes cannot be told, or do not fit `axes`.
    InputError
        For a plate, or a group without an image.
    """
    try:
        return _source(path, axes)
    except UnfadeError:
        raise
    except Exception as error:
        raise damaged(path, "the zarr metadata", error) from None


def open_zarr_labels(path: Path, kind: str) -> Source:
    """Look at the labels called `kind` in an OME-Zarr image, labels group or label image.

    Raises
    ------
    MissingInputError
        If there are labels, but none of that kind.
    """
    for group in (path / "labels", path):
        names = _label_names(group)
        if not names:
            continue
        if kind not in names and len(names) > 1:
            raise MissingInputError(f"{path} holds no labels of kind '{kind}'; it has {', '.join(names)}.")
        if kind not in names and kind == "cell":
            raise MissingInputError(f"{path} holds no labels of kind 'cell'; it has '{names[0]}' only.")
        return open_zarr(within(group, kind if kind in names else names[0]))
    return open_zarr(path)


def label_kinds(path: Path) -> tuple[Kind, ...]:
    """Kinds of objects whose labels a store holds, in its order."""
    known: dict[str, Kind] = {kind: kind for kind in KINDS}
    return tuple(known[name] for name in _label_names(path / "labels") if name in known)


def _label_names(path: Path) -> list[str]:
    if not any((path / name).is_file() for name in ("zarr.json", ".zgroup")):
        return []
    try:
        attributes = _ome(_attributes(path))
    except Exception as error:
        raise damaged(path, "the zarr metadata", error) from None
    return [str(name) for name in attributes.get("labels", ())]


def _attributes(path: Path) -> Attributes:
    """Attributes of a group or array of either version."""
    bare = path / "zarr.json"
    if bare.is_file():
        found = read_metadata(bare).get("attributes", {})
        return found if isinstance(found, Mapping) else {}
    return read_metadata(path / ".zattrs") if (path / ".zattrs").is_file() else {}


def _ome(attributes: Attributes) -> Attributes:
    """OME metadata lie under `ome` in NGFF 0.5, bare before."""
    inner = attributes.get("ome", attributes)
    return inner if isinstance(inner, Mapping) else {}


def _source(path: Path, axes: str | None, inner: bool = False) -> Source:
    for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs"):
        if (path / name).is_file():
            read_metadata(path / name)
    if _is_array(path):
        check_array(path)
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        names = getattr(node.metadata, "dimension_names", None) or [UNKNOWN] * node.ndim
        return _of_array(node, path, path, "".join(_letter(str(name)) for name in names), axes, {})
    attributes = _ome(_attributes(path))
    if "multiscales" in attributes:
        scale = attributes["multiscales"][0]
        place = within(path, str(scale["datasets"][0]["path"]))
        found = "".join(_letter(a["name"] if isinstance(a, Mapping) else str(a)) for a in scale.get("axes", ()))
        check_array(place)
        array = zarr.open_array(place, mode="r")
        return _of_array(array, place, path, found or UNKNOWN * array.ndim, axes, attributes)
    if "plate" in attributes:
        well = within(path, str(attributes["plate"]["wells"][0]["path"]))
        raise InputError(
            f"{path} is a plate of many images; give all to 'unfade batch', or one of them, for example {well / '0'}."
        )
    if not inner and ("bioformats2raw.layout" in attributes or "0" in node):
        return _source(path / "0", axes, inner=True)
    raise InputError(f"{path} is a zarr group without an image; give the image group in it.")


def _is_array(path: Path) -> bool:
    bare = path / "zarr.json"
    return (path / ".zarray").is_file() or (bare.is_file() and read_metadata(bare).get("node_type") == "array")


def _letter(name: str) -> str:
    return name.upper() if name.upper() in ("T", "C", "Z", "Y", "X") else UNKNOWN


def _of_array(
    array: zarr.Array[Any], place: Path, path: Path, found: str, axes: str | None, attributes: Attributes
) -> Source:
    layout = resolve(found, tuple(array.shape), axes, str(path))
    dtype = check_dtype(np.dtype(array.dtype), path)
    frame = check_size(path, layout.channels, layout.size("Y"), layout.size("X"), dtype.itemsize)
    check_filled(path, max(frame, check_size(path, 1, 1, prod(array.chunks), dtype.itemsize)), place)
    check_frames(path, layout.size("T") * layout.size("Z"))
    calibration = _calibration(attributes, layout.size("T")) if axes is None else Calibration()
    names = tuple(str(c.get("label") or f"channel {i}") for i, c in enumerate(_omero(attributes)))
    if len(names) != layout.channels:
        names = tuple(f"channel {i}" for i in range(layout.channels))
    version = attributes.get("version") or attributes.get("multiscales", [{}])[0].get("version")
    kind = f"OME-Zarr {version}" if version else "zarr"
    return Source(path, kind, layout, dtype, names, calibration, ZarrPlanes(place, layout, dtype))


def _omero(attributes: Attributes) -> list[Attributes]:
    omero = attributes.get("omero")
    channels = omero.get("channels", []) if isinstance(omero, Mapping) else []
    return [c for c in channels if isinstance(c, Mapping)]


def _calibration(attributes: Attributes, frames: int) -> Calibration:
    if "multiscales" not in attributes:
        return Calibration()
    scale = attributes["multiscales"][0]
    axes = [a if isinstance(a, Mapping) else {"name": a} for a in scale.get("axes", ())]
    steps = np.ones(len(axes))
    for transform in (*scale["datasets"][0].get("coordinateTransformations", ()), *_transforms(scale)):
        if transform.get("type") == "scale":
            steps = steps * np.asarray(transform["scale"], float)
    known = {str(a["name"]).lower(): (float(s), a.get("unit")) for a, s in zip(axes, steps, strict=True)}
    pixel = length_um(*known.get("x", (None, None)))
    interval = time_s(*known.get("t", (None, None)))
    times = attributes.get("unfade", {}).get("times_s")
    stamps = tuple(float(s) for s in times) if times is not None and len(times) == frames else None
    return Calibration(pixel, interval, stamps)


def _transforms(scale: Attributes) -> list[Attributes]:
    return list(scale.get("coordinateTransformations", ()))
