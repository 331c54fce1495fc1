"""Endpoint errors of dense flows on held-out pairs of known motion, with and without fading nuclei.

python benchmarks/flow.py                      no flow and the classical estimators
python benchmarks/flow.py --weights FILE       and FlowNet-C with these weights

Pairs are drawn from the test part of the Data Science Bowl stills; on empty ground no flow can be seen, so errors are
also given within nuclei alone, which is what repair needs. Figures go out as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from unfade.datasets.stills import read_stills
from unfade.pipeline.repairing import open_motion
from unfade.repair import RepairSettings
from unfade.repair.shapes import Outline, masks, mean_flow
from unfade.train.pairs import Pair, PairSampler, PairSamplerSettings

DATA = Path(os.environ.get("UNFADE_DATA", "../shared/data"))
DIAMETER_PX = 18.0
SEED = 7


def pairs(count: int, fading: float) -> list[Pair]:
    stills = read_stills(DATA / "dsb2018", ("test",))
    how = PairSamplerSettings(crop_px=192, points=6, diameter_px=(15, 22), fading=fading, bodies=1.0)
    sampler, rng = PairSampler(stills, None, how, SEED, count), np.random.default_rng(SEED)
    return [sampler.pair(rng) for _ in range(count)]


def errors(motion: Any, drawn: list[Pair]) -> dict[str, float]:
    """Mean endpoint errors, px, and the error of the mean flow of a nucleus."""
    everywhere, inside, whole, began = [], [], [], time.perf_counter()
    for pair in drawn:
        flow = np.zeros_like(pair.flow) if motion is None else motion.between(pair.image[0, 0], pair.image[1, 0])
        off = np.hypot(*(flow - pair.flow))
        everywhere.append(off.mean())
        if pair.nuclei[0].any():
            inside.append(off[pair.nuclei[0] > 0].mean())
        for mask in masks(pair.nuclei[1]).values():
            one = Outline.of(mask)
            whole.append(np.hypot(*np.subtract(mean_flow(one, flow), mean_flow(one, pair.flow))))
    seconds = (time.perf_counter() - began) / len(drawn)
    named = {"EPE_px": everywhere, "EPE_px in nuclei": inside, "mean flow of nuclei, px": whole}
    return {**{k: round(float(np.mean(v)), 3) for k, v in named.items()}, "s per pair": round(seconds, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--weights")
    args = parser.parse_args()
    names = ["none", "ilk", "tvl1"] + (["flownet"] if args.weights else [])
    for fading in (0.0, 1.0):
        drawn = pairs(args.count, fading)
        for name in names:
            how = {"motion": "flow", "flow": name, "flow_weights": args.weights}
            settings = RepairSettings() if name == "none" else RepairSettings.parse(how)
            motion = None if name == "none" else open_motion(settings, DIAMETER_PX)
            print(json.dumps({"fading": fading, "flow": name, **errors(motion, drawn)}), flush=True)


if __name__ == "__main__":
    main()
