"""Settings of the clustering chosen on the validation part of a training folder.

usage: python experiments/hourglass/clustering.py FOLDER TRAINING [--bandwidth 0.1 0.2 0.3] [--area 25 50 75]

Prints JSON: AP over the validation stills or movies (as the training does) for every pair of a bandwidth and a least
area of objects, px as the network sees them. The bandwidths of table 3 of paper hourglass are 0.025 to 0.2.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

from unfade.datasets.stills import read_stills
from unfade.pipeline.training import score_stills
from unfade.registry import load
from unfade.weights.catalogue import load_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("training", type=Path)
    parser.add_argument("--bandwidth", type=float, nargs="+", default=(0.1, 0.2, 0.3))
    parser.add_argument("--area", type=float, nargs="+", default=(25.0, 50.0, 75.0))
    options = parser.parse_args()
    weights, kind = load_weights("hourglass", options.training), load("systems", "hourglass")
    held = read_stills(options.folder, ("val",))
    for bandwidth, area in product(options.bandwidth, options.area):
        cluster = {**weights.settings["cluster"], "bandwidth": bandwidth, "min_area_px": area}
        system = kind(kind.settings_type.parse({**weights.settings, "cluster": cluster}))
        found = score_stills(system, weights.into(system.network()).eval(), held)
        rounded = {name: round(value, 4) for name, value in found.items()}
        print(json.dumps({"bandwidth": bandwidth, "least area px": area, **rounded}), flush=True)


if __name__ == "__main__":
    main()
