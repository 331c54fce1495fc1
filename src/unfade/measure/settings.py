"""What is measured: the ring around nuclei and the background that is subtracted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unfade.errors import SettingsError
from unfade.records import Calibration
from unfade.settings import Settings

Background = Literal["none", "constant", "percentile"]
Average = Literal["mean", "median"]


class MeasureSettings(Settings):
    """How objects are measured.

    The ring stands for the cytoplasm: pixels at a distance d from the nearest nucleus pixel with
    `ring_gap < d <= ring_gap + ring_width`. The defaults are made for nuclei of about 17 px: the gap of 1 px leaves out
    the pixels next to the nucleus, which blur and a mask one pixel too small fill with the nucleus' own signal; 5 px
    more give about 300 px of ring around a free nucleus, more than its own area, and stay within a cell of twice the
    nucleus' diameter. For larger nuclei set the ring in µm.

    The ratio is made of means by default: with masks a pixel too large or too small everywhere it changes less than one
    of medians (on a kinase reporter movie the 90th percentile of |log ratio error| is 0.15 against 0.22), and a median
    of few counts may be 0.
    """

    ring_gap: float = Field(1.0, ge=0, description="distance left free around a nucleus, in ring_unit")
    ring_width: float = Field(5.0, gt=0, description="width of the ring that starts after the gap, in ring_unit")
    ring_unit: Literal["px", "um"] = Field("px", description="unit of ring_gap and ring_width: px | um")
    ratio: Average = Field("mean", description="what the nucleus/ring ratio is made of: mean | median of each part")
    background: Background = Field(
        "none", description="subtracted from every intensity: none | constant | percentile of the channel's frame"
    )
    background_value: float = Field(0.0, description="the value of background = constant, in intensity units")
    background_percentile: float = Field(
        1.0, ge=0, le=100, description="the percentile of background = percentile, 0..100"
    )

    def ring_px(self, calibration: Calibration) -> tuple[float, float]:
        """Inner and outer distance of the ring, px.

        Raises
        ------
        SettingsError
            If the ring is set in µm and the pixel size is unknown.
        """
        if self.ring_unit == "px":
            scale = 1.0
        elif calibration.pixel_um is None:
            raise SettingsError("The ring is set in µm but the pixel size is unknown; give it, or set the ring in px.")
        else:
            scale = 1.0 / calibration.pixel_um
        digits = 6  # 1.95 µm at 0.65 µm per pixel is 3 px, not 3.0000000000000004
        return round(self.ring_gap * scale, digits), round((self.ring_gap + self.ring_width) * scale, digits)
