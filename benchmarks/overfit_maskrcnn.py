"""Can the network learn at all: four crops of label-free cells, seen again and again, must come out almost exactly.

For every loss and head of the mask branch, the network of the default preset is trained on four crops of one frame of
DIC-C2DH-HeLa at half resolution, with no augmentation, and scored on the same crops: SEG and, beside it, the ceiling
of masks of that size (truth, encoded and painted again). The rows `unet ...` are the U-Nets of the same table with the
same losses; since their cells are connected components, the IoU of cells against background stands beside their SEG,
and the ceiling is the SEG of the components of the truth. The rows `three classes` and `imperfect` (the
same with four merged heads and data uncertainty, that system's default) learn cells with their nuclei on four crops of
a synthetic movie, and are scored on both.

python benchmarks/overfit_maskrcnn.py [../shared/data] --rows shape-aware,bce,"unet bce" --steps 300
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from skimage.measure import label

from unfade.instances.boxes import Regions, compartments, paint
from unfade.ops.boxes import boxes_of, sampled
from unfade.ops.device import autocast
from unfade.ops.normalise import levels, scaled
from unfade.ops.overlap import contingency
from unfade.ops.relabel import of_kind
from unfade.predict.boxes import BoxPredictor
from unfade.predict.frames import FramePredictor
from unfade.records import Instances
from unfade.synth import TranslocationMovie, TranslocationSettings
from unfade.systems.base import System
from unfade.systems.imperfect import SMALL as SMALL_THREE
from unfade.systems.imperfect import Imperfect, ImperfectSettings
from unfade.systems.regions import RegionSystem
from unfade.systems.shape_aware import SMALL, ShapeAware, ShapeAwareSettings
from unfade.systems.shape_aware_unet import ShapeAwareUNet, ShapeAwareUNetSettings

ROWS: dict[str, dict[str, Any]] = {
    "shape-aware": {},
    "bce": {"loss": "bce"},
    "focal": {"loss": "focal"},
    "noise": {"noise": True},
    "wta unmerged": {"heads": 4, "noise": True},
    "wta": {"heads": 4, "noise": True, "merge": True},
    "ewta": {"heads": 4, "evolving": True, "merge": True},
    "56 px": {"mask_px": 56},
    "dropout": {"dropout": 0.2},
}
ONE_HEAD = {"classes": 3, "heads": 1, "merge": False, "noise": False}
DRAWN: dict[str, dict[str, Any]] = {
    "three classes": {**SMALL_THREE, **ONE_HEAD},
    "imperfect": Imperfect.presets["default"],
}
UNETS: dict[str, dict[str, Any]] = {
    f"unet {loss}": {**ShapeAwareUNet.presets["default"], "loss": loss} for loss in ("shape-aware", "bce", "focal")
}


def crops(data: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Four crops `(4, 1, Y, X)` at half resolution and their labels `(4, Y, X)`."""
    folder = data / "ctc" / "DIC-C2DH-HeLa"
    image = tifffile.imread(folder / "01" / "t034.tif").astype(np.float32)
    labels = tifffile.imread(folder / "01_ST" / "SEG" / "man_seg034.tif").astype(np.int32)[::2, ::2]
    half = image.reshape(256, 2, 256, 2).mean((1, 3))
    return corners(scaled(half, levels(half)), labels, side)


def drawn(side: int) -> tuple[np.ndarray, np.ndarray]:
    """As `crops`, of the first frame of a synthetic movie; labels mark the nuclei of cells."""
    frame = TranslocationMovie(TranslocationSettings(frames=1)).frame(0)
    labels = compartments(frame.cells, frame.nuclei)
    image = frame.image[0].astype(np.float32)
    return corners(scaled(image, levels(image)), labels, side)


