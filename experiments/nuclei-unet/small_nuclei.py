r"""Only the stills of small nuclei, as a training folder: is it the network's size that limits their outlines?

usage: python experiments/nuclei-unet/small_nuclei.py STILLS FOLDER [--below 14]

FOLDER gets the stills of STILLS whose median nucleus is under `--below` pixels wide, in the parts that they have there.
A network that learns nothing else spends all it can hold on them:

unfade train --system nuclei-unet --data FOLDER --weights nuclei-unet-dsb2018 -o RUN --minutes 25 --steps 100000 \
    --rate 0.0006 --check-every 500 --workers 0
python benchmarks/stills.py STILLS --part val --checks sizes --weights RUN/best.safetensors
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from unfade.datasets.stills import read_stills, write_stills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stills", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--below", type=float, default=14.0)
    options = parser.parse_args()
    chosen = [still for still in read_stills(options.stills) if still.diameter_px < options.below]
    write_stills(options.folder, chosen)
    print(dict(Counter(still.part for still in chosen)))


if __name__ == "__main__":
    main()
