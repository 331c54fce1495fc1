"""The reporter movie without its marker: every network of paper lexy, and the temporal one, in one table.

usage: python experiments/lexy/ktr.py MOVIE SILVER FOLDER TRAININGS [ROW ...] [--minutes M] [--print]

FOLDER is what `prepare_ktr.py` made of MOVIE and SILVER. Each row `ktr-*.toml` is trained in TRAININGS/<row> (gone on
with where a training is found) on rows 0-639; the checkpoint and the grouping are chosen on rows 640-767; figures on
rows 768-1023 are written to `results/<row>.json`. Systems that see their own previous mask start from nothing and, as
a second figure, from the single-frame network of the row `ktr-lexy-unet`. `--print` prints the table of what is there.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from rows import Row, read_result, rows_of, write_result

from unfade import api
from unfade.ops.tensorfile import read_tensors
from unfade.pipeline.segmenting import found_in, open_engine, open_stage
from unfade.pipeline.settings import PredictSettings
from unfade.predict.diameter import zoom_for
from unfade.predict.engine import Engine
from unfade.records import Labels, Movie
from unfade.registry import load
from unfade.weights.catalogue import Weights, load_weights

ROOT = Path(__file__).resolve().parents[2]
DIAMETER_PX = 17.0  # of the nuclei of this movie
CHOICE, REPORT = "640:768", "768:1024"
GRID = [{"threshold": t, "neck_px": n} for t, n in product((0.35, 0.5, 0.65), (0.4, 0.75, 1.25))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("movie", "silver", "folder", "trainings"):
        parser.add_argument(name, type=Path)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--minutes", type=float, help="train this long instead of as long as the row says")
    parser.add_argument("--print", action="store_true", dest="only_print")
    options = parser.parse_args()
    rows = rows_of("ktr")
    if not options.only_print:
        for row in [r for r in rows if not options.rows or r.name in options.rows]:
            run(row, options)
    print_table(rows)


def run(row: Row, options: argparse.Namespace) -> None:
    """Train, choose and report one row."""
    scoring = ktr_reporter()
    figures: dict[str, Any] = {}
    if row.training is None:
        weights = load_weights(row.about["system"], ROOT / row.about["weights"])
    else:
        settings = row.training
        if options.minutes is not None:
            settings = settings.changed(train=settings.train.changed(minutes=options.minutes).plain())
        folder = options.trainings / row.name
        api.train(options.folder, folder, settings)
        weights = load_weights(settings.system, folder)
        with (folder / "curves.csv").open(newline="", encoding="utf-8") as file:
            last = list(csv.DictReader(file))[-1]
        figures |= {"minutes": round(float(last["minutes"]), 1), "steps": int(last["step"])}
    figures["parameters"] = sum(tensor.numel() for tensor in read_tensors(weights.path)[0].values())
    choice, report = (scoring.block(options.movie, options.silver, rows=rows) for rows in (CHOICE, REPORT))
    chosen = choose(weights, choice, scoring)
    figures["chosen"] = chosen
    figures["validation"] = scoring.score(choice[0], segmented(weights, chosen, choice[0]), choice[1])
    figures["test"] = scoring.score(report[0], segmented(weights, chosen, report[0]), report[1])
    single = options.trainings / "ktr-lexy-unet" / "best.safetensors"
    if engine_of(weights, chosen).system.view.feedback and single.is_file():
        starter = engine_of(load_weights("lexy-unet", single), {})
        found = segmented(weights, chosen, report[0], starter)
        figures["test, started by the single-frame network"] = scoring.score(report[0], found, report[1])
    write_result(row, figures)


def choose(weights: Weights, choice: tuple[Movie, Labels], scoring: ModuleType) -> dict[str, float]:
    """The grouping with the best F1 on the rows to choose on; systems with a grouping of their own keep it."""
    if "splitting" not in weights.settings:
        return {}
    scores = [scoring.score(choice[0], segmented(weights, one, choice[0]), choice[1])["F1@0.5"] for one in GRID]
    return GRID[int(np.argmax(scores))]


def segmented(weights: Weights, grouping: dict[str, float], movie: Movie, starter: Engine | None = None) -> Labels:
    """Labels of every frame of a movie of one channel."""
    engine = engine_of(weights, grouping)
    if starter is not None:
        engine.begin_with(starter)
    stage = open_stage(engine, movie, 0, zoom_for(DIAMETER_PX, engine.system.view))
    return Labels.of(np.stack([found.labels()[-1] for found in found_in(movie, stage)]))


def engine_of(weights: Weights, grouping: dict[str, float]) -> Engine:
    """Weights in their engine, with another grouping where one is given."""
    kind = load("systems", weights.system)
    settings = kind.settings_type.parse(weights.settings)
    if grouping:
        settings = settings.changed(splitting={**weights.settings["splitting"], **grouping})
    system = kind(settings)
    return open_engine(system, weights.into(system.network()), PredictSettings())


def ktr_reporter() -> ModuleType:
    """The scoring of `benchmarks/ktr_reporter.py`."""
    path = ROOT / "benchmarks" / "ktr_reporter.py"
    spec = importlib.util.spec_from_file_location("ktr_reporter", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def print_table(rows: list[Row]) -> None:
    """The table, in Markdown."""
    names = ("F1@0.5", "F1@0.5 worst frame", "Dice", "log-ratio error, median")
    print("| network | parameters | minutes | F1@0.5 validation | " + " | ".join(names) + " | F1@0.5, started |")
    print("| --- " * (len(names) + 5) + "|")
    for row in rows:
        found = read_result(row.name)
        if found is None:
            print(f"| {row.about['label']} | not run |" + " |" * (len(names) + 3))
            continue
        started = found.get("test, started by the single-frame network", {}).get("F1@0.5", "")
        cells = [found["test"][name] for name in names]
        head = [row.about["label"], f"{found['parameters']:,}", found.get("minutes", ""), found["validation"]["F1@0.5"]]
        print("| " + " | ".join(str(c) for c in [*head, *cells, started]) + " |")


if __name__ == "__main__":
    main()
