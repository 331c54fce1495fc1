"""Linking of objects over time: tracks that tolerate gaps, divisions, and the lineage they make."""

from unfade.link.cleanup import Cleaned, clean, cleaned
from unfade.link.overlap import FrameLinks, LinkState, OverlapLinker
from unfade.link.settings import LinkSettings

__all__ = ["Cleaned", "FrameLinks", "LinkSettings", "LinkState", "OverlapLinker", "clean", "cleaned"]
