"""Measurements in the movie's own pixels and intensities: objects frame by frame, and summaries of tracks."""

from unfade.measure.haze import Haze, find_haze
from unfade.measure.objects import VERSION, Frame, ObjectMeasurer, Tally
from unfade.measure.settings import MeasureSettings
from unfade.measure.tracks import track_table

__all__ = ["VERSION", "Frame", "Haze", "MeasureSettings", "ObjectMeasurer", "Tally", "find_haze", "track_table"]
