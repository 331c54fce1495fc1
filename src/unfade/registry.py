"""Names to import paths, loaded on demand; entry points let a lab add its own.

A third-party package adds a system by an entry point of the group ``unfade.systems`` (likewise ``unfade.linkers``,
``unfade.engines``, ``unfade.samplers``, ``unfade.motions``, ``unfade.estimators``) whose value is
``package.module:Class``.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Any

from unfade.errors import SettingsError

BUILTIN: dict[str, dict[str, str]] = {
    "systems": {
        "nuclei-unet": "unfade.systems.nuclei_unet:NucleiUNet",
        "hourglass": "unfade.systems.hourglass:Hourglass",
        "lexy": "unfade.systems.lexy:Lexy",
        "flow": "unfade.systems.flow:Flow",
        "lexy-unet": "unfade.systems.lexy_unet:LexyUNet",
        "track-net": "unfade.systems.track_net:TrackNet",
        "siam-net": "unfade.systems.siam_net:SiamNet",
        "split-net": "unfade.systems.split_net:SplitNet",
        "shape-aware": "unfade.systems.shape_aware:ShapeAware",
        "shape-aware-unet": "unfade.systems.shape_aware_unet:ShapeAwareUNet",
        "imperfect": "unfade.systems.imperfect:Imperfect",
    },
    "engines": {
        "blocks": "unfade.predict.blocks:BlockPredictor",
        "frames": "unfade.predict.frames:FramePredictor",
        "boxes": "unfade.predict.boxes:BoxPredictor",
        "windows": "unfade.predict.windows:WindowPredictor",
        "rollout": "unfade.predict.rollout:RolloutPredictor",
    },
    "samplers": {
        "tracked": "unfade.train.tracked:TrackedSampler",
        "stills": "unfade.train.sampler:CropSampler",
        "windows": "unfade.train.sequences:WindowSampler",
        "pairs": "unfade.train.pairs:PairSampler",
        "estimates": "unfade.train.estimates:EstimateSampler",
        "rollouts": "unfade.train.rollout:RolloutSampler",
    },
    "linkers": {
        "overlap": "unfade.link.overlap:OverlapLinker",
        "pairs": "unfade.link.pairs:PairLinker",
    },
    "motions": {
        "ilk": "unfade.repair.motion:IterativeLucasKanade",
        "whole": "unfade.repair.whole_picture:WholePicture",
        "tvl1": "unfade.repair.motion:TotalVariation",
        "flownet": "unfade.systems.flow:FlowNetMotion",
    },
    "estimators": {
        "dropout": "unfade.predict.estimators:Dropout",
        "tta": "unfade.predict.estimators:TestTimeAugmentation",
        "ensemble": "unfade.predict.estimators:Ensemble",
        "snapshot": "unfade.predict.estimators:Snapshots",
        "wta": "unfade.predict.estimators:Hypotheses",
        "ewta": "unfade.predict.estimators:Hypotheses",
    },
}


def names(group: str) -> tuple[str, ...]:
    """Names known in `group`, the built-in ones first."""
    own = BUILTIN[group]
    return tuple(own) + tuple(p.name for p in metadata.entry_points(group=f"unfade.{group}") if p.name not in own)


def load(group: str, name: str) -> Any:
    """The object registered as `name` in `group`; its module is imported now.

    Raises
    ------
    SettingsError
        If nothing of that name is registered; the text lists what is.
    """
    path = BUILTIN[group].get(name)
    if path is None:
        for point in metadata.entry_points(group=f"unfade.{group}"):
            if point.name == name:
                return point.load()
        known = ", ".join(names(group)) or "none"
        raise SettingsError(f"There is no {group.removesuffix('s')} called '{name}'; known are: {known}.")
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
