"""Label images written frame by frame as OME-Zarr, so that a killed run goes on where it stopped.

The finished store is an NGFF 0.5 image whose `labels` group holds one label image per kind of object; its own
multiscales entry points at the first of them, so that every viewer opens it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from unfade.data.outputs import PART, guarded, move, remove, write_json
from unfade.errors import OutputError, ShapeError
from unfade.records import KINDS, Calibration, Kind, LabelImage, Rows

TILE = 1024  # longest side of a chunk in pixels
LEVEL = 1  # of zstd
_IDENTITY = ".identity.json"
_JOURNAL = ".frames"


class LabelWriter:
    """Writes label images `(T, Y, X)` of one or two kinds to `path`, one frame at a time and in any order.

    All is kept in `<path>.part` until `finish` gives it its name. Opening a writer of the same shape, kinds,
    calibration and key again continues: `done` tells which frames are there. A part of anything else is dropped.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        kinds: Sequence[Kind] = ("nucleus",),
        calibration: Calibration = Calibration(),
        key: str = "",
    ) -> None:
        """Open or continue; `key` names the settings that the labels come from.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        ShapeError
            For an empty shape or unknown kinds.
        """
        if min(shape) < 1 or not kinds or any(kind not in KINDS for kind in kinds):
            raise ShapeError(f"Labels need a shape (T, Y, X) and kinds out of {KINDS}, got {shape} and {tuple(kinds)}.")
        self.path, self.shape, self.kinds = Path(path), shape, tuple(kinds)
        self._part = self.path.with_name(self.path.name + PART)
        identity = {"shape": list(shape), "kinds": list(kinds), "key": key, "calibration": _plain(calibration)}
        with guarded(self.path):
            if _read_json(self._part / _IDENTITY) != identity:
                remove(self._part)
                _create(self._part, shape, self.kinds, calibration)
                write_json(self._part / _IDENTITY, identity)
            self._done = self._recover()
            self._arrays = {k: _opened(self._part, k) for k in self.kinds}

    @property
    def done(self) -> frozenset[int]:
        """Frames that are written completely."""
        return frozenset(self._done)

    def write(self, t: int, *labels: LabelImage | Rows) -> None:
        """Write frame `t`: one label image `(Y, X)` for each kind, in the order of `kinds`; huge ones by rows.

        Raises
        ------
        ShapeError
            If the frame is outside the movie, or an image does not fit.
        OutputError
            If the disk is full or the like.
        """
        if not 0 <= t < self.shape[0] or len(labels) != len(self.kinds):
            raise ShapeError(f"Frame {t} with {len(labels)} label images does not fit {self.shape} of {self.kinds}.")
        for kind, image in zip(self.kinds, labels, strict=True):
            if image.shape != self.shape[1:]:
                raise ShapeError(f"Labels of frame {t} are {image.shape}, not {self.shape[1:]} integers.")
            with guarded(self.path):
                _write(self._arrays[kind], t, Rows.of(image))
        self.written(t)

    @property
    def part(self) -> Path:
        """The unfinished store, for `write_frame` in other processes."""
        return self._part

    def written(self, *frames: int) -> None:
        """Note that frames are complete, whoever wrote them.

        Raises
        ------
        OutputError
            If the disk is full or the like.
        """
        with guarded(self.path), (self._part / _JOURNAL).open("a", encoding="ascii", newline="\n") as journal:
            journal.write("".join(f"{t}\n" for t in frames))
        self._done.update(frames)

    def read(self, t: int, kind: Kind = "nucleus") -> LabelImage:
        """A frame that was written, `(Y, X)` int32."""
        return np.asarray(self._arrays[kind][t], np.int32)

    def finish(self) -> Path:
        """Give the store its name; labels that had it before are replaced.

        Raises
        ------
        OutputError
            If frames are missing.
        """
        missing = sorted(set(range(self.shape[0])) - self._done)
        if missing:
            raise OutputError(
                f"{self.path} is not complete: frame {missing[0]} and {len(missing) - 1} more are missing."
            )
        with guarded(self.path):
            for name in (_JOURNAL, _IDENTITY):
                remove(self._part / name)
            move(self._part, self.path)
        return self.path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()

    def _recover(self) -> set[int]:
        """Frames of the journal; a last line that a kill cut short does not count."""
        path = self._part / _JOURNAL
        text = path.read_text(encoding="ascii") if path.exists() else ""
        done = {int(line) for line in text.split("\n")[:-1]}
        path.write_text("".join(f"{t}\n" for t in sorted(done)), encoding="ascii", newline="\n")
        return done


