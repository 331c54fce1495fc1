"""Peak memory of runs of huge frames, each a process of its own measured by GNU time.

usage: python benchmarks/big_frames.py [--cases 4096 16000 growth] [--frames 20]

4096: an OME-Zarr of --frames frames of 4096 x 4096 pixels and three channels, all measured.
16000: one frame of 16,000 x 16,000 pixels of one channel.
growth: 30 and 130 frames of 512 x 512 pixels, for the memory that each further frame costs.
Everything is the real run with the shipped network: reading, segmenting, linking, label images, tables and report. The
network takes most of the time, about 0.6 s per million pixels on one thread of a processor of 2023: four minutes for
either of the large cases. Prints the maximum resident set of each process in MiB ("/usr/bin/time -v", else what the
system tells of the child), what is left to 3 GB, and the seconds of each stage.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import zarr

RUN = """
import sys
from unfade import api
from unfade.pipeline.settings import RunSettings
api.run(sys.argv[1], sys.argv[2], RunSettings.parse({"predict": {"diameter": 24.0}}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=["4096", "16000", "growth"])
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--place", type=Path, help="folder for the movies; they take up to 3 GB")
    options = parser.parse_args()
    out: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=options.place) as name:
        place = Path(name)
        if "4096" in options.cases:
            out["4096 x 4096, 3 channels"] = measured(place, (options.frames, 3, 4096, 4096))
        if "16000" in options.cases:
            out["16000 x 16000"] = measured(place, (1, 1, 16000, 16000))
        if "growth" in options.cases:
            few, many = (measured(place, (n, 1, 512, 512)) for n in (30, 130))
            out["512 x 512, 30 frames"], out["512 x 512, 130 frames"] = few, many
            out["MiB per further frame"] = round((many["peak MiB"] - few["peak MiB"]) / 100, 3)
    print(json.dumps(out, indent=2))


def measured(place: Path, shape: tuple[int, int, int, int]) -> dict[str, Any]:
    """Peak memory and seconds of one run."""
    movie, run = place / "movie.zarr", place / "run"
    write(movie, shape)
    began = time.perf_counter()
    command = [sys.executable, "-c", RUN, str(movie), str(run)]
    timer = shutil.which("time", path="/usr/bin")
    done = subprocess.run([timer, "-v", *command] if timer else command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = re.search(r"Maximum resident set size \(kbytes\): (\d+)", done.stderr)
    peak = int(found[1]) if found else resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    seconds = round(time.perf_counter() - began, 1)
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    for path in (movie, run):
        shutil.rmtree(path)
    out = {
        "frames": shape[0],
        "objects": stages["measure"]["objects"],
        "peak MiB": round(peak / 1024),
        "GB under 3 GB": round(3 - peak * 1024 / 1e9, 2),
        "seconds": seconds,
        "stages, s": {name: stage["seconds"] for name, stage in stages.items()},
    }
    sys.stderr.write(f"{shape}: {json.dumps(out)}\n")
    return out


def write(path: Path, shape: tuple[int, int, int, int]) -> None:
    """A movie of nuclei on a grid, each a soft disc of 24 px, with noise."""
    rng, side = np.random.default_rng(0), 512
    y, x = np.mgrid[:side, :side] % 64 - 32
    disc = 400.0 / (1 + np.exp((np.hypot(y, x) - 12) / 1.5))
    root = zarr.create_group(path)
    axes = [{"name": n, "type": k} for n, k in zip("tcyx", ("time", "channel", "space", "space"), strict=True)]
    root.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    array = root.create_array("0", shape=shape, chunks=(1, 1, min(1024, shape[2]), min(1024, shape[3])), dtype="u2")
    times = [-(-n // side) for n in shape[2:]]
    for t in range(shape[0]):
        tile = (disc + rng.normal(100, 8, disc.shape)).astype(np.uint16)
        frame = np.tile(tile, times)[: shape[2], : shape[3]]
        for c in range(shape[1]):
            array[t, c] = frame


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    main()
