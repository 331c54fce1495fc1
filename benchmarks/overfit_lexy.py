"""Each network of paper lexy with each encoder overfits four crops of 96x96 pixels, or says how far it came.

usage: python benchmarks/overfit_lexy.py [--width 16] [--steps 600] [--target 0.99] [NETWORK/ENCODER ...]

The crops are synthetic reporter images with exact masks; previous masks and references are the estimates of training.
Dice is that of the thresholded maps over all pixels of the four crops, batch statistics as in training. Prints one
JSON line per pair: parameters, steps and seconds needed, Dice reached. `--width 64` is the papers' width.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from typing import Any

import numpy as np
import torch

from unfade.datasets.stills import Still
from unfade.ops.device import autocast, pick_device
from unfade.registry import load
from unfade.synth.fading import TranslocationSettings
from unfade.synth.translocation import TranslocationMovie
from unfade.train.estimates import EstimateSampler, EstimateSettings

NETWORKS, ENCODERS = ("lexy-unet", "track-net", "siam-net", "split-net"), ("plain", "vgg16", "resnet34")
SIDE, CROPS = 96, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="*", help="such as track-net/vgg16; all by default")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--target", type=float, default=0.99)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pairs = options.pairs or ["/".join(pair) for pair in product(NETWORKS, ENCODERS)]
    reached = []
    for pair in pairs:
        found = overfit(*pair.split("/"), options.width, options.steps, options.target)
        reached.append(found["Dice"] > options.target)
        print(json.dumps({"pair": pair, **found, "Dice": round(found["Dice"], 6)}), flush=True)
    print(json.dumps({"pairs": len(pairs), "above": options.target, "reached": sum(reached)}))


def overfit(network: str, encoder: str, width: int, steps: int, target: float) -> dict[str, Any]:
    """Train on one batch until its Dice exceeds `target` in two looks in a row."""
    kind = load("systems", network)
    settings = {"encoder": encoder, "width": width, "loss": "combined", "batch_norm": encoder != "resnet34"}
    system = kind(kind.settings_type.parse(settings))
    batch = EstimateSampler(
        [crops()], system, EstimateSettings(crop_px=SIDE, batch=CROPS, native=1.0, empty=0.0), 0, 1
    )[0]
    torch.manual_seed(0)
    device = pick_device()
    net = system.network().to(device).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    inputs = {k: v.to(device) for k, v in batch["inputs"].items()}
    targets = {k: v.to(device) for k, v in batch["targets"].items()}
    began, dice, before = time.perf_counter(), 0.0, 0.0
    step = 0
    while step < steps and min(dice, before) <= target:
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 if step < steps / 2 else 3e-4
        with autocast(device):
            outputs, _ = system.forward(net, inputs)
        outputs = {k: v.float() for k, v in outputs.items()}
        found, truth = outputs["maps"].detach() > 0, targets["maps"] > 0.5
        before, dice = dice, float(2 * (found & truth).sum() / (found.sum() + truth.sum()))
        optimiser.zero_grad()
        torch.stack(list(system.loss(outputs, targets).values())).sum().backward()
        optimiser.step()
        step += 1
    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "width": width,
        "steps": step,
        "seconds": round(time.perf_counter() - began, 1),
        "Dice": dice,
    }


def crops() -> Still:
    """A field of cells whose nuclei are brighter than their cytoplasm."""
    settings = TranslocationSettings.parse(
        {"frames": 1, "height_px": 192, "width_px": 192, "seed": 3, "nuclei": {"diameter_px": 30, "coverage": 0.2}}
    )
    frames = TranslocationMovie(settings).frames()
    return Still("field", frames.image[:, :1].astype(np.float32), frames.nuclei, "train")


if __name__ == "__main__":
    main()
