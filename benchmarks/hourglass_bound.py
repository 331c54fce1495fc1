"""How much is lost between ideal embeddings and tracks: the ceiling of any network of system hourglass.

usage: python benchmarks/hourglass_bound.py [--data FOLDER] [--case NAME SEQUENCE KIND]... [--noise 0 0.1] [--frames N]

The true label images are seen at the size of the preset of their data set (`preset`) or at their own (`native`, where
all lengths of the preset, tiles included, grow with the frame), given
ideal embeddings with noise of this standard deviation per dimension, smoothed over 1 px as a network's output is, then
clustered in tiles, joined in time and compared with the truth itself. FOLDER is UNFADE_DATA or ../shared/data. Prints
JSON: SEG, DET, TRA, true divisions, and those missed and made up.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage

from unfade.data import ctc
from unfade.instances.embedding import ideal
from unfade.link import LinkSettings
from unfade.ops.relabel import remap
from unfade.ops.tracks import pieces
from unfade.ops.warp import resized_labels
from unfade.pipeline import linking
from unfade.predict.blocks import BlockPredictor
from unfade.records import Lineage
from unfade.score.sequence import score_sequence
from unfade.systems.hourglass import Hourglass, HourglassSettings

CASES = [("DIC-C2DH-HeLa", "01", "ST"), ("Fluo-N2DH-SIM+", "01", "GT"), ("PhC-C2DH-U373", "01", "ST")]


def embedded(labels: NDArray[np.int32], noise: float, seed: int, system: Hourglass) -> NDArray[np.float32]:
    """Noisy ideal embeddings `(k, d, Y, X)` of labels `(k, Y, X)`."""
    settings = system.settings
    maps = ideal(labels, settings.dimensions, settings.cluster.reach_px)
    if noise:
        rough = np.random.default_rng(seed).standard_normal(maps.shape).astype(np.float32)
        smooth = ndimage.gaussian_filter(rough, (0, 0, 1, 1))
        maps = maps + np.float32(noise) * smooth / smooth.std()
    return maps


def blocks(labels: list[NDArray[np.int32]], noise: float, system: Hourglass, size: tuple[int, int]) -> Iterator:
    """Objects of every pair of frames, decoded in tiles as the engine does."""
    engine = BlockPredictor(system, torch.nn.Identity(), torch.device("cpu"))
    seen = [resized_labels(image, size) for image in labels]
    for t in range(1, len(labels)):
        pair = np.stack(seen[t - 1 : t + 1])

        def embed(rows: slice, columns: slice, pair: NDArray[np.int32] = pair, t: int = t) -> NDArray[np.float32]:
            return embedded(pair[:, rows, columns], noise, t, system)

        found = engine.decoded(embed, size, labels[0].shape).labels()
        if t == 1:
            yield np.stack([np.zeros_like(found[0]), found[0]])
        yield found


def bound(folder: Path, name: str, sequence: str, kind: str, native: bool, noise: float, frames: int | None) -> dict:
    """Scores of one sequence."""
    truth = ctc.read(folder / "ctc" / name / f"{sequence}_GT")
    count = min(len(truth.labels), frames or len(truth.labels))
    images = sorted((folder / "ctc" / name / f"{sequence}_{kind}" / "SEG").glob("man_seg*.tif"))[:count]
    labels = [ctc.read_labels(path) for path in images]
    system = Hourglass(HourglassSettings.parse(Hourglass.presets[name]))
    if native:
        system = Hourglass(enlarged(system.settings, labels[0].shape))
    size = system.settings.size_px or labels[0].shape
    began = time.process_time()
    found = list(blocks(labels, noise, system, (size[0], size[1])))
    seconds = time.process_time() - began
    lineage = linking.link_frames(iter(found), count, LinkSettings())
    mine = as_challenge([block[-1] for block in found], lineage)
    nodes = [np.unique(image)[1:] for image in labels]
    frame = np.repeat(np.arange(count), [len(ids) for ids in nodes]).astype(np.int32)
    track = np.concatenate(nodes).astype(np.int32)
    known = truth.lineage.parents[np.isin(truth.lineage.parents, track).all(axis=1)]
    real = as_challenge(labels, Lineage(frame, track, track, np.ones(len(track), np.float32), known))
    scores = score_sequence(mine[0], mine[1], real[0], real[1], dict(enumerate(real[0])))
    figures = {key: round(scores.figures[key].value, 4) for key in ("SEG", "DET", "TRA")}
    return {
        "data": f"{name} {sequence} {kind}",
        "size": "native" if native else "preset",
        "seen": list(size),
        "noise": noise,
        "frames": count,
        **figures,
        **divisions(scores.figures),
        "CPU ms per frame": round(1000 * seconds / count, 1),
    }


def enlarged(settings: HourglassSettings, size: tuple[int, ...]) -> HourglassSettings:
    """The settings for frames of another size, with the same objects in the same tiles."""
    known = settings.size_px or size
    zoom, cluster = float(np.sqrt(np.prod(size) / np.prod(known))), settings.cluster
    return settings.changed(
        size_px=tuple(size),
        tile_px=round(settings.tile_px * zoom),
        overlap_px=round(settings.overlap_px * zoom),
        cluster=cluster.changed(
            min_area_px=cluster.min_area_px * zoom**2,
            reach_px=cluster.reach_px * zoom,
            coordinate=cluster.coordinate / zoom,
        ).plain(),
    )


def divisions(figures: dict[str, Any]) -> dict[str, int]:
    """Divisions of the truth, those missed, and those made up; right ones have the right daughters in the frame."""
    truth, found = figures["DIV_R(0)"], figures["DIV_P(0)"]
    right = int(truth.how["right"])
    return {"divisions": truth.count, "missed": truth.count - right, "made up": found.count - right}


def as_challenge(images: list[NDArray[np.int32]], lineage: Lineage) -> tuple[list[NDArray[np.int32]], pd.DataFrame]:
    """Label images and table of tracks without gaps, as the challenge wants them."""
    cut = pieces(lineage.frame, lineage.track, lineage.parents)
    out = []
    for t, image in enumerate(images):
        here = lineage.frame == t
        out.append(remap(image, lineage.label[here], cut.id[cut.of_node[here]]))
    parent = np.where(cut.parent >= 0, cut.id[cut.parent], 0)
    table = pd.DataFrame({"track": cut.id, "first": cut.first, "last": cut.last, "parent": parent})
    return out, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("UNFADE_DATA", "../shared/data")))
    parser.add_argument("--case", nargs=3, action="append", metavar=("NAME", "SEQUENCE", "KIND"))
    parser.add_argument("--noise", type=float, nargs="+", default=(0.0, 0.1))
    parser.add_argument("--frames", type=int)
    parser.add_argument("--size", choices=("preset", "native", "both"), default="both")
    options = parser.parse_args()
    sizes = [False, True] if options.size == "both" else [options.size == "native"]
    for name, sequence, kind in options.case or CASES:
        for native in sizes:
            for noise in options.noise:
                found = bound(options.data, name, sequence, kind, native, noise, options.frames)
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
