"""Small synthetic movies with exact truth, the same on every machine and every call."""

from __future__ import annotations

from unfade.synth import Camera, CellMovie, CellMovieSettings, Growth, Motion, Reporter


def tiny(seed: int = 0) -> CellMovie:
    """Five frames of 64 x 64 pixels with a handful of nuclei of 12 px, for tests that only need a movie."""
    return CellMovie(
        CellMovieSettings(
            frames=5,
            height_px=64,
            width_px=64,
            seed=seed,
            motion=Motion(speed_px=0.7),
            growth=Growth(cells=10, diameter_px=12, division_rate=0),
            reporter=Reporter(stimulus_frame=2, export_frames=1),
        )
    )


def small(seed: int = 0) -> CellMovie:
    """Twelve frames of 160 x 160 pixels with some twenty nuclei of 18 px, divisions and a stimulus after frame 4."""
    return CellMovie(
        CellMovieSettings(
            frames=12,
            height_px=160,
            width_px=160,
            seed=seed,
            growth=Growth(cells=26, division_rate=0.02),
            reporter=Reporter(stimulus_frame=4),
        )
    )


def noise(frames: int = 3, side_px: int = 128, seed: int = 0) -> CellMovie:
    """A movie without any cell: the camera's noise over an even background."""
    return CellMovie(
        CellMovieSettings(
            frames=frames,
            height_px=side_px,
            width_px=side_px,
            seed=seed,
            growth=Growth(cells=0),
            camera=Camera(unevenness=0),
        )
    )
