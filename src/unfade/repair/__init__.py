"""Repair: masks that fade are replaced by what more certain neighbours in time say, moved by the motion of the cell."""

from unfade.repair.settings import RepairSettings

__all__ = ["RepairSettings"]
