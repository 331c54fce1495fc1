"""What workers gain and what many small movies cost.

usage: python benchmarks/scale.py [--frames 40] [--side 512] [--positions 500] [--checks ratio tiny]

ratio: the same movie run by one process of one thread, then by two worker processes of one thread each, without the
time that the processes take to start; the labels of both are compared.
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
import tempfile
import time
from pathlib import Path

import numpy as np

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
    parser.add_argument("--frames", type=int, default=40)
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


def ratio(place: Path, frames: int, side: int) -> dict[str, object]:
    """Seconds of one process and of two, and whether they found the same."""
    import torch

    torch.set_num_threads(1)
    movie = place / "movie.ome.tif"
    times = side // 64
    shots = [np.tile(tiny().frame(t % 5).image, (1, times, times)) for t in range(frames)]
    write_ome_tiff(movie, Movie.of(np.stack(shots), ("marker", "reporter")))
    first = SETTINGS.changed(input={"read": {"frames": "0:4"}})
    api.run(movie, place / "warm", first)
    began = time.perf_counter()
    api.run(movie, place / "one", SETTINGS)
    alone = time.perf_counter() - began
    with api.cluster("local:2") as pool:
        api.run(movie, place / "warm2", first, way=Way(pool=pool))
        began = time.perf_counter()
        api.run(movie, place / "two", SETTINGS, way=Way(pool=pool))
        both = time.perf_counter() - began
    labels = [np.asarray(open_labels(place / name)) for name in ("one", "two")]
    stages = {n: {k: v["seconds"] for k, v in stages_of(place / n).items()} for n in ("one", "two")}
    return {
        "frames": [frames, side, side],
        "one process, s": round(alone, 2),
        "two processes, s": round(both, 2),
        "ratio": round(alone / both, 2),
        "same labels": bool(np.array_equal(*labels)),
        "stages, s": stages,
    }


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
