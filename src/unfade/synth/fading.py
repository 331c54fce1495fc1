"""Settings of translocation movies, one group per cause, and a randomiser over how such movies look."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from unfade.settings import Settings
from unfade.synth.settings import Camera

When = float | Literal["never"]
LEAST_PX = 16  # sides of a field


class TimeCourse(Settings):
    """Where the reporter sits over time: nuclear over cytoplasmic concentration, 1 = the nucleus is invisible."""

    ratio_before: float = Field(1.8, gt=0, description="Nuclear over cytoplasmic concentration at rest.")
    before_spread: float = Field(0.15, ge=0, description="Spread of its logarithm between cells.")
    ratio_after: float = Field(0.75, gt=0, description="The same ratio long after the stimulus.")
    after_spread: float = Field(0.1, ge=0, description="Spread of its logarithm between cells.")
    stimulus_frame: When = Field(
        8.0, description="Last frame before the reporter moves, or never; below 0 it began before the movie."
    )
    export_frames: float = Field(1.5, ge=0, description="Time constant of the export, in frames; 0 is a jump.")
    recovery_frame: When = Field("never", description="Last frame before it comes back, or never.")
    recovery_frames: float = Field(4.0, ge=0, description="Time constant of the return, in frames; 0 is a jump.")
    delay_frames: float = Field(0.0, ge=0, description="Longest delay of a cell's answer, drawn evenly, in frames.")
    responders: float = Field(1.0, ge=0, le=1, description="Share of the cells that answer at all.")


class Nuclei(Settings):
    """How many nuclei there are and how they look."""

    coverage: float = Field(0.2, gt=0, le=0.6, description="Share of the field that nuclei cover.")
    diameter_px: float = Field(17.0, gt=3, description="Median equivalent diameter, in pixels.")
    diameter_spread: float = Field(0.12, ge=0, lt=0.6, description="Spread of its logarithm.")
    spacing: float = Field(1.05, ge=0, description="Least distance of centres over the sum of the radii.")
    texture: float = Field(0.5, ge=0, le=1.5, description="Share of the stills' texture that the nuclei keep.")
    residue: float = Field(
        0.0, ge=0, le=1, description="Share of that texture left at zero contrast; above 0 it gives the nucleus away."
    )
    rim: float = Field(
        0.0, ge=0, le=1, description="Share of the light that the envelope takes; above 0 it gives the nucleus away."
    )
    rim_px: float = Field(0.8, gt=0, description="Standard deviation of the envelope's shadow, in pixels.")
    division_rate: float = Field(0.0, ge=0, le=1, description="Chance of a nucleus to divide, per frame.")


class Bodies(Settings):
    """The cells around the nuclei: their outline, thickness and texture."""

    ratio: float = Field(2.2, gt=1.2, le=4, description="Diameter of a cell over that of its nucleus.")
    elongation: float = Field(0.3, ge=0, le=1, description="Spread of the logarithm of a cell's length over its width.")
    roughness: float = Field(1.0, ge=0, le=2, description="Irregularity of the outlines: 0 draws ellipses.")
    doming: float = Field(0.6, gt=0, le=2, description="Profile of the thickness: near 0 flat, 1 a dome.")
    offset: float = Field(
        0.7, ge=0, le=1, description="Largest distance of the nucleus from the cell's middle, over the room it has."
    )
    exclusion: float = Field(0.5, ge=0, le=1, description="How far a cell keeps others off its ground: 0 they overlap.")
    grain: float = Field(0.2, ge=0, le=1, description="Standard deviation of the cytoplasm's texture.")
    grain_px: float = Field(2.0, gt=0.3, description="Size of its grain, in pixels.")
    expression_spread: float = Field(0.35, ge=0, description="Spread of the logarithm of the reporter per cell.")
    silent: float = Field(0.0, ge=0, le=1, description="Share of the cells that hold next to no reporter.")


class Deformation(Settings):
    """How nuclei and cells move and deform from frame to frame; the parts that go on are drawn once per cell."""

    speed_px: float = Field(0.6, ge=0, description="Root mean square step per frame and axis, in pixels.")
    persistence: float = Field(0.7, ge=0, lt=1, description="Share of a step that goes on in the next frame.")
    turn_rad: float = Field(0.03, ge=0, description="Spread of the progressive rotation per frame, in radians.")
    stretch: float = Field(0.015, ge=0, description="Spread of the progressive stretch per frame, as a logarithm.")
    shear: float = Field(0.015, ge=0, description="Spread of the progressive shear per frame.")
    jitter: float = Field(0.3, ge=0, description="Random part of all three, over the progressive part.")
    limit: float = Field(0.35, gt=0, le=1, description="Stretch and shear level off at this.")
    drift_px: float = Field(0.0, ge=0, description="Spread of the stage's random step per frame and axis, in pixels.")


class Debris(Settings):
    """Bright things that are no nuclei."""

    density: float = Field(0.0, ge=0, description="Spots per 10,000 pixels.")
    diameter_px: float = Field(8.0, gt=0, description="Median diameter, in pixels.")
    brightness: float = Field(3.0, ge=0, description="Median brightness over that of a cell.")


class TranslocationSettings(Settings):
    """A movie of fields of cells whose nuclei fade in the only channel there is."""

    frames: int = Field(24, ge=1, description="Number of frames.")
    height_px: int = Field(256, ge=LEAST_PX, description="Height of the field, in pixels.")
    width_px: int = Field(256, ge=LEAST_PX, description="Width of the field, in pixels.")
    pixel_um: float = Field(0.65, gt=0, description="Size of a pixel, in µm.")
    interval_s: float = Field(300.0, gt=0, description="Time between frames, in seconds.")
    seed: int = Field(0, ge=0, description="Every draw follows from it.")
    course: TimeCourse = TimeCourse()
    nuclei: Nuclei = Nuclei()
    bodies: Bodies = Bodies()
    deformation: Deformation = Deformation()
    debris: Debris = Debris()
    camera: Camera = Camera(photons=120.0, background=8.0)


class StillSettings(TranslocationSettings):
    """A still that turns, stretches and shears as one while its nuclei fade."""

    height_px: int = Field(0, ge=0, description="Height of the field, in pixels; 0 is that of the still.")
    width_px: int = Field(0, ge=0, description="Width of the field, in pixels; 0 is that of the still.")
    still: str = Field("", description="Name of the picture in its folder; empty is the first.")
    cytoplasm: Literal["own", "drawn"] = Field(
        "own", description="own: the picture shows the reporter; drawn: it shows a nuclear stain."
    )

    @field_validator("height_px", "width_px")
    @classmethod
    def _large_enough(cls, side: int) -> int:
        if 0 < side < LEAST_PX:
            raise ValueError(f"input should be 0 or at least {LEAST_PX}")
        return side
