"""shape-aware: cells of one frame by Mask R-CNN whose masks learn most where outlines run.

"An Effective Deep Learning Framework for Cell Segmentation in Microscopy Images" (Lin, Norouzi). Preset `paper` is
its network; `default` is lighter (ResNet-18, three stages, narrower branches), for cells of half the size in pixels,
to which frames are rescaled. The presets `unet…` are the paper's comparison without instances.
"""

from __future__ import annotations

from typing import Any, ClassVar

from unfade.systems.regions import RegionSettings, RegionSystem


class ShapeAwareSettings(RegionSettings):
    """Settings of the system `shape-aware`."""


SMALL: dict[str, Any] = {
    "backbone": "resnet18",
    "levels": 3,
    "width": 96,
    "box_width": 256,
    "anchors_px": [16, 32, 64, 96],
    "diameter_px": [28.0, 60.0],
    "proposals": 300,
    "regions": 64,
    "sigma_px": 2.5,
}


class ShapeAware(RegionSystem):
    """Cells of one frame from one channel; masks may overlap."""

    name: ClassVar[str] = "shape-aware"
    settings_type: ClassVar[type[ShapeAwareSettings]] = ShapeAwareSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": SMALL,
        "paper": {"channels": 3, "start": "coco"},
        "bce": {**SMALL, "loss": "bce"},
        "focal": {**SMALL, "loss": "focal"},
        "paper-bce": {"channels": 3, "start": "coco", "loss": "bce"},
        "paper-focal": {"channels": 3, "start": "coco", "loss": "focal"},
    }
