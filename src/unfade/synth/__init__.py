"""Movies with exact truth: every mask, track, division and nucleus/cytoplasm ratio is known."""

from __future__ import annotations

from unfade.synth.appearance import draw_settings
from unfade.synth.cells import CHANNELS, CellFrame, CellMovie
from unfade.synth.fading import StillSettings, TranslocationSettings
from unfade.synth.settings import Camera, CellMovieSettings, Growth, Motion, Reporter
from unfade.synth.shapes import NucleusShapes
from unfade.synth.still import StillMovie
from unfade.synth.translocation import TranslocationFrame, TranslocationFrames, TranslocationMovie

__all__ = [
    "CHANNELS",
    "Camera",
    "CellFrame",
    "CellMovie",
    "CellMovieSettings",
    "Growth",
    "Motion",
    "NucleusShapes",
    "Reporter",
    "StillMovie",
    "StillSettings",
    "TranslocationFrame",
    "TranslocationFrames",
    "TranslocationMovie",
    "TranslocationSettings",
    "draw_settings",
]
