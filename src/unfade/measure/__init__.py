"""Measurements in the movie's own pixels and intensities: objects frame by frame, and summaries of tracks."""

from unfade.measure.objects import VERSION, Frame, ObjectMeasurer, Tally
from unfade.measure.settings import MeasureSettings
from unfade.measure.tracks import track_table

__all__ = ["VERSION", "Frame", "MeasureSettings", "ObjectMeasurer", "Tally", "track_table"]