def corners(image: np.ndarray, labels: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The four corners of a frame of 256 x 256 px and of its labels."""
    places = [(slice(y, y + side), slice(x, x + side)) for y in (0, 256 - side) for x in (0, 256 - side)]
    return np.stack([image[place] for place in places])[:, None], np.stack([labels[place] for place in places])


def seg(found: list[np.ndarray], truth: np.ndarray) -> float:
    """Mean IoU over the true objects of at least 30 px; one counts where more than half of it is covered."""
    scores: list[float] = []
    for mine, true in zip(found, truth, strict=True):
        overlap = contingency(mine, true)
        iou = overlap.sparse_iou() * (overlap.share_of_b() > 0.5)
        best = np.zeros(len(overlap.ids_b))
        np.maximum.at(best, overlap.j, iou)
        scores += best[overlap.area_b >= 30].tolist()
    return float(np.mean(scores))


def ceiling(labels: np.ndarray, side: int) -> float:
    """SEG of the truth itself as masks of `side` px."""
    found = []
    for frame in labels:
        ids, boxes = boxes_of(torch.from_numpy(frame).long())
        which = torch.zeros(len(ids), dtype=torch.long)
        inside = sampled(torch.from_numpy(frame)[None], which, boxes, side) == ids[:, None, None]
        chances = torch.stack([~inside, inside], dim=1).float().numpy()
        n = len(ids)
        regions = Regions(boxes.numpy(), np.ones(n), chances, np.zeros((n, 3, side, side)), np.ones(n, bool))
        painted = paint(regions, frame.shape)
        found.append(painted.labels("cell")[0])
    return seg(found, labels)


def overfit(system: System, image: np.ndarray, labels: np.ndarray, steps: int) -> tuple[list[Instances], float, float]:
    """What a network finds in crops it has learnt by heart, its last loss, and the seconds that took.

    Where several heads are merged, the merging network learns after them, for as long.
    """
    torch.manual_seed(0)
    network = system.network()
    began = time.perf_counter()
    loss = learn(system, network, image, labels, steps)
    if isinstance(system, RegionSystem) and system.settings.merge:
        system = type(system)(system.settings.changed(learn="merging"))
        merged = system.network()
        merged.load_state_dict(network.state_dict())
        network = merged
        loss = learn(system, network, image, labels, steps)
    seconds = time.perf_counter() - began
    kind = BoxPredictor if isinstance(system, RegionSystem) else FramePredictor
    engine = kind(system, network, torch.device("cpu"))
    return [engine.instances(one, ends=[(0.0, 1.0)]) for one in image], loss, seconds


def learn(system: System, network: torch.nn.Module, image: np.ndarray, labels: np.ndarray, steps: int) -> float:
    """Train on the same crops again and again; the last loss."""
    network.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 1e-3, weight_decay=0)
    targets = {k: torch.from_numpy(v)[:, None] for k, v in system.encode(labels, image).items()}
    inputs = {"image": torch.from_numpy(image)[:, None], **{name: targets[name] for name in system.shown}}
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 20) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        with autocast(torch.device("cpu")):
            outputs, _ = system.forward(network, inputs)
        shown = {**targets, "progress": torch.tensor(step / steps)}
        terms = system.loss({k: v.float() for k, v in outputs.items()}, shown)
        total = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    return float(total.detach())


def foreground_iou(found: list[np.ndarray], truth: np.ndarray) -> float:
    mine, true = np.stack(found) > 0, truth > 0
    return float((mine & true).sum() / (mine | true).sum())


def components(labels: np.ndarray) -> list[np.ndarray]:
    """The truth as a map of cells against background can tell it: what touches is one."""
    return [label(frame > 0, connectivity=1) for frame in labels]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("UNFADE_DATA", "../shared/data"))
    parser.add_argument("--rows", default=",".join([*ROWS, *DRAWN, *UNETS]))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--side", type=int, default=128)
    options = parser.parse_args()
    for name in options.rows.split(","):
        image, labels = drawn(options.side) if name in DRAWN else crops(Path(options.data), options.side)
        system, best = built(name, labels)
        found, loss, seconds = overfit(system, image, labels, options.steps)
        figures = {"ceiling": best}
        for kind in system.view.kinds:
            mine, truth = [f.labels(kind)[-1] for f in found], of_kind(labels, kind)
            ending = f" of {kind}" if len(system.view.kinds) > 1 else ""
            figures |= {f"SEG{ending}": seg(mine, truth), f"foreground IoU{ending}": foreground_iou(mine, truth)}
        facts = {**figures, "loss": loss, "seconds": seconds}
        print(json.dumps({"row": name, **{k: round(v, 4) for k, v in facts.items()}}), flush=True)


def built(name: str, labels: np.ndarray) -> tuple[System, float]:
    """The system of a row, and the SEG that it can reach at most."""
    if name in UNETS:
        return ShapeAwareUNet(ShapeAwareUNetSettings.parse(UNETS[name])), seg(components(labels), labels)
    if name in DRAWN:
        three = ImperfectSettings.parse(DRAWN[name])
        return Imperfect(three), ceiling(of_kind(labels, "nucleus"), three.mask_px)
    boxes = ShapeAwareSettings.parse({**SMALL, **ROWS[name]})
    return ShapeAware(boxes), ceiling(labels, boxes.mask_px)


if __name__ == "__main__":
    main()
