"""Peak memory of a run over a movie and over the same movie repeated ten times in time.

usage: python benchmarks/memory.py MOVIE [--times 10] [--weights W] [--segment-channel C]

Each run is a process of its own; the repeated movie is written as an OME-TIFF beside the temporary run folders.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from unfade import api
from unfade.data.tiff_writer import write_ome_tiff
from unfade.pipeline.settings import RunSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--weights")
    parser.add_argument("--segment-channel", default="0")
    parser.add_argument("--out", type=Path, help="only run, and print this process's own peak")
    options = parser.parse_args()
    if options.out is not None:
        settings = RunSettings.parse(
            {
                "system": {"weights": options.weights} if options.weights else {},
                "input": {"segment_channel": options.segment_channel},
            }
        )
        api.run(options.movie, options.out, settings)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as place:
        once, folder = api.open_movie(options.movie), Path(place)
        n = len(once)
        many = replace(
            once,
            shape=(n * options.times, *once.shape[1:]),
            read=lambda t: once.read(t % n),
            calibration=replace(once.calibration, times_s=None),
        )
        for name, movie in (("once", once), ("many", many)):
            write_ome_tiff(folder / f"{name}.ome.tif", movie)
        peaks = {name: peak(folder, name, options) for name in ("once", "many")}
    print(
        json.dumps(
            {
                "frames": [n, n * options.times],
                "peak MiB": [round(peaks["once"]), round(peaks["many"])],
                "ratio": round(peaks["many"] / peaks["once"], 3),
            },
            indent=2,
        )
    )


def peak(folder: Path, name: str, options: argparse.Namespace) -> float:
    command = [sys.executable, __file__, str(folder / f"{name}.ome.tif"), "--out", str(folder / name)]
    command += ["--segment-channel", options.segment_channel]
    command += ["--weights", options.weights] if options.weights else []
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
