"""What system hourglass costs beside its network, in inference and in its loss, and how much memory. Prints JSON.

usage: python benchmarks/hourglass_inference.py [--data FOLDER] [--only shares memory speed loss] [--frames N]
                                                [--tiles N]

`shares`: frames of DIC-C2DH-HeLa 01 at the preset's size. One single-frame pass of the network at the paper's width
against everything else that a frame costs: smoothing and resizing, clustering of noisy ideal embeddings of the silver
truth, bringing labels back, joining in time. Times are of the process, so that a busy machine counts little.
`memory`: frames of Fluo-N2DL-HeLa in windows of 8 at the paper's width; N of the 40 tiles go through the network, one
after the other as always, the others are told apart from nothing. Peak memory of the process, and the size of the
states that the streaming mode keeps of all tiles.
`speed`: seconds per frame of whole inference with a random network at the paper's width, exact and streaming, on the
fastest device there is: paper 4.5 s (DIC-C2DH-HeLa) and 140 s (Fluo-N2DL-HeLa) on a Titan V.
`loss`: the embedding loss of eight frames of 256 x 256 px, forwards and backwards, by the number of objects.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from scipy import ndimage

from unfade.instances.embedding import ideal
from unfade.link import LinkSettings
from unfade.link.pairs import PairLinker
from unfade.losses.embedding import embedding_terms, find_objects
from unfade.ops.device import pick_device
from unfade.ops.warp import resized_labels
from unfade.predict.blocks import BlockPredictor
from unfade.systems.hourglass import Hourglass, HourglassSettings


def engine(preset: str, device: str = "cpu", **settings: Any) -> BlockPredictor:
    """A random network of the paper's width in its engine."""
    torch.manual_seed(0)
    system = Hourglass(HourglassSettings.parse({**Hourglass.presets[preset], **settings}))
    return BlockPredictor(system, system.network(), pick_device(device))


def images(folder: Path, count: int) -> list[NDArray[Any]]:
    """The first frames of a folder of TIFF files."""
    return [tifffile.imread(path) for path in sorted(folder.glob("*.tif"))[:count]]


def shares(data: Path, count: int) -> dict[str, Any]:
    """Cost of everything but the network, as a share of one pass."""
    place = data / "ctc" / "DIC-C2DH-HeLa"
    frames = images(place / "01", count)
    predictor = engine("DIC-C2DH-HeLa")
    seen, passes = torch.zeros(1, 256, 256), {}
    for precision in ("float32", "auto"):
        predictor.precision = precision
        predictor.embeddings(seen, None)
        began = time.process_time()
        for _ in range(3):
            predictor.embeddings(seen, None)
        passes[precision] = (time.process_time() - began) / 3
    rng = np.random.default_rng(0)
    truth = [resized_labels(image.astype(np.int32), (256, 256)) for image in images(place / "01_ST" / "SEG", count)]
    linker, parts = PairLinker(LinkSettings()), dict.fromkeys(("seen", "decoded", "linked"), 0.0)
    state = linker.start()
    for t in range(1, count):
        maps = ideal(np.stack(truth[t - 1 : t + 1]), 16, 50.0)
        maps += 0.1 * ndimage.gaussian_filter(rng.standard_normal(maps.shape), (0, 0, 1, 1)).astype(np.float32) / 0.28
        began = time.process_time()
        predictor.seen(frames[t], 1.0)
        parts["seen"] += time.process_time() - began
        began = time.process_time()
        found = predictor.decoded(lambda rows, columns, maps=maps: maps[:, :, rows, columns], (256, 256), (512, 512))
        parts["decoded"] += time.process_time() - began
        began = time.process_time()
        state, _ = linker.push(state, found.labels())
        parts["linked"] += time.process_time() - began
    rest = sum(parts.values()) / (count - 1)
    each = {f"{name} ms": round(1000 * spent / (count - 1), 1) for name, spent in parts.items()}
    network = {f"network pass ms, {name}": round(1000 * spent, 1) for name, spent in passes.items()}
    share = {f"share, {name}": round(rest / spent, 3) for name, spent in passes.items()}
    return {**network, **each, **share, "frames": count}


def memory(data: Path, tiles: int) -> dict[str, Any]:
    """Peak memory with windows of 8 large frames."""
    frames = images(data / "ctc" / "Fluo-N2DL-HeLa-10frames" / "02", 8)
    predictor = engine("Fluo-N2DL-HeLa")
    window = np.stack([predictor.seen(frame, 1.0) for frame in frames])
    asked = 0

    def embed(rows: slice, columns: slice) -> NDArray[Any]:
        nonlocal asked
        asked += 1
        if asked <= tiles:
            return predictor.embeddings(torch.from_numpy(window[:, rows, columns]), None)[0][-2:]
        return np.stack([np.eye(16, dtype=np.float32)[0]] * 2)[:, :, None, None].repeat(256, 2).repeat(256, 3)

    predictor.decoded(embed, window.shape[1:], frames[0].shape)
    states = predictor.embeddings(torch.from_numpy(window[:1, :256, :256]), None)[1]
    held = asked * sum(t.numel() * t.element_size() for levels in states for t in levels) / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "frame": list(frames[0].shape),
        "tiles": asked,
        "through the network": tiles,
        "peak GiB": round(peak, 2),
        "states GiB": round(held, 2),
    }


def speed(data: Path, count: int) -> dict[str, Any]:
    """Seconds per frame, exact and streaming."""
    out: dict[str, Any] = {"device": str(pick_device("auto"))}
    for name, sequence in (("DIC-C2DH-HeLa", "01"), ("Fluo-N2DL-HeLa-10frames", "02")):
        frames = images(data / "ctc" / name / sequence, max(count, 2))
        for windows in ("exact", "streaming"):
            stage = engine(name.removesuffix("-10frames"), "auto", windows=windows).stage(0)
            state = stage.start()
            for frame in frames[:-1]:
                state, _ = stage.push(state, frame[None])
            began = time.perf_counter()
            stage.push(state, frames[-1][None])
            out[f"{name} {windows} s"] = round(time.perf_counter() - began, 3)
    return out


def loss() -> dict[str, float]:
    """Milliseconds of the loss by the number of objects, dense squares that fill the frames."""
    torch.manual_seed(0)
    out = {}
    for count in (25, 100, 484):
        side = round(count**0.5)
        place = torch.arange(256) * side // 256
        labels = (1 + place[:, None] * side + place).expand(1, 8, 256, 256).contiguous()
        maps = torch.randn(1, 8, 16, 256, 256, requires_grad=True)
        times = []
        for _ in range(4):
            began = time.process_time()
            terms = embedding_terms(maps, labels, find_objects(labels, 1.2 * 256 / side))
            torch.stack(list(terms.values())).sum().backward()
            times.append(time.process_time() - began)
        out[f"{count} objects ms"] = round(1000 * min(times), 1)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("UNFADE_DATA", "../shared/data")))
    parser.add_argument(
        "--only", nargs="+", choices=("shares", "memory", "speed", "loss"), default=("shares", "memory")
    )
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--tiles", type=int, default=2)
    options = parser.parse_args()
    for name in options.only:
        if name == "shares":
            found = shares(options.data, options.frames)
        elif name == "loss":
            found = loss()
        else:
            found = memory(options.data, options.tiles) if name == "memory" else speed(options.data, options.frames)
        print(json.dumps({name: found, "threads": torch.get_num_threads()}), flush=True)


if __name__ == "__main__":
    main()
