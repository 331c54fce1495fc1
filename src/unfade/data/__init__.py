"""Movies and label images in, results out: one file per format, reading and writing side by side."""

from __future__ import annotations

from unfade.data.describing import describe
from unfade.data.frames import check_frame
from unfade.data.reading import ReadSettings, inspect, open_labels, open_movie

__all__ = ["ReadSettings", "check_frame", "describe", "inspect", "open_labels", "open_movie"]
