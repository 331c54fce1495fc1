"""How objects are linked and lineages cleaned up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unfade.settings import Settings


class LinkSettings(Settings):
    """How objects of successive frames become tracks.

    Lengths are relative to the distance between objects, so that the same settings serve nuclei of 17 px and cells of
    120 px.
    """

    linker: str = Field(
        "auto",
        description="a registered linker; auto = pairs where objects of two frames are found together, else overlap",
    )
    method: Literal["optimal", "greedy"] = Field(
        "optimal",
        description="linker overlap: optimal = largest total similarity of a frame's links | greedy = best link first",
    )
    gap: int = Field(2, ge=0, le=50, description="frames that a track may lack before it ends")
    reach: float = Field(
        1.0,
        ge=0,
        le=10,
        description="linker overlap: farthest step without overlap, in usual distances between objects; 0 = none",
    )
    proximity: float = Field(
        0.5, ge=0, le=1, description="linker overlap: weight of distance and area beside IoU in the similarity"
    )
    least: float = Field(
        0.05, ge=0, le=1, description="smallest similarity of a link, 0..1 + proximity; linker pairs: smallest IoU"
    )
    divisions: bool = Field(True, description="whether an object may split into two")
    drift: bool = Field(
        True, description="linker overlap: whether jumps of the stage are looked for where masks stop overlapping"
    )
    daughter_frames: int = Field(
        2,
        ge=0,
        le=100,
        description="linker overlap: a division is undone if a daughter vanishes within fewer frames than this",
    )
    merge_frames: int = Field(
        10, ge=0, description="linker pairs: a division is undone if its objects are one again within so many frames"
    )
    pair_frames: int = Field(2, ge=0, description="linker pairs: tracks of fewer frames are removed (t_length)")
    track_frames: int = Field(
        1,
        ge=0,
        le=100,
        description="linker overlap: tracks of fewer frames, without relatives, are removed; 0 or 1 keeps all",
    )
