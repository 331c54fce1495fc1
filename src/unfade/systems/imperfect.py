"""imperfect: cells with their nuclei by Mask R-CNN that tells how sure it is, and why not.

"Recovering the Imperfect: Cell Segmentation in the Presence of Dynamically Localized Proteins" (Çiçek, Marrakchi,
Antwi, Di Ventura, Brox), section 3.1 and 4: three classes per mask (background, cytosol, nucleus) with softmax
cross-entropy, a noise scale beside the logits (equation 1), and one of five ways to sample the model. The default is
what the paper keeps for its propagation (4.1): four heads trained winner-takes-all, merged, with data uncertainty.
"""

from __future__ import annotations

from typing import Any, ClassVar

from unfade.systems.regions import RegionSettings, RegionSystem


class ImperfectSettings(RegionSettings):
    """Settings of the system `imperfect`."""


WTA: dict[str, Any] = {"classes": 3, "heads": 4, "noise": True, "merge": True}
SMALL: dict[str, Any] = {
    "backbone": "resnet18",
    "levels": 3,
    "width": 96,
    "box_width": 256,
    "anchors_px": [16, 32, 64, 96],
    "diameter_px": [28.0, 60.0],
    "proposals": 300,
    "regions": 64,
}


class Imperfect(RegionSystem):
    """Cells of one frame, each with its nucleus, and the uncertainty of both."""

    name: ClassVar[str] = "imperfect"
    settings_type: ClassVar[type[ImperfectSettings]] = ImperfectSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {**SMALL, **WTA},
        "paper": WTA,
        "ewta": {**WTA, "evolving": True},
        "single": {"classes": 3, "noise": True},
        "single-plain": {"classes": 3},
        "dropout": {"classes": 3, "noise": True, "dropout": 0.2},
    }