def write_frame(part: Path, t: int, image: LabelImage | Rows, kind: Kind = "nucleus") -> None:
    """Write frame `t` of the unfinished store of a `LabelWriter`; a frame's chunks are its own, so any process may.

    Raises
    ------
    OutputError
        If the disk is full or the like.
    """
    with guarded(part):
        _write(_opened(part, kind), t, Rows.of(image))


def _write(array: zarr.Array[Any], t: int, image: Rows) -> None:
    """Write a frame, one row of chunks after the other."""
    for first, stop in image.ranges(array.chunks[1]):
        part = image.read(first, stop)
        if part.dtype.kind not in "iu":
            raise ShapeError(f"Labels of frame {t} are {part.dtype}, not {image.shape} integers.")
        array[t, first:stop] = np.asarray(part, np.int32)


def _opened(part: Path, kind: Kind) -> zarr.Array[Any]:
    """The array of one kind; chunks without objects are written too, so that an empty frame is known to be there."""
    return zarr.open_array(part / "labels" / kind / "0", mode="r+", config={"write_empty_chunks": True})


def _plain(calibration: Calibration) -> dict[str, Any]:
    times = calibration.times_s
    return {
        "pixel_um": calibration.pixel_um,
        "interval_s": calibration.interval_s,
        "times_s": None if times is None else list(times),
    }


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _create(part: Path, shape: tuple[int, int, int], kinds: Sequence[Kind], calibration: Calibration) -> None:
    """Empty arrays and their metadata."""
    part.parent.mkdir(parents=True, exist_ok=True)
    root = zarr.create_group(part, zarr_format=3)
    root.attrs["ome"] = {"version": "0.5", "multiscales": [_multiscales(f"labels/{kinds[0]}/0", calibration)]}
    group = root.create_group("labels", attributes={"ome": {"version": "0.5", "labels": list(kinds)}})
    for kind in kinds:
        ome = {
            "version": "0.5",
            "multiscales": [_multiscales("0", calibration)],
            "image-label": {"version": "0.5", "source": {"image": "../../"}},
        }
        if calibration.times_s is not None:
            ome["unfade"] = {"times_s": list(calibration.times_s)}
        group.create_group(kind, attributes={"ome": ome}).create_array(
            "0",
            shape=shape,
            chunks=(1, _side(shape[1]), _side(shape[2])),
            dtype="int32",
            fill_value=0,
            compressors=[ZstdCodec(level=LEVEL)],
            dimension_names=["t", "y", "x"],
        )


def _side(length: int) -> int:
    """Chunk length of at most `TILE` that cuts a side into equal parts."""
    return ceil(length / ceil(length / TILE))


def _multiscales(path: str, calibration: Calibration) -> dict[str, Any]:
    pixel, interval = calibration.pixel_um, calibration.interval_s
    space = {"unit": "micrometer"} if pixel is not None else {}
    time = {"unit": "second"} if interval is not None else {}
    return {
        "name": "labels",
        "axes": [
            {"name": "t", "type": "time", **time},
            {"name": "y", "type": "space", **space},
            {"name": "x", "type": "space", **space},
        ],
        "datasets": [
            {
                "path": path,
                "coordinateTransformations": [
                    {"type": "scale", "scale": [interval or 1.0, pixel or 1.0, pixel or 1.0]}
                ],
            }
        ],
    }
