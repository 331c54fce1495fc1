"""Does a rollout decay? Dice of every frame of sequences whose nuclei are invisible from frame 8 to the end.

usage: python experiments/lexy/decay.py DATA SYSTEM=WEIGHTS [SYSTEM=WEIGHTS ...]

DATA is what `prepare_synthetic.py` makes; its held-out `sequences` come from stills that no training saw. WEIGHTS is a
file, a training folder or a shipped name. Sequences are shown to a system at the zoom that suits their true median
diameter. Prints, for each pair, the mean Dice per frame, frame 2, the worst frame, the mean over the invisible frames 8
to 29, and the figures in the paper's form.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from evaluate import on_sequences

from unfade.datasets.stills import read_stills
from unfade.registry import load
from unfade.weights.catalogue import load_weights

INVISIBLE = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("pairs", nargs="+", metavar="SYSTEM=WEIGHTS")
    options = parser.parse_args()
    movies = read_stills(options.data / "sequences", ("test",))
    for pair in options.pairs:
        name, _, path = pair.partition("=")
        weights = load_weights(name, path or None)
        kind = load("systems", name)
        system = kind(kind.settings_type.parse(weights.settings))
        found = on_sequences(system, weights.into(system.network()), movies)
        course = found["course"]
        print(
            json.dumps(
                {
                    "system": name,
                    "weights": weights.name,
                    "sequences": len(movies),
                    "frame 2": course[2],
                    "worst frame": min(course),
                    "invisible": round(float(np.mean(course[INVISIBLE:])), 4),
                    "course": course,
                    **found["figures"],
                }
            )
        )


if __name__ == "__main__":
    main()
