"""What workers gain and what many small movies cost.

usage: python benchmarks/scale.py [--frames 60] [--side 512] [--positions 500] [--checks ratio tiny]

ratio: the same movie run by one process of one thread, then by two worker processes of one thread each, without the
time that the processes take to start, which is told beside it; the labels of both are compared. As a control the two
halves of the movie are run at the same time by two plain processes that know nothing of each other: more than that this
machine does not give (two threads of one core give less than two cores). "efficiency" is the ratio of dask over that of
the control. All processes are as warm as each other: each has run four frames before.
tiny: many positions of two frames of 64 x 64 pixels in one batch without reports; time per position beyond the time
in the network.
Prints the load of the machine beside the figures.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from big_frames import write

from unfade import Way, api
from unfade.data import open_labels
from unfade.data.tiff_writer import write_ome_tiff
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.settings import RunSettings
from unfade.records import Movie
from unfade.scale.cluster import cores
from unfade.testing.movies import tiny

SETTINGS = RunSettings.parse({"predict": {"diameter": 12.0}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--positions", type=int, default=500)
    parser.add_argument("--checks", nargs="+", default=["ratio", "tiny"])
    options = parser.parse_args()
    out: dict[str, object] = {"cores": cores(), "load before": os.getloadavg()}
    with tempfile.TemporaryDirectory() as place:
        if "ratio" in options.checks:
            out |= ratio(Path(place), options.frames, options.side)
        if "tiny" in options.checks:
            out |= overhead(Path(place), options.positions)
    print(json.dumps({**out, "load after": os.getloadavg()}, indent=2))


PLAIN = """
import sys, time
import torch
from pathlib import Path
from unfade import api
from unfade.pipeline.settings import RunSettings
torch.set_num_threads(1)
movie, place, frames = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
def run(name, frames):
    settings = RunSettings.parse({"predict": {"diameter": 24.0}, "input": {"read": {"frames": frames}}})
    api.run(movie, place / name, settings)
run("warm", "0:4")
print("ready", flush=True)
sys.stdin.readline()
began = time.perf_counter()
run("run", frames)
print(time.perf_counter() - began, flush=True)
"""


def ratio(place: Path, frames: int, side: int) -> dict[str, object]:
    """Seconds of one process, of two workers and of two plain processes, and whether they found the same."""
    movie = place / "movie.zarr"
    write(movie, (frames, 2, side, side))
    half = frames // 2
    alone = together(movie, place, {"one": f"0:{frames}"})
    control = together(movie, place, {"left": f"0:{half}", "right": f"{half}:{frames}"})
    chosen = RunSettings.parse({"predict": {"diameter": 24.0}, "input": {"read": {"frames": f"0:{frames}"}}})
    began = time.perf_counter()
    with api.cluster("local:2") as pool:
        started = time.perf_counter() - began
        first = chosen.changed(input={"read": {"frames": "0:4"}})
        api.run(movie, place / "warm2", first, way=Way(pool=pool))
        warm = time.perf_counter() - began - started
        began = time.perf_counter()
        api.run(movie, place / "two", chosen, way=Way(pool=pool))
        both = time.perf_counter() - began
    labels = [np.asarray(open_labels(path)) for path in (place / "one" / "run", place / "two")]
    runs = {"one": place / "one" / "run", "two workers": place / "two", "left half": place / "left" / "run"}
    stages = {n: {k: v["seconds"] for k, v in stages_of(path).items()} for n, path in runs.items()}
    return {
        "frames": [frames, side, side],
        "one process, s": round(alone, 2),
        "two workers, s": round(both, 2),
        "workers started in, s": round(started, 2),
        "four frames to warm them, s": round(warm, 2),
        "two plain processes, half each, s": round(control, 2),
        "ratio": round(alone / both, 2),
        "ratio of the control": round(alone / control, 2),
        "efficiency": round(control / both, 2),
        "same labels": bool(np.array_equal(*labels)),
        "stages, s": stages,
    }


def together(movie: Path, place: Path, parts: dict[str, str]) -> float:
    """Seconds until plain processes, one for each range of frames, have run them all; begun when all are warm."""
    begun = []
    for name, part in parts.items():
        command = [sys.executable, "-c", PLAIN, str(movie), str(place / name), part]
        begun.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in begun:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit("a plain process failed")
    began = time.perf_counter()
    for process in begun:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in begun:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise SystemExit("a plain process failed")
    spent = time.perf_counter() - began
    for process in begun:
        process.communicate()
    return spent


def stages_of(run: Path) -> dict[str, dict[str, float]]:
    return dict(RunFolder(run).read_manifest()["stages"])


def overhead(place: Path, count: int) -> dict[str, object]:
    """Seconds per tiny position beyond the network's."""
    folder = place / "positions"
    folder.mkdir()
    frames = np.stack([tiny().frame(t).image for t in (0, 1)])
    write_ome_tiff(folder / "p0.ome.tif", Movie.of(frames, ("marker", "reporter")))
    for n in range(1, count):
        (folder / f"p{n}.ome.tif").write_bytes((folder / "p0.ome.tif").read_bytes())
    api.run(folder / "p0.ome.tif", place / "first", SETTINGS)  # imports
    began, used = time.perf_counter(), time.process_time()
    screen = api.batch(folder, place / "screen", SETTINGS)
    whole, busy = time.perf_counter() - began, time.process_time() - used
    runs = [stages_of(screen.root / o.name) for o in screen.outcomes]
    network = sum(float(stages["segment"]["network_seconds"]) for stages in runs)
    return {
        "positions": [len(screen.outcomes), screen.failed],
        "per position, s": round(whole / count, 4),
        "network per position, s": round(network / count, 4),
        "beyond the network per position, s": round((whole - network) / count, 4),
        "processor time per position, s": round(busy / count, 4),
    }


if __name__ == "__main__":
    main()
