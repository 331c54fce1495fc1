"""A watched folder under a microscope that writes a frame every 1.2 times the offline time of a frame.

usage: python benchmarks/watch.py [--frames 200] [--side 1024] [--broken 50 120]

Two channels of nuclei of 24 px, one in every 64 x 64 pixels, drift by a pixel per frame. Another process writes the
frames one by one; at the numbers given by --broken it also leaves a half-written file behind, as a writer that died
does. Prints how many frames came through, the median and the 95th percentile of the latency (from the end of writing to
the last result on disk), what of it was spent on the frame itself, and the load of the machine; and on the error
channel where it is, every 20 frames. It takes about 200 times 1.2 times the offline time, and as long again as linking
and measuring the frames once.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from unfade import Session, Vigil, api
from unfade.pipeline.settings import RunSettings
from unfade.pipeline.watching import Seen

SETTINGS = RunSettings.parse({"predict": {"diameter": 24.0}, "input": {"read": {"axes": "TCYX"}}})
FACTOR = 1.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--broken", type=int, nargs="*", default=[50, 120])
    options = parser.parse_args()
    images = [frame(options.side, shift) for shift in (0, 1, 2, 3, 2, 1)]
    offline = per_frame(images)
    say(f"offline {offline:.3f} s per frame, one frame every {FACTOR * offline:.3f} s")
    before, seen = os.getloadavg(), list[Seen]()
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "frames"
        source.mkdir()
        job = (source, images, options.frames, FACTOR * offline, options.broken)
        writer = multiprocessing.get_context("spawn").Process(target=feed, args=job)
        writer.start()
        vigil = Vigil(timeout_s=max(20.0, 20 * offline), patience_s=3.0, report_s=60.0)

        def tell(one: Seen) -> None:
            seen.append(one)
            if len(seen) % 20 == 0:
                say(f"{len(seen)} frames, the last with a latency of {one.latency_s:.2f} s")

        folder = api.watch(source, Path(name) / "out", SETTINGS, tell, vigil)
        writer.join()
        facts = folder.read_manifest()
        rows = facts["stages"]["measure"]["objects"]
    latency, work = (np.array(v) for v in zip(*((s.latency_s, s.result.seconds) for s in seen), strict=True))
    out = {
        "frames written": options.frames,
        "frames through": len({s.name for s in seen}),
        "frames in the run": facts["input"]["shape"][0],
        "left out": facts["watched"],
        "objects": rows,
        "offline per frame, s": round(offline, 3),
        "interval, s": round(FACTOR * offline, 3),
        "latency median, s": round(float(np.median(latency)), 3),
        "latency 95th percentile, s": round(float(np.percentile(latency, 95)), 3),
        "latency largest, s": round(float(latency.max()), 3),
        "of it spent on the frame, median, s": round(float(np.median(work)), 3),
        "latency beyond the frame's own work, median, s": round(float(np.median(latency - work)), 3),
        "load before and after": [before, os.getloadavg()],
    }
    print(json.dumps(out, indent=2))


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def frame(side: int, shift: int) -> np.ndarray:
    """Nuclei of 24 px in a grid of 64 px, moved down by `shift`, in two channels with noise."""
    y, x = np.mgrid[:side, :side]
    rng = np.random.default_rng(shift)
    disc = 400 / (1 + np.exp((np.hypot((y - shift) % 64 - 32, x % 64 - 32) - 12) / 1.5))
    return np.stack([disc + rng.normal(100, 8, disc.shape) for _ in range(2)]).astype(np.uint16)


def per_frame(images: list[np.ndarray], count: int = 15) -> float:
    """Median seconds of a frame in a session, the first ones left out, as a run spends them."""
    session = Session(SETTINGS, ("channel 0", "channel 1"))
    times = [session.push(images[t % len(images)]).seconds for t in range(count)]
    return float(np.median(times[3:]))


def feed(source: Path, images: list[np.ndarray], count: int, interval_s: float, broken: list[int]) -> None:
    """Write frames at even intervals; some files are left half-written beside the good ones."""
    began = time.monotonic()
    for t in range(count):
        time.sleep(max(0.0, began + t * interval_s - time.monotonic()))
        tifffile.imwrite(source / f"t{t:04d}.tif", images[t % len(images)], photometric="minisblack")
        if t in broken:
            whole = (source / f"t{t:04d}.tif").read_bytes()
            (source / f"t{t:04d}x.tif").write_bytes(whole[: len(whole) // 3])


if __name__ == "__main__":
    main()
