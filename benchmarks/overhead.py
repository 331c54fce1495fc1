"""What a run costs beside its network, and how fast the network is.

usage: python benchmarks/overhead.py MOVIE [--weights W] [--segment-channel C]

One process, imports and the first pass excluded. Prints the time of a run of MOVIE outside the network, beside the
float32 forward time of the full-width network of paper nuclei-unet on the same frames; and the time per megapixel of
the shipped network in float32 and as it runs by default (channels-last, bfloat16 where that is faster), with the share
of label pixels that differ between the two.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from unfade import api
from unfade.models.unet import resnet18_unet
from unfade.ops.device import pick_device
from unfade.pipeline import segmenting
from unfade.pipeline.settings import PredictSettings, RunSettings, SystemSettings
from unfade.predict.frames import FramePredictor
from unfade.predict.tiled import predict_tiled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--segment-channel", default="0")
    parser.add_argument("--measure-channel", action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(2)
    settings = RunSettings.parse(
        {
            "system": {"weights": options.weights} if options.weights else {},
            "input": {"segment_channel": options.segment_channel, "measure_channels": options.measure_channel},
        }
    )
    clock = Clock()
    run_once(options.movie, settings, clock)  # imports, caches
    clock.seconds, clock.passes = 0.0, 0
    whole = run_once(options.movie, settings, clock)
    movie = api.open_movie(options.movie)
    paper = paper_forward(movie, movie.channel(options.segment_channel))
    out = {
        "frames": len(movie),
        "run, s": round(whole, 2),
        "of that the network, s": round(clock.seconds, 2),
        "everything else, s": round(whole - clock.seconds, 2),
        "paper network float32 forward, s": round(paper, 2),
        "everything else / paper network": round((whole - clock.seconds) / paper, 3),
        **per_megapixel(movie, movie.channel(options.segment_channel), options.weights),
    }
    print(json.dumps(out, indent=2))


class Clock:
    """Adds up the time spent inside the network's forward pass."""

    def __init__(self) -> None:
        self.seconds, self.passes = 0.0, 0
        forward = FramePredictor._apply

        def timed(predictor: FramePredictor, tile: torch.Tensor) -> torch.Tensor:
            began = time.perf_counter()
            out = forward(predictor, tile)
            self.seconds += time.perf_counter() - began
            self.passes += 1
            return out

        FramePredictor._apply = timed  # type: ignore[method-assign]


def run_once(movie: Path, settings: RunSettings, clock: Clock) -> float:
    folder = Path(tempfile.mkdtemp())
    try:
        began = time.perf_counter()
        api.run(movie, folder / "run", settings)
        return time.perf_counter() - began
    finally:
        shutil.rmtree(folder)


def paper_forward(movie: api.Movie, channel: int) -> float:
    """Seconds of the full-width network in float32, channels-last, over all frames as one tile each."""
    network = resnet18_unet().eval().to(memory_format=torch.channels_last)
    frames = [torch.from_numpy(np.asarray(f, np.float32))[None, None] for f in movie.frames(channel)]
    with torch.inference_mode():
        predict_tiled(network, frames[0], 16, 64)
        began = time.perf_counter()
        for frame in frames:
            predict_tiled(network, frame.contiguous(memory_format=torch.channels_last), 16, 64)
        return time.perf_counter() - began


def per_megapixel(movie: api.Movie, channel: int, weights: str | None) -> dict[str, float]:
    system, loaded = segmenting.open_system(SystemSettings(weights=weights))
    frames = [movie.frame(t)[channel : channel + 1] for t in range(0, len(movie), max(1, len(movie) // 5))]
    out: dict[str, float] = {}
    labels = {}
    for precision in ("float32", "auto"):
        predictor = segmenting.open_predictor(system, loaded, PredictSettings(precision=precision))
        labels[precision] = [predictor.instances(f).labels()[0] for f in frames]
        tensors = [torch.from_numpy(np.asarray(f, np.float32))[None] for f in frames]
        with torch.inference_mode():
            began = time.perf_counter()
            for tensor in tensors:
                predict_tiled(predictor._apply, tensor, predictor.system.view.stride, 64)
            spent = time.perf_counter() - began
        pixels = sum(t.numel() for t in tensors) / 1e6
        out[f"network s/megapixel, {precision}"] = round(spent / pixels, 3)
    differ = [np.mean((a > 0) != (b > 0)) for a, b in zip(labels["float32"], labels["auto"], strict=True)]
    out["foreground pixels that differ between precisions, %"] = round(100 * float(np.mean(differ)), 3)
    out["device is cpu"] = float(pick_device().type == "cpu")
    return out


if __name__ == "__main__":
    main()
