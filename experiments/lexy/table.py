"""Tables 1 to 6 of paper lexy, and the rows of what it proposes next: train, evaluate, print.

usage: python experiments/lexy/table.py DATA TRAININGS [ROW ...] [--table 1-2] [--small MINUTES] [--encoder-weights W]
                                        [--print]

DATA is what `prepare_synthetic.py` makes. A row is trained on DATA/stills (rows that say so on DATA/sequences) in
TRAININGS/<row>, a stopped training goes on, and is evaluated on held-out stills with estimates of previous masks and
on rollouts over held-out sequences. What comes out is written to `results/<row>.json`, with the Dice on the validation
part of both. A row with a `baseline` sees as many frames as that one and is kept or dropped by its validation Dice.

`--small MINUTES` is a narrow, short version for a processor: 16 channels instead of 64, batch normalisation, ten times
the rate, a random start, MINUTES of training, or for a row with a `baseline` as many frames as that saw in its minutes;
its results go to `results/small/` and are never mixed with the others.
Without ROW or --table all rows run, on one GPU in one command.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rows as files
from evaluate import cell, on_sequences, on_stills
from rows import HERE, Row, read_result, read_row, rows_of, write_result

from unfade import api
from unfade.datasets.stills import Still, read_stills
from unfade.pipeline.training import TrainingSettings
from unfade.registry import load
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
    settings = with_steps(row.training, frames_seen(row, options.data))
    if options.small is not None:
        settings = like_baseline(row, small(settings, options.small))
    if options.encoder_weights is not None:
        settings = settings.changed(encoder_weights=options.encoder_weights)
    folder = options.trainings / row.name
    api.train(data, folder, settings)
    system, network, spent = trained(settings.system, folder)
    write_result(
        row,
        {
            **figures_of(system, network, options.data, "test"),
            "validation": {"best Dice": spent.pop("best Dice"), **validated(system, network, options.data)},
            "parameters": sum(p.numel() for p in network.parameters()),
            "small": options.small is not None,
            "frames seen": spent["steps"] * frames_a_step(settings),
            **spent,
        },
    )


def figures_of(system: Any, network: Any, data: Path, part: str) -> dict[str, Any]:
    """Figures on held-out stills and on rollouts over held-out sequences, the same ones for every row."""
    stills = read_stills(data / ("cells" if system.settings.cytosol else "stills"), (part,))
    rolled = on_sequences(system, network, read_stills(data / "sequences", (part,)))
    return {
        "stills": on_stills(system, network, stills),
        "rollouts": rolled["figures"],
        **({"cytosol": on_stills(system, network, stills, which=1)} if system.settings.cytosol else {}),
        "course": rolled["course"],
    }


def validated(system: Any, network: Any, data: Path) -> dict[str, float]:
    """Mean Dice on the validation part of stills and of sequences, by which a row is kept or dropped."""
    found = figures_of(system, network, data, "val")
    return {kind: found[kind]["Dice"][0] for kind in ("stills", "rollouts")}


def frames_of(stills: Sequence[Still]) -> int:
    """Labelled frames of stills and movies."""
    return sum(len(still.labels) for still in stills)


def frames_seen(row: Row, data: Path) -> int:
    """Frames that a row learns from in all: its epochs over its data, or as many as the row that it is compared with.

    A row on sequences would otherwise see many times the frames of its baseline on stills.
    """
    if "baseline" in row.about:
        return frames_seen(read_row(HERE / f"{row.about['baseline']}.toml"), data)
    return int(row.about["epochs"] * frames_of(read_stills(data / row.about["data"], ("train",))))


def frames_a_step(settings: TrainingSettings) -> int:
    """Frames of one batch: crops of stills, or sequences of several frames."""
    return int(settings.sampler["batch"] * settings.sampler.get("frames", 1))


def with_steps(settings: TrainingSettings, frames: int) -> TrainingSettings:
    """As many steps as it takes to see so many frames; fifty validations."""
    steps = math.ceil(frames / frames_a_step(settings))
    train = settings.train.changed(steps=steps, check_every=max(1, steps // 50), save_every=max(1, steps // 50))
    return settings.changed(train=train.plain())


def small(settings: TrainingSettings, minutes: float) -> TrainingSettings:
    """The narrow, short version of a row."""
    train = settings.train.changed(
        steps=5000,
        minutes=minutes,
        rate=10 * settings.train.rate,
        schedule="cosine",
        average=0.98,
        check_every=100,
        workers=0,
    )
    sampler = {**settings.sampler, "batch": min(settings.sampler["batch"], 12), "crop_px": 96}
    if "frames" in sampler:
        sampler["batch"] = max(1, 12 // sampler["frames"])
    return settings.changed(
        settings={**settings.settings, **SMALL}, sampler=sampler, encoder_weights="none", train=train.plain()
    )


def like_baseline(row: Row, settings: TrainingSettings) -> TrainingSettings:
    """A short version that sees as many frames as its baseline's did, however long that takes."""
    if "baseline" not in row.about:
        return settings
    other = read_result(row.about["baseline"])
    if other is None:
        raise SystemExit(f"Run {row.about['baseline']} first; {row.name} is compared with it.")
    train = settings.train.changed(steps=math.ceil(other["frames seen"] / frames_a_step(settings)), minutes=None)
    return settings.changed(train=train.plain())


def trained(name: str, folder: Path) -> tuple[Any, Any, dict[str, float]]:
    """System and network of a training, and how long it took."""
    weights = load_weights(name, folder)
    kind = load("systems", name)
    system = kind(kind.settings_type.parse(weights.settings))
    with (folder / "curves.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    best = max(float(line["Dice"]) for line in lines)
    spent = {"minutes": float(lines[-1]["minutes"]), "steps": int(lines[-1]["step"]), "best Dice": round(best, 4)}
    return system, weights.into(system.network()), spent


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
    if any("baseline" in row.about for row in rows):
        print_verdicts(rows)


def print_verdicts(rows: list[Row]) -> None:
    """Which rows are kept, by their validation against that of their baseline."""
    print("\n| row | baseline | judged on | validation Dice | of the baseline | verdict |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        kind = judged_on(row)
        own, other = read_result(row.name), read_result(row.about["baseline"])
        cells = [one["validation"][kind] if one else "not run" for one in (own, other)]
        print(
            f"| {row.about['label']} | {row.about['baseline']} | {kind} | {cells[0]} | {cells[1]} | {verdict(cells)} |"
        )


def judged_on(row: Row) -> str:
    """Single-frame networks are judged on stills; those that see their own previous mask on rollouts, as they run."""
    assert row.training is not None
    return "stills" if row.training.system == "lexy-unet" else "rollouts"


def verdict(dice: Sequence[Any]) -> str:
    """Kept if the first validation Dice is above the second, dropped if not."""
    if any(isinstance(one, str) for one in dice):
        return ""
    return "kept" if dice[0] > dice[1] else "dropped"


if __name__ == "__main__":
    main()
