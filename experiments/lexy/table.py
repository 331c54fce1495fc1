"""Tables 1 to 6 of paper lexy, and the rows of what it proposes next: train, evaluate, print.

usage: python experiments/lexy/table.py DATA TRAININGS [ROW ...] [--table 1-2] [--small MINUTES] [--encoder-weights W]
                                        [--print]

DATA is what `prepare_synthetic.py` makes. A row is trained on DATA/stills (rows that say so on DATA/sequences) in
TRAININGS/<row>, a stopped training goes on, and is evaluated on held-out stills with estimates of previous masks and
on rollouts over held-out sequences. What comes out is written to `results/<row>.json`.

`--small MINUTES` is a narrow, short version for a processor: 16 channels instead of 64, batch normalisation, a rate of
1e-3, a random start, MINUTES of training; its results go to `results/small/` and are never mixed with the others.
Without ROW or --table all rows run, on one GPU in one command.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import Any

import rows as files
from evaluate import cell, on_sequences, on_stills
from rows import Row, read_result, rows_of, write_result

from unfade import api
from unfade.datasets.stills import Still, read_stills
from unfade.pipeline.training import TrainingSettings
from unfade.registry import load
from unfade.train.estimates import EstimateSettings
from unfade.weights.catalogue import load_weights

TABLES = ("1-2", "3-4", "5-6", "next")
SMALL = {"width": 16, "batch_norm": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("trainings", type=Path)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--table", choices=TABLES)
    parser.add_argument("--small", type=float, metavar="MINUTES")
    parser.add_argument("--encoder-weights", help="instead of what the rows say: imagenet, none or a file")
    parser.add_argument("--print", action="store_true", dest="only_print")
    options = parser.parse_args()
    if options.small is not None:
        files.RESULTS = files.RESULTS / "small"
    tables = (options.table,) if options.table else TABLES
    chosen = [row for table in tables for row in rows_of(table) if not options.rows or row.name in options.rows]
    if not options.only_print:
        for row in chosen:
            run(row, options)
    for table in tables:
        print_table(table)


def run(row: Row, options: argparse.Namespace) -> None:
    """Train a row and write what came out."""
    assert row.training is not None
    data = options.data / row.about["data"]
    settings = with_steps(row, row.training, read_stills(data, ("train",)))
    if options.small is not None:
        settings = small(settings, options.small)
    if options.encoder_weights is not None:
        settings = settings.changed(encoder_weights=options.encoder_weights)
    folder = options.trainings / row.name
    api.train(data, folder, settings)
    system, network, spent = trained(settings.system, folder)
    stills = read_stills(options.data / ("cells" if system.settings.cytosol else "stills"), ("test",))
    sequences = read_stills(options.data / "sequences", ("test",))
    crop = EstimateSettings(crop_px=settings.sampler.get("crop_px", 128), native=1.0, empty=0.0)
    rolled = on_sequences(system, network, sequences)
    write_result(
        row,
        {
            "stills": on_stills(system, network, stills, crop),
            "rollouts": rolled["figures"],
            **({"cytosol": on_stills(system, network, stills, crop, which=1)} if system.settings.cytosol else {}),
            "course": rolled["course"],
            "parameters": sum(p.numel() for p in network.parameters()),
            "small": options.small is not None,
            **spent,
        },
    )


def with_steps(row: Row, settings: TrainingSettings, stills: list[Still]) -> TrainingSettings:
    """As many steps as the row's epochs are on these stills, one crop a frame and epoch; ten validations."""
    images = sum(len(still.labels) for still in stills)
    steps = math.ceil(row.about["epochs"] * images / settings.sampler["batch"])
    train = settings.train.changed(steps=steps, check_every=max(1, steps // 50), save_every=max(1, steps // 50))
    return settings.changed(train=train.plain())


def small(settings: TrainingSettings, minutes: float) -> TrainingSettings:
    """The narrow, short version of a row."""
    train = settings.train.changed(
        steps=5000, minutes=minutes, rate=1e-3, schedule="cosine", average=0.98, check_every=100, workers=0
    )
    sampler = {**settings.sampler, "batch": min(settings.sampler["batch"], 12), "crop_px": 96}
    if "frames" in sampler:
        sampler["batch"] = 4
    return settings.changed(
        settings={**settings.settings, **SMALL}, sampler=sampler, encoder_weights="none", train=train.plain()
    )


def trained(name: str, folder: Path) -> tuple[Any, Any, dict[str, float]]:
    """System and network of a training, and how long it took."""
    weights = load_weights(name, folder)
    kind = load("systems", name)
    system = kind(kind.settings_type.parse(weights.settings))
    with (folder / "curves.csv").open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    return system, weights.into(system.network()), {"minutes": float(last["minutes"]), "steps": int(last["step"])}


def print_table(table: str) -> None:
    """One table in Markdown: what the paper has, and what came out here."""
    rows = rows_of(table)
    if not rows:
        return
    print(f"\n### {table}: {rows[0].about['network']}\n")
    print("| row | of | on | sensitivity | specificity | Dice | Hausdorff, px |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        found = read_result(row.name)
        for kind in ("stills", "rollouts"):
            if (expected := row.about.get("expected", {}).get(kind)) is not None:
                print(f"| {row.about['label']} | paper | {kind} | {cell(expected)} |")
            if found is not None:
                print(f"| {row.about['label']} | here | {kind} | {cell(found[kind])} |")
        if found is not None and "cytosol" in found:
            print(f"| {row.about['label']} | here | stills, cytosol | {cell(found['cytosol'])} |")
        if found is None:
            print(f"| {row.about['label']} | here | not run | | | | |")


if __name__ == "__main__":
    main()
