"""Does the translocation generator give nuclei away that have no contrast? A U-Net tries to find them.

usage: python benchmarks/leak.py DSB2018 [--steps 500] [--contrast 0] [--optics drawn|clear] [--kind cells|still]

Trains a single-frame U-Net on frames in which every nucleus is as bright as its cytoplasm (log ratio `--contrast`),
with shapes of the train part of the stills, and prints the foreground Dice on frames with shapes of the test part: over
all pixels, at the threshold that is best there, so the figure errs against the generator. `--optics clear` takes away
noise, haze and background, which is the hardest test. `--kind still` takes fields of stills whose cells are drawn
around their nuclei, as `fading.py --motion whole` does, in place of drawn cells with the shapes of nuclei. The Dice of
calling every pixel a nucleus, and of a control with `--contrast 0.6`, say what the figure is worth.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from unfade.datasets.stills import read_stills
from unfade.ops.normalise import levels, scaled
from unfade.synth import (
    Camera,
    NucleusShapes,
    StillMovie,
    StillSettings,
    TranslocationMovie,
    TranslocationSettings,
    draw_settings,
)
from unfade.synth.fading import TimeCourse
from unfade.systems.nuclei_unet import NucleiUNet, NucleiUNetSettings
from unfade.train.loop import Training, TrainSettings

SIZE = 128
DIAMETERS_PX = (14.0, 46.0)  # median diameter of the nuclei of stills that are taken whole
CLEAR = Camera(photons=2000, background=0, blur_px=0.7, haze=0, unevenness=0, bleaching=0, read_noise=0)


class Frames(torch.utils.data.Dataset):
    """Batches of single frames with one log ratio for all cells; item i depends on the seed and i alone."""

    def __init__(self, part: str, options: argparse.Namespace, seed: int, batches: int) -> None:
        self.options, self.seed, self.batches = options, seed, batches
        stills = read_stills(options.stills, (part,))
        self.shapes = NucleusShapes.from_stills((s.image[0, 0] for s in stills), (s.labels[0] for s in stills))
        self.stills = [s for s in stills if DIAMETERS_PX[0] <= s.diameter_px <= DIAMETERS_PX[1]]

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, step: int) -> dict[str, dict[str, torch.Tensor]]:
        rng = np.random.default_rng([self.seed, step])
        drawn = [self.frame(rng) for _ in range(8)]
        image, nuclei = (np.stack(v)[:, None, None] for v in zip(*drawn, strict=True))
        return {
            "inputs": {"image": torch.from_numpy(image)},
            "targets": {"maps": torch.from_numpy((nuclei > 0).astype(np.float32))},
        }

    def frame(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        made = self.movie(rng).frames()
        image = made.image[0, 0].astype(np.float32)
        return scaled(image, levels(image)).astype(np.float32), made.nuclei[0]

    def movie(self, rng: np.random.Generator) -> TranslocationMovie:
        """One frame of cells that are drawn, or of a still that turns, stretches and shears as one."""
        settings = self.settings(rng)
        if self.options.kind == "cells":
            return TranslocationMovie(settings, self.shapes)
        still = self.stills[rng.integers(len(self.stills))]
        values = settings.plain() | {"cytoplasm": "drawn", "seed": int(rng.integers(2**31))}
        return StillMovie(still.image[0, 0], still.labels[0], StillSettings.parse(values))

    def settings(self, rng: np.random.Generator) -> TranslocationSettings:
        drawn = draw_settings(rng, frames=1, size_px=SIZE)
        course = TimeCourse(ratio_before=float(np.exp(self.options.contrast)), before_spread=0, stimulus_frame="never")
        camera = CLEAR if self.options.optics == "clear" else drawn.camera
        nuclei = drawn.nuclei.changed(residue=0.0, division_rate=0.0)
        return drawn.model_copy(update={"course": course, "camera": camera, "nuclei": nuclei})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stills", type=Path)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--contrast", type=float, default=0.0)
    parser.add_argument("--optics", choices=["drawn", "clear"], default="clear")
    parser.add_argument("--kind", choices=["cells", "still"], default="cells")
    options = parser.parse_args()
    torch.set_num_threads(1)
    system = NucleiUNet(NucleiUNetSettings(width=24, targets="mask"))
    train = TrainSettings(steps=options.steps, rate=2e-3, warmup=20, check_every=100, average=0.98, workers=0)
    check, test = (
        [frames[step] for step in range(len(frames))]
        for frames in (
            Frames("val", options, 1, 4),
            Frames("test", options, 2, 12),
        )
    )
    with tempfile.TemporaryDirectory() as place:
        training = Training(system, train, Path(place))
        steps = Frames("train", options, 0, train.steps)
        training.run(steps, lambda network: {"dice": best_dice(system, network, check)[0]}, "dice")
        dice, threshold = best_dice(system, training.average, test)
    share = float(np.mean([b["targets"]["maps"].numpy() for b in test]))
    out = {
        "kind": options.kind,
        "contrast": options.contrast,
        "optics": options.optics,
        "steps": training.step,
        "minutes": round(training.spent / 60, 1),
        "frames seen": 8 * training.step,
        "test frames": 8 * len(test),
        "dice": round(dice, 4),
        "threshold": threshold,
        "dice of all foreground": round(2 * share / (1 + share), 4),
    }
    print(json.dumps(out, indent=2))


@torch.no_grad()
def best_dice(system: NucleiUNet, network: torch.nn.Module, batches: list) -> tuple[float, float]:
    """Largest Dice over all pixels of the batches, and its threshold."""
    inside, truth = [], []
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16):
            outputs, _ = system.forward(network.eval(), batch["inputs"])
        inside.append(system.activate(outputs).float().numpy())
        truth.append(batch["targets"]["maps"].numpy() > 0)
    found, true = np.concatenate(inside), np.concatenate(truth)
    scores = {}
    for threshold in np.round(np.arange(0.05, 1, 0.05), 2).tolist():
        hit = found > threshold
        scores[threshold] = 2 * float((hit & true).sum()) / float(hit.sum() + true.sum())
    best = max(scores, key=lambda k: scores[k])
    return scores[best], best


if __name__ == "__main__":
    main()
