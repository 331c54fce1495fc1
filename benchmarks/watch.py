"""A watched folder under a microscope that writes a frame every 1.2 times the offline time of a frame.

usage: python benchmarks/watch.py [--frames 200] [--side 1024] [--broken 50 120]

The frames of a synthetic movie are written one by one by another process; at the numbers given by --broken it also
leaves a half-written file behind, as a writer that died does. Prints how many frames came through, the median and the
95th percentile of the latency (from the end of writing to the last result on disk), and the load of the machine.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from unfade import Session, Vigil, api
from unfade.pipeline.settings import RunSettings
from unfade.pipeline.watching import Seen
from unfade.testing.movies import tiny

SETTINGS = RunSettings.parse({"predict": {"diameter": 12.0}, "input": {"read": {"axes": "TCYX"}}})
FACTOR = 1.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--broken", type=int, nargs="*", default=[50, 120])
    options = parser.parse_args()
    images = [np.tile(tiny().frame(t).image, (1, options.side // 64, options.side // 64)) for t in range(5)]
    offline = per_frame(images)
    before, seen = os.getloadavg(), list[Seen]()
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "frames"
        source.mkdir()
        job = (source, images, options.frames, FACTOR * offline, options.broken)
        writer = multiprocessing.get_context("spawn").Process(target=feed, args=job)
        writer.start()
        vigil = Vigil(timeout_s=max(20.0, 20 * offline), patience_s=3.0, report_s=60.0)
        folder = api.watch(source, Path(name) / "out", SETTINGS, seen.append, vigil)
        writer.join()
        facts = folder.read_manifest()
        rows = facts["stages"]["measure"]["objects"]
    latency = np.array([s.latency_s for s in seen])
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
        "load before and after": [before, os.getloadavg()],
    }
    print(json.dumps(out, indent=2))


def per_frame(images: list[np.ndarray], count: int = 15) -> float:
    """Median seconds of a frame in a session, the first ones left out."""
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
