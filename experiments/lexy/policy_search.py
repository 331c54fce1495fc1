"""Search of an augmentation policy: random combinations, each trained a little, the best on validation kept.

usage: python experiments/lexy/policy_search.py DATA TRAININGS [--policies 8] [--minutes 3] [--seed 0]

A plain stand-in for AutoAugment, which paper lexy names (section 4): `augment.policy.draw_policy` draws combinations of
elastic deformation, perspective, sharpness, blur, noise, brightness and contrast; the first one is none at all. The
network is the row `lexy-unet-plain-dice`, narrow, and all are validated on the same plain crops. Writes
`results/policy-search.json`.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import table
from rows import HERE, Row, read_row, write_result

from unfade import api
from unfade.augment.policy import Policy, draw_policy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("trainings", type=Path)
    parser.add_argument("--policies", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    row = read_row(HERE / "lexy-unet-plain-dice.toml")
    assert row.training is not None
    rng = np.random.default_rng(options.seed)
    settings = table.small(table.with_steps(row.training, table.frames_seen(row, options.data)), options.minutes)
    tried: list[dict[str, Any]] = []
    for number in range(options.policies):
        policy = Policy() if number == 0 else draw_policy(rng)
        folder = options.trainings / f"policy-{options.seed}-{number}"
        chosen = settings.changed(sampler={**settings.sampler, "policy": policy.plain()})
        api.train(options.data / "stills", folder, chosen)
        with (folder / "curves.csv").open(newline="", encoding="utf-8") as file:
            dice = max(float(line["Dice"]) for line in csv.DictReader(file))
        tried.append({"policy": {k: round(v, 3) for k, v in policy.plain().items()}, "validation Dice": round(dice, 4)})
        print(tried[-1], flush=True)
    best = max(tried, key=lambda one: one["validation Dice"])
    found = Row("policy-search", {"table": "next", "label": "policy search", "network": "U-Net, narrow"}, None)
    write_result(found, {"tried": tried, "best": best, "minutes each": options.minutes})


if __name__ == "__main__":
    main()
