"""Turn a finished training into weights that ship: half precision, with a passport beside them.

usage: python experiments/ship.py TRAINING NAME --to FOLDER --data TEXT --licence SPDX --command TEXT --machine TEXT
           --scores scores.json [--notes TEXT] [--last] [--mean-with WEIGHTS]

TRAINING holds `best.safetensors` and `curves.csv` as `unfade train` leaves them. `scores.json` maps figure names to
numbers, as a benchmark printed them for these very weights. With `--last` the averaged weights of the last step ship
instead of the best by validation; with `--mean-with` the mean of them and of the weights that the training began from,
which keeps more of what those could do (Wortsman et al., "Model soups", ICML 2022; "Robust fine-tuning", CVPR 2022).
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
from pathlib import Path

from unfade.ops.tensorfile import read_tensors
from unfade.pipeline.training import TrainingSettings
from unfade.registry import load
from unfade.settings import read_toml
from unfade.train.checkpoint import load_progress
from unfade.weights.catalogue import save_weights
from unfade.weights.passport import Passport, file_hash, write_passport


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training", type=Path)
    parser.add_argument("name")
    for option in ("to", "data", "licence", "command", "machine", "scores"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--notes", default="")
    parser.add_argument("--last", action="store_true")
    parser.add_argument("--mean-with", type=Path, metavar="WEIGHTS")
    options = parser.parse_args()
    recipe = TrainingSettings.parse(read_toml(options.training / "train.toml"))
    kind = load("systems", recipe.system)
    settings = kind.settings_type.parse({**kind.presets[recipe.preset], **recipe.settings})
    system = kind(settings)
    path = Path(options.to) / f"{options.name}.safetensors"
    state, known = read_tensors(options.training / "best.safetensors")
    if options.last:
        state, known = load_progress(options.training / "last.pt")["average"], {}
    if options.mean_with is not None:
        first, _ = read_tensors(options.mean_with)
        state = {k: (v.float() / 2 + first[k].float() / 2).to(v.dtype) for k, v in state.items()}
    system.network().load_state_dict(state)
    save_weights(path, system.name, settings.plain(), state, half=True)
    with (options.training / "curves.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["step"]: row for row in csv.DictReader(file)}
    last = rows.get(known.get("step", ""), list(rows.values())[-1])  # of the weights, else of the training
    passport = Passport(
        name=options.name,
        system=system.name,
        settings=settings.plain(),
        data=options.data,
        licence=options.licence,
        recipe=recipe.plain(),
        command=options.command,
        machine=options.machine,
        minutes=round(float(last["minutes"]), 1),
        steps=int(last["step"]),
        date=datetime.date.today().isoformat(),
        parameters=sum(p.numel() for p in system.network().parameters()),
        sha256=file_hash(path),
        scores=json.loads(Path(options.scores).read_text(encoding="utf-8")),
        notes=options.notes,
    )
    write_passport(path.with_suffix(".json"), passport)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
