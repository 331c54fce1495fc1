"""TIFF, BigTIFF, OME-TIFF and ImageJ stacks, read page by page through tifffile."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from unfade.data.axes import DROPPED, SAMPLES, UNKNOWN, Layout, resolve
from unfade.data.frames import (
    COLOURS,
    Source,
    check_claim,
    check_dtype,
    check_filled,
    check_frames,
    check_size,
    damaged,
)
from unfade.data.ifd import count_pages, cut_off
from unfade.data.omexml import OmeImage, parse_ome
from unfade.data.units import length_um, time_s
from unfade.errors import AxisError, ShapeError, UnfadeError, UnreadableFileError
from unfade.records import Calibration, Image

_DEFLATE = (8, 32946)
_FORMATS = {"ome": "OME-TIFF", "imagej": "ImageJ TIFF"}
_RESOLUTION_UM = (0.01, 8.0)  # pixel sizes that the resolution of a plain TIFF can mean; 72 dpi would be 353 µm


@dataclass(frozen=True)
class TiffPlanes:
    """Pages of one or several TIFF files: where each begins, and which axes lie across pages and inside one."""

    files: tuple[Path, ...]
    starts: NDArray[np.int64] = field(repr=False, compare=False)  # (pages, 2) file and offset, -1 where it is missing
    outer: Layout
    inner: Layout
    dtype: np.dtype[Any]
    channels: int  # channels handed out; further samples (alpha) are left out
    raw: str | None = None  # pixel type of pages that lie bare, one after the other, else the pages have directories

    def block(self, t: int, z: int) -> Image:
        """All channels of one plane, `(C, Y, X)`."""
        out = np.empty((self.channels, self.inner.size("Y"), self.inner.size("X")), self.dtype)
        filled = 0
        with ExitStack() as stack, listening():
            opened: dict[int, tifffile.TiffFile] = {}
            for c in range(self.outer.size("C")):
                page = self._page(self._place({"T": t, "Z": z, "C": c}), opened, stack)
                part = _unfolded(page, self.inner, t, z)[: self.channels - filled]
                out[filled : filled + len(part)] = part
                filled += len(part)
        return out

    def _place(self, at: dict[str, int]) -> int:
        index = [at.get(axis, 0) for axis in self.outer.axes]
        return int(np.ravel_multi_index(index, self.outer.shape)) if index else 0

    def _page(self, place: int, opened: dict[int, tifffile.TiffFile], stack: ExitStack) -> Image:
        file, start = (int(v) for v in self.starts[place])
        if file < 0:
            raise UnreadableFileError(f"{self.files[0]} lacks plane {place}, which it announces; use fewer --frames.")
        if self.raw is not None:
            count = prod(self.inner.shape)
            return np.fromfile(self.files[file], self.raw, count, offset=start).reshape(self.inner.shape)
        if file not in opened:
            opened[file] = stack.enter_context(tifffile.TiffFile(self.files[file]))
        tif = opened[file]
        tif.filehandle.seek(start)
        page = tifffile.TiffPage(tif, place)
        return np.asarray(page.asarray(maxworkers=1)).reshape(self.inner.shape)


def _unfolded(page: Image, inner: Layout, t: int, z: int) -> Image:
    """One page as `(C, Y, X)`."""
    at: list[Any] = [{"T": t, "Z": z, DROPPED: 0}.get(axis, slice(None)) for axis in inner.axes]
    kept = [axis for axis in inner.axes if axis in "C" + SAMPLES + "YX"]
    order = sorted(range(len(kept)), key=lambda i: ("C" + SAMPLES + "YX").index(kept[i]))
    flat = page[tuple(at)].transpose(order)
    return np.reshape(flat, (-1, *flat.shape[-2:]))


def open_tiff(path: Path, axes: str | None = None, together: bool = True) -> Source:
    """Look at a TIFF file; no pixel is read. `together` follows an OME-TIFF set into its other files.

    Raises
    ------
    UnreadableFileError
        If the file is no TIFF, cut off, damaged, or claims more than the machine can hold.
    AmbiguousAxesError, AxisError
        If its axes cannot be told, or do not fit `axes`.
    ShapeError
        If its pages differ in size.
    """
    count_pages(path)
    try:
        with listening() as heard, tifffile.TiffFile(path, _multifile=together) as tif:
            ome = parse_ome(tif.ome_metadata, path) if tif.is_ome and tif.ome_metadata else None
            check_first_page(tif, path)
            return _source(tif, path, axes, ome, heard)
    except UnfadeError:
        raise
    except Exception as error:
        raise damaged(path, "the structure", error) from None


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what tifffile would print, and keep it from printing."""
    log, heard = logging.getLogger("tifffile"), list[str]()

    class Collector(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            if record.levelno >= logging.WARNING:
                heard.append(record.getMessage())
            return False

    collector = Collector()
    log.addFilter(collector)
    try:
        yield heard
    finally:
        log.removeFilter(collector)


def check_first_page(tif: tifffile.TiffFile, path: Path) -> tifffile.TiffPage:
    """The first page, if this machine can hold what it claims; nothing is allocated from its sizes before.

    Raises
    ------
    UnreadableFileError
        If it cannot, or if the page holds no pixels.
    """
    page: tifffile.TiffPage = tif.pages.first
    if not page.shape or page.dtype is None:
        raise UnreadableFileError(f"{path} has no pixels in its first page; save it again.")
    check_dtype(page.dtype, path)
    samples = page.samplesperpixel * page.imagedepth
    claimed = check_size(path, samples, page.imagelength, page.imagewidth, page.dtype.itemsize)
    check_filled(path, max(claimed, page.tilelength * page.tilewidth * samples * page.dtype.itemsize))
    return page


def _source(tif: tifffile.TiffFile, path: Path, axes: str | None, ome: OmeImage | None, heard: list[str]) -> Source:
    try:
        series = tif.series[0]
    except Exception:
        _check_alike(tif, path)
        raise
    page = series.keyframe
    announced = int((tif.imagej_metadata or {}).get("images", 1))
    if series.kind in ("generic", "uniform") and announced > len(tif.pages):
        raise cut_off(path, f"one of its {announced} images", path.stat().st_size)
    if series.kind in ("generic", "uniform") and not page.is_subifd and len(tif.series) > 1:
        _check_alike(tif, path)
    shape = tuple(int(n) for n in series.shape)
    layout = resolve(_letters(series.axes, series.kind, page), shape, axes, str(path))
    planes = _planes(series, layout, path)
    if series.kind != "ome":
        ome = None
    names, notes = _channels(layout, planes.channels, ome, page)
    calibration = ome.calibration if ome else _calibration(tif, page)
    if calibration.times_s is not None and len(calibration.times_s) != layout.size("T"):
        calibration = Calibration(calibration.pixel_um)
    notes += ome.notes if ome else ()
    if len(tif.series) > 1 and series.kind == "ome":
        notes += (f"the file holds {len(tif.series)} images; the first one is read",)
    notes += tuple(f"tifffile: {text}" for text in heard[:3])
    whole = Layout(layout.axes, layout.shape)
    present = _present(planes, layout.size("T"))
    claimed = check_size(path, planes.channels, layout.size("Y"), layout.size("X"), planes.dtype.itemsize)
    check_filled(path, claimed)
    check_frames(path, layout.size("T") * layout.size("Z"))
    kind = _FORMATS.get(series.kind, "TIFF")
    return Source(path, kind, whole, planes.dtype, names, calibration, planes, notes, present)


def _check_alike(tif: tifffile.TiffFile, path: Path) -> None:
    first = tif.pages.first
    tif.pages.useframes = False
    for number in range(1, len(tif.pages)):
        page: Any = tif.pages[number]
        if page.is_reduced or (page.shape == first.shape and page.dtype == first.dtype):
            continue
        raise ShapeError(
            f"All frames must be alike, but in {path} page {number} is {_size(page)} and page 0 {_size(first)}; "
            "save the frames alike."
        )


def _size(page: Any) -> str:
    return f"{' x '.join(str(n) for n in page.shape)} {page.dtype}"


def _letters(axes: str, kind: str, page: tifffile.TiffPage) -> str:
    """Letters of tifffile in ours; `?` for whatever does not say what it is."""
    colours = page.planarconfig == 1 or kind in _FORMATS
    known = "TCZYX" + (SAMPLES if colours else "")
    return "".join(a if a in known else UNKNOWN for a in axes)


def _planes(series: tifffile.TiffPageSeries, layout: Layout, path: Path) -> TiffPlanes:
    """Where the planes of a series lie, every page checked against the end of its file."""
    page: Any = series.keyframe
    split = len(layout.shape)
    while split > 0 and prod(layout.shape[split:]) < prod(page.shape):
        split -= 1
    outer = Layout(layout.axes[:split], layout.shape[:split])
    inner = Layout(layout.axes[split:], layout.shape[split:])
    if not {"Y", "X"} <= set(inner.axes):
        raise AxisError(
            f"The axes {layout.axes} cannot be right for {path}: each page holds {page.shape}, "
            "and these must be Y and X."
        )
    dtype = check_dtype(page.dtype, path)
    total = layout.channels
    channels = total - 1 if inner.size(SAMPLES) == 4 and page.photometric == 2 and total == 4 else total
    count = prod(outer.shape)
    if len(series.pages) < count and series.dataoffset is not None:
        return _bare(
            series, path, count, TiffPlanes((path,), np.zeros((0, 2), np.int64), outer, inner, dtype, channels)
        )
    files, starts = _starts(series, count)
    return TiffPlanes(files, starts, outer, inner, dtype, channels)


def _bare(series: tifffile.TiffPageSeries, path: Path, count: int, planes: TiffPlanes) -> TiffPlanes:
    """Planes that follow each other without directories (large ImageJ stacks)."""
    raw = np.dtype(series.keyframe.dtype).newbyteorder(series.keyframe.parent.byteorder)
    step = prod(planes.inner.shape) * raw.itemsize
    begin = int(series.dataoffset or 0)
    if begin + count * step > path.stat().st_size:
        raise cut_off(path, "the end of its pixels", path.stat().st_size)
    starts = np.stack([np.zeros(count, np.int64), begin + step * np.arange(count, dtype=np.int64)], axis=1)
    return TiffPlanes((path,), starts, planes.outer, planes.inner, planes.dtype, planes.channels, raw.str)


def _starts(series: tifffile.TiffPageSeries, count: int) -> tuple[tuple[Path, ...], NDArray[np.int64]]:
    """File and directory offset of each page, -1 where one is missing."""
    files: dict[Path, int] = {}
    sizes: list[int] = []
    starts = np.full((count, 2), -1, np.int64)
    for place, page in enumerate(series.pages[:count]):
        if page is None:
            continue
        where = Path(page.parent.filehandle.path)
        if where not in files:
            files[where] = len(files)
            sizes.append(where.stat().st_size)
        number = files[where]
        _check_stored(page, where, sizes[number])
        starts[place] = number, page.offset
    return tuple(files), starts


def _check_stored(page: Any, path: Path, size: int) -> None:
    """The pixels of a page lie inside the file and can be as many as the page claims."""
    offsets, counts = page.dataoffsets, page.databytecounts
    if any(o + n > size for o, n in zip(offsets, counts, strict=False)):
        raise cut_off(path, f"a part of the pixels of page {page.index}", size)
    stored, claimed = sum(counts), page.keyframe.nbytes
    if page.keyframe.compression in _DEFLATE:
        check_claim(path, claimed, stored)
    elif page.keyframe.compression == 1 and stored < claimed and page.keyframe.bitspersample % 8 == 0:
        raise UnreadableFileError(
            f"Page {page.index} of {path} claims {claimed} bytes and holds {stored}; save it again."
        )


def _present(planes: TiffPlanes, frames: int) -> int | None:
    """Frames before the first missing plane, None if all are there."""
    missing = np.flatnonzero(planes.starts[:, 0] < 0)
    if len(missing) == 0:
        return None
    if "T" not in planes.outer.axes:
        return 0
    at = np.unravel_index(missing, planes.outer.shape)[planes.outer.axes.index("T")]
    return min(int(at.min()), frames)


def _channels(
    layout: Layout, count: int, ome: OmeImage | None, page: tifffile.TiffPage
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the channels, and notes."""
    notes = ("the fourth sample (alpha) is left out",) if count < layout.channels else ()
    if layout.size(SAMPLES) in (3, 4) and page.photometric in (2, 6) and layout.size("C") == 1:
        return COLOURS[:count], notes
    if ome is not None and len(ome.channels) == count:
        return ome.channels, notes
    return tuple(f"channel {i}" for i in range(count)), notes


def _calibration(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Calibration:
    """Pixel size and interval of an ImageJ file, or the resolution of a plain one where it can be meant."""
    step = _step(page.tags)
    meta = tif.imagej_metadata
    if meta is not None:
        pixel = length_um(step, str(meta.get("unit", "")))
        return Calibration(pixel, time_s(meta.get("finterval"), str(meta.get("tunit", "sec"))))
    unit = {2: "inch", 3: "cm"}.get(int(page.resolutionunit or 1))
    pixel = length_um(step, unit)
    low, high = _RESOLUTION_UM
    return Calibration(pixel if pixel is not None and low <= pixel <= high else None)


def _step(tags: Any) -> float | None:
    """Width of a pixel in the unit of the resolution tags."""
    value: Sequence[int] | None = tags.valueof(282)
    if value is None or len(value) != 2 or value[0] <= 0 or value[1] <= 0:
        return None
    return float(value[1] / value[0])
