"""imperfect: cells with their nuclei by Mask R-CNN that tells how sure it is, and why not.

"Recovering the Imperfect: Cell Segmentation in the Presence of Dynamically Localized Proteins" (Çiçek, Marrakchi,
Antwi, Di Ventura, Brox), section 3.1 and 4: three classes per mask (background, cytosol, nucleus) with softmax
cross-entropy, a noise scale beside the logits (equation 1), and one of five ways to sample the model. The default is
what the paper keeps for its propagation (4.1): four heads trained winner-takes-all, merged, with data uncertainty.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from unfade.systems.regions import RegionSettings, RegionSystem


class ImperfectSettings(RegionSettings):
    """Settings of the system `imperfect`."""

    loss: Literal["bce", "focal", "shape-aware"] = Field("bce", description="loss of the masks; bce is cross-entropy")


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
SMALL_CROPS: dict[str, Any] = {"crop_px": 192, "batch": 4, "diameter_px": [36.0, 62.0], "native": 0.0, "empty": 0.0}


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
        "snapshot": {"classes": 3, "noise": True},
    }

    @classmethod
    def recipe(cls, preset: str) -> dict[str, Any]:
        """Section 4: lengths, restarts and deformations of the paper.

        12,000 for single networks, dropout and ensembles; 15,000 in cycles of 3,000 for snapshots, the last four
        kept; 11,000 for several heads, after which the merging network learns for 4,000 (`--weights` of the heads, the
        setting `learn = "merging"`, `--steps 4000`). What the paper calls epochs is taken as steps; SGD with momentum
        at 0.001 is that of the code it builds on; both are choices, and so is the size of a batch.
        """
        if preset == "default":
            return {"train": {"average": 0.99}, "sampler": SMALL_CROPS}
        steps = {"snapshot": 15_000, "paper": 11_000, "ewta": 11_000}.get(preset, 12_000)
        course: dict[str, Any] = {
            "steps": steps,
            "optimiser": "sgd",
            "rate": 1e-3,
            "average": 0.0,
            "schedule": "constant",
        }
        if preset == "snapshot":
            course |= {"schedule": "restarts", "cycle": 3_000, "snapshots": 4}
        crops = {"crop_px": 512, "batch": 2, "max_zoom": 1.0, "native": 0.0, "empty": 0.0}
        return {"train": course, "sampler": crops | {"elastic_px": 10.0, "elastic_points": 3}}
