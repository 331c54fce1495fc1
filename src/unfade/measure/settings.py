"""What is measured: the ring around nuclei and the background that is subtracted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from unfade.errors import SettingsError
from unfade.records import Calibration
from unfade.settings import Settings

Background = Literal["none", "constant", "percentile"]
Average = Literal["mean", "median"]
Share = Annotated[float, Field(ge=0, lt=0.5)]


class BarSettings(Settings):
    """How wide error bars are."""

    outline_px: float = Field(0.5, ge=0, description="likely error of a sure mask's outline, px")
    doubt_px: float = Field(2.0, ge=0, description="what it grows by for a mask of no confidence, px")
    place_px: float = Field(0.7, ge=0, description="likely error of place after one frame of being carried, px")
    floor: float = Field(0.05, ge=0, description="error of the logarithm of a ratio that a perfect mask leaves")
    widen: float = Field(1.645, gt=0, description="half width of a 90 % interval in likely errors")


class MeasureSettings(Settings):
    """How objects are measured.

    The ring stands for the cytoplasm: pixels at a distance d from the nearest nucleus pixel with
    `ring_gap < d <= ring_gap + ring_width`. The core stands for the nucleus in the ratio: its pixels that lie further
    than `nucleus_inset` from every pixel outside it; a nucleus with no such pixel keeps all of them. Blur mixes both
    sides of the outline over a pixel or two, and a mask is seldom better than a pixel, so both stay clear of it: on
    synthetic movies of known ratio and on a kinase reporter movie this gives the smaller errors (docs, guide
    "Synthetic movies", and `benchmarks/ratio.py`). The defaults are made for nuclei of about 17 px, whose core is half
    of them, and the ring stays within a cell of twice the nucleus' diameter. For larger nuclei set both in µm.

    The ratio is made of means by default: a median of few counts is coarse or 0. Where counts are plenty and cells are
    crowded, medians do better, as a ring then holds pixels of other cells.

    Haze, light that arrives out of focus, spreads nuclei over their rings and pulls every ratio towards 1. Its share
    and spread belong to the microscope (an isolated cell or a bead shows them); given here, it is taken off first.
    `measured` tells both from the first frame, where a nuclear marker is segmented; where that cannot be done, nothing
    is taken off, and the run says why.
    """

    ring_gap: float = Field(2.0, ge=0, description="distance left free around a nucleus, in ring_unit")
    ring_width: float = Field(4.0, gt=0, description="width of the ring that starts after the gap, in ring_unit")
    nucleus_inset: float = Field(
        2.0, ge=0, description="depth below a nucleus' outline at which its core begins, in ring_unit; 0 takes it whole"
    )
    ring_unit: Literal["px", "um"] = Field("px", description="unit of ring_gap, ring_width and nucleus_inset: px | um")
    ratio: Average = Field("mean", description="what the core/ring ratio is made of: mean | median of each part")
    background: Background = Field(
        "none", description="subtracted from every intensity: none | constant | percentile of the channel's frame"
    )
    background_value: float = Field(0.0, description="the value of background = constant, in intensity units")
    background_percentile: float = Field(
        1.0, ge=0, le=100, description="the percentile of background = percentile, 0..100"
    )

    haze: Share | Literal["measured"] = Field(
        0.0, description="share of the light that arrives out of focus; 0 = unknown; measured = told by the first frame"
    )
    haze_px: float = Field(8.0, gt=0, description="standard deviation of that light's spread, px, if haze is a number")

    bars: BarSettings = BarSettings()

    @field_validator("haze", mode="before")
    @classmethod
    def _one_or_the_other(cls, value: object) -> object:
        if value != "measured" and not (isinstance(value, int | float) and 0 <= value < 0.5):
            raise ValueError(f"give a share from 0 to below 0.5, or 'measured', in place of {value!r}")
        return value

    def ring_px(self, calibration: Calibration) -> tuple[float, float]:
        """Inner and outer distance of the ring, px.

        Raises
        ------
        SettingsError
            If the ring is set in µm and the pixel size is unknown.
        """
        scale = self._scale(calibration)
        return _rounded(self.ring_gap * scale), _rounded((self.ring_gap + self.ring_width) * scale)

    def inset_px(self, calibration: Calibration) -> float:
        """Depth at which the core of a nucleus begins, px.

        Raises
        ------
        SettingsError
            If it is set in µm and the pixel size is unknown.
        """
        return _rounded(self.nucleus_inset * self._scale(calibration))

    def haze_share(self) -> float:
        """Share of the light out of focus.

        Raises
        ------
        SettingsError
            If it is to be measured and was not yet.
        """
        if self.haze == "measured":
            raise SettingsError("Haze is to be measured, but nobody has; find it with find_haze, or give its share.")
        return self.haze

    def _scale(self, calibration: Calibration) -> float:
        if self.ring_unit == "px":
            return 1.0
        if calibration.pixel_um is None:
            raise SettingsError("The ring is set in µm but the pixel size is unknown; give it, or set the ring in px.")
        return 1.0 / calibration.pixel_um


def _rounded(value: float) -> float:
    return round(value, 6)  # 1.95 µm at 0.65 µm per pixel is 3 px, not 3.0000000000000004
