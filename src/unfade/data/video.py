"""MP4, AVI and other videos through PyAV (an extra): grey frames, or the three colours as channels.

Videos are lossy and mostly 8 bit; they are read because some microscopes write nothing else. The video that is being
read stays open, as each frame builds on those before it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from unfade.data.axes import SAMPLES, Layout
from unfade.data.frames import COLOURS, Source, check_filled, check_frames, check_size, damaged
from unfade.errors import MissingExtraError, UnfadeError, UnreadableFileError
from unfade.records import Calibration, Image

ALLOWED = {"protocol_whitelist": "file", "format_whitelist": "mov,mp4,avi,matroska"}  # no playlist in video's clothes


@dataclass(frozen=True)
class VideoPlanes:
    """One video; frames come in order at the cost of one decoding each, others by seeking to the key frame before."""

    path: Path
    channels: int
    stamps: tuple[int, ...] = field(repr=False)  # presentation time of each frame

    def block(self, t: int, z: int) -> Image:
        """All channels of one frame, `(C, Y, X)`."""
        return _reader(self.path, self.stamps).frame(t, self.channels)


class _Reader:
    """An open video that remembers where it stands; one per process and file."""

    def __init__(self, path: Path, stamps: tuple[int, ...]) -> None:
        self.path, self.stamps = path, stamps
        self.lock = threading.Lock()
        self.next = 0
        self.container = _opened(path)
        self.frames: Any = self.container.decode(video=0)

    def frame(self, t: int, channels: int) -> Image:
        with self.lock:
            if t != self.next:
                stream = self.container.streams.video[0]
                self.container.seek(self.stamps[t], stream=stream, backward=True)
                self.frames = self.container.decode(video=0)
            for found in self.frames:
                if found.pts is None or found.pts >= self.stamps[t]:
                    self.next = t + 1
                    return _pixels(found, channels)
            self.next = -1
            raise UnreadableFileError(f"{self.path} ends before frame {t}; it is damaged, save it again.")


_open: dict[Path, _Reader] = {}


def _reader(path: Path, stamps: tuple[int, ...]) -> _Reader:
    known = _open.get(path)
    if known is None or known.stamps != stamps:
        if known is not None:
            known.container.close()
        for old in list(_open)[3:]:
            _open.pop(old).container.close()
        known = _open[path] = _Reader(path, stamps)
    return known


def _pixels(frame: Any, channels: int) -> Image:
    if channels == 1:
        deep = frame.format.name.startswith(("gray1", "gray9"))
        return np.asarray(frame.to_ndarray(format="gray16le" if deep else "gray"))[None]
    return np.ascontiguousarray(np.moveaxis(frame.to_ndarray(format="rgb24"), -1, 0))


def _opened(path: Path) -> Any:
    try:
        import av
    except ImportError:
        raise MissingExtraError(
            "Videos are read with PyAV, which is not installed; run: pip install 'unfade[video]'."
        ) from None
    return av.open(str(path), options=ALLOWED)


def open_video(path: Path) -> Source:
    """Look at a video: its size and the time of every frame; no pixel is decoded.

    Raises
    ------
    MissingExtraError
        If PyAV is not installed.
    UnreadableFileError
        If it is damaged, holds no video, or claims more than the machine can hold.
    """
    try:
        with _opened(path) as container:
            return _source(path, container)
    except UnfadeError:
        raise
    except Exception as error:
        raise damaged(path, "the video", error) from None


def _source(path: Path, container: Any) -> Source:
    if not container.streams.video:
        raise UnreadableFileError(f"{path} holds no video; give the movie itself.")
    stream = container.streams.video[0]
    context = stream.codec_context
    height, width, kind = int(context.height), int(context.width), str(context.pix_fmt or "")
    grey = kind.startswith("gray")
    deep = kind.startswith(("gray1", "gray9"))
    channels = 1 if grey else 3
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    if height < 1 or width < 1:
        raise UnreadableFileError(f"{path} claims frames of {width} x {height} pixels; it is damaged.")
    check_filled(path, check_size(path, channels, height, width, dtype.itemsize))
    stamps = sorted(packet.pts for packet in container.demux(video=0) if packet.pts is not None and packet.size)
    if not stamps:
        raise UnreadableFileError(f"{path} holds no frame; it is damaged, save it again.")
    check_frames(path, len(stamps))
    axes, shape = ("TYX", (len(stamps), height, width)) if grey else ("TYX" + SAMPLES, (len(stamps), height, width, 3))
    notes = ("a video is lossy: intensities are not what the camera measured",)
    known = Calibration(interval_s=_interval(stamps, stream.time_base))
    names = ("channel 0",) if grey else COLOURS
    planes = VideoPlanes(path, channels, tuple(stamps))
    return Source(path, f"video ({context.name})", Layout(axes, shape), dtype, names, known, planes, notes)


def _interval(stamps: list[int], base: Fraction | None) -> float | None:
    """Median time between frames in seconds, as the video plays."""
    if base is None or len(stamps) < 2:
        return None
    step = float(np.median(np.diff(stamps)) * float(base))
    return step if step > 0 else None
