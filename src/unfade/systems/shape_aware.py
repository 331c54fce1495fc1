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
PAPER: dict[str, Any] = {"channels": 3, "start": "coco", "most_ratio": 1e4}  # equation 3 has no limit
SMALL_CROPS: dict[str, Any] = {"crop_px": 192, "batch": 4, "diameter_px": [36.0, 62.0], "native": 0.0, "empty": 0.0}


class ShapeAware(RegionSystem):
    """Cells of one frame from one channel; masks may overlap."""

    name: ClassVar[str] = "shape-aware"
    settings_type: ClassVar[type[ShapeAwareSettings]] = ShapeAwareSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": SMALL,
        "paper": PAPER,
        "bce": {**SMALL, "loss": "bce"},
        "focal": {**SMALL, "loss": "focal"},
        "paper-bce": {**PAPER, "loss": "bce"},
        "paper-focal": {**PAPER, "loss": "focal"},
    }

    @classmethod
    def recipe(cls, preset: str) -> dict[str, Any]:
        """Section III.B and IV.A for the paper's presets.

        Adam at 0.0005, a tenth of it every three epochs, horizontal flips, early stopping; frames are seen at their own
        size in crops of 512 px, which hold a frame of DIC-C2DH-HeLa whole. Three epochs are 201 steps for the paper's
        134 frames in batches of two (the table counts the frames it has); the size of a batch, the patience and the
        limit of gradients are choices.
        """
        if not preset.startswith("paper"):
            return {"train": {"average": 0.99}, "sampler": SMALL_CROPS}
        course = {"rate": 5e-4, "decay": 0.0, "schedule": "steps", "cycle": 201, "drop": 0.1, "warmup": 0}
        stop = {"steps": 2010, "check_every": 67, "patience": 5, "average": 0.0}
        frames = {"batch": 2, "crop_px": 512, "max_zoom": 1.0, "native": 0.0, "empty": 0.0}
        return {"train": course | stop, "sampler": frames | {"turns": False, "stretch": 0.0, "intensity": False}}
