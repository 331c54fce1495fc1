"""Settings of synthetic cell movies, one group per cause: how cells move, grow, answer and are filmed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unfade.settings import Settings

Frame = Annotated[int, Field(ge=0)]
Never = Literal["never"]


class Motion(Settings):
    """How cells and the stage move."""

    speed_px: float = Field(1.0, ge=0, description="Root mean square step of a cell per frame and axis, in pixels.")
    persistence: float = Field(0.7, ge=0, lt=1, description="Share of a step that goes on in the next frame, 0 to 1.")
    turning_rad: float = Field(0.05, ge=0, description="Spread of the turn of a nucleus per frame, in radians.")
    wobble: float = Field(0.12, ge=0, lt=1, description="Share of the outline's shape that is renewed per frame.")
    drift_px: float = Field(0.0, ge=0, description="Spread of the stage's random step per frame and axis, in pixels.")


class Growth(Settings):
    """How many cells there are, how large, and how they divide."""

    cells: int = Field(60, ge=0, description="Cells in and around the field at the start.")
    diameter_px: float = Field(18.0, gt=2, description="Median diameter of a nucleus, in pixels.")
    diameter_spread: float = Field(0.12, ge=0, lt=0.6, description="Spread of the logarithm of nuclear diameters.")
    roughness: float = Field(1.0, ge=0, le=1.5, description="Irregularity of outlines: 0 draws circles.")
    cell_ratio: float = Field(2.3, gt=1.1, le=4, description="Diameter of a cell over that of its nucleus.")
    spacing: float = Field(
        1.15, ge=0, description="Least distance of nuclei over the sum of their radii; below 1 touch."
    )
    division_rate: float = Field(0.004, ge=0, le=1, description="Chance of a cell to begin a division, per frame.")


class Reporter(Settings):
    """Where the reporter sits, and when it leaves the nucleus and comes back."""

    ratio_before: float = Field(1.8, gt=0, description="Nuclear over cytoplasmic concentration at rest.")
    ratio_after: float = Field(0.6, gt=0, description="The same ratio long after the stimulus.")
    ratio_spread: float = Field(0.1, ge=0, description="Spread of the logarithm of both ratios between cells.")
    stimulus_frame: Frame | Never = Field(8, description="Last frame before the reporter moves, or never.")
    export_frames: float = Field(1.5, gt=0, description="Time constant of the export, in frames.")
    recovery_frame: Frame | Never = Field("never", description="Last frame before it comes back, or never.")
    recovery_frames: float = Field(4.0, gt=0, description="Time constant of the return, in frames.")
    expression_spread: float = Field(
        0.25, ge=0, description="Spread of the logarithm of the reporter's amount per cell."
    )


class Camera(Settings):
    """How the cells are filmed."""

    photons: float = Field(260.0, gt=0, description="Photons per pixel at concentration 1.")
    background: float = Field(25.0, ge=0, description="Photons per pixel where there is no cell.")
    blur_px: float = Field(1.0, ge=0, description="Standard deviation of the focus's spread, in pixels.")
    haze: float = Field(0.1, ge=0, lt=1, description="Share of the light that arrives out of focus.")
    haze_px: float = Field(8.0, gt=0, description="Standard deviation of the light out of focus, in pixels.")
    unevenness: float = Field(0.15, ge=0, lt=1, description="Loss of illumination from the centre to the corners.")
    bleaching: float = Field(0.004, ge=0, lt=1, description="Share of the signal lost per frame.")
    read_noise: float = Field(2.0, ge=0, description="Standard deviation of the camera's own noise, in photons.")
    offset: float = Field(100.0, ge=0, description="Counts of the camera in the dark.")
    gain: float = Field(2.0, gt=0, description="Counts per photon.")
    flicker: float = Field(0.0, ge=0, lt=0.5, description="Spread of the light's logarithm from frame to frame.")
    refocus_px: float = Field(0.0, ge=0, description="Spread of the blur from frame to frame, in pixels.")
    smoothed_px: float = Field(
        0.0, ge=0, description="Standard deviation of a smoothing after the noise (as by registration), in pixels."
    )
    subtracted: float = Field(0.0, ge=0, description="Counts taken off every pixel afterwards, cut at 0.")
    saturation: int = Field(65535, ge=1, le=65535, description="Largest count; brighter pixels are cut there.")


class CellMovieSettings(Settings):
    """A movie of nuclei in a marker channel and a reporter that moves between nucleus and cytoplasm."""

    frames: int = Field(24, ge=1, description="Number of frames.")
    height_px: int = Field(256, ge=8, description="Height of the field, in pixels.")
    width_px: int = Field(256, ge=8, description="Width of the field, in pixels.")
    pixel_um: float = Field(0.65, gt=0, description="Size of a pixel, in µm.")
    interval_s: float = Field(300.0, gt=0, description="Time between frames, in seconds.")
    seed: int = Field(0, ge=0, description="Every draw follows from it.")
    motion: Motion = Motion()
    growth: Growth = Growth()
    reporter: Reporter = Reporter()
    camera: Camera = Camera()
