"""Movies with exact truth: every mask, track, division and nucleus/cytoplasm ratio is known."""

from __future__ import annotations

from unfade.synth.cells import CHANNELS, CellFrame, CellMovie
from unfade.synth.settings import Camera, CellMovieSettings, Growth, Motion, Reporter

__all__ = ["CHANNELS", "Camera", "CellFrame", "CellMovie", "CellMovieSettings", "Growth", "Motion", "Reporter"]
