"""Linking of objects over time (provisional)."""

from unfade.link.overlap import LinkSettings, OverlapLinker

__all__ = ["LinkSettings", "OverlapLinker"]
