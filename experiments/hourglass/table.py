"""Rows of table 3 of paper hourglass: train on one sequence, find and track the other, score it.

usage: python experiments/hourglass/table.py DATA OUT --rows dic-01 dic-02 [--cluster h=0.1] [--device cuda] [--batch N]

DATA holds `ctc/` as the challenge packs it. Each row is a settings file beside this script; its training goes on where
it stopped, and the run, its export and its scores lie in OUT/ROW. `--cluster` scores the same weights with other
bandwidths (h=0.025 …) or `hdbscan`: the sweep of table 3. Prints JSON per row, with the iterations after which
the scored weights were kept beside the paper's 60,000, the minutes of the whole training, and seconds per frame.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path
from typing import Any

from unfade import api
from unfade.ops.tensorfile import read_tensors
from unfade.pipeline.settings import RunSettings
from unfade.pipeline.training import TrainingSettings
from unfade.settings import read_toml
from unfade.weights.catalogue import load_weights

PAPER_ITERATIONS = 60_000
FIGURES = ("SEG", "DET", "TRA", "OP_CTB", "LNK", "DIV_F1(0)")
SINGLE = ("Fluo-N2DH-GOWT1", "Fluo-N2DH-SIM+")  # only sequence 01 is at hand


def cluster_settings(weights: Path, choice: str) -> dict[str, Any]:
    """Settings of the clustering that a row of the sweep asks for."""
    known = dict(load_weights("hourglass", str(weights)).settings["cluster"])
    if choice == "hdbscan":
        return {**known, "method": "hdbscan"}
    return {**known, "method": "meanshift", "bandwidth": float(choice.removeprefix("h="))}


def iterations(weights: Path, last: int) -> int:
    """Steps after which weights were kept; those of the whole training for files that do not say."""
    return int(read_tensors(weights)[1].get("step", last))


def scored(data: Path, out: Path, row: str, settings: TrainingSettings, choice: str, device: str) -> dict[str, Any]:
    """Figures of one row under one clustering."""
    name = settings.preset.removesuffix("-small")
    trained = settings.sequences[0]
    test = trained if name in SINGLE else {"01": "02", "02": "01"}[trained]
    weights = out / row / "training" / "best.safetensors"
    place = out / row / choice.replace("=", "-")
    movie = data / "ctc" / name / test
    chosen = {
        "system": {
            "name": "hourglass",
            "weights": str(weights),
            "settings": {"cluster": cluster_settings(weights, choice)},
        },
        "predict": {"device": device},
    }
    folder = api.run(movie, place / "run", RunSettings.parse(chosen))
    result = place / f"{test}_RES"
    if result.exists():  # perhaps of weights from before the training went on
        shutil.rmtree(result)
    api.export(place / "run", "ctc", result)
    figures = api.score(result, data / "ctc" / name / f"{test}_GT").figures
    stage = folder.read_manifest()["stages"]["segment"]
    frames = folder.read_manifest()["input"]["shape"][0]
    with (out / row / "training" / "curves.csv").open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    return {
        "row": row,
        "clustering": choice,
        "scored on": f"{name} {test}" + (" (trained on it too)" if test == trained else ""),
        **{key: round(figures[key].value, 4) for key in FIGURES if key in figures},
        "iterations": iterations(weights, int(last["step"])),
        "iterations of the paper": PAPER_ITERATIONS,
        "minutes": float(last["minutes"]),
        "seconds per frame": round(stage["seconds"] / frames, 3),
        "device": folder.read_manifest()["device"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", nargs="+", required=True)
    parser.add_argument("--cluster", nargs="+", default=("h=0.1",))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, help="sequences per batch (1)")
    parser.add_argument("--minutes", type=float, help="stop the training after this long")
    options = parser.parse_args()
    for row in options.rows:
        settings = TrainingSettings.parse(read_toml(Path(__file__).with_name(f"{row}.toml")))
        values = settings.model_dump(mode="json", exclude_unset=True)
        values["train"] = {**values.get("train", {}), "device": options.device}
        if options.minutes is not None:
            values["train"]["minutes"] = options.minutes
        if options.batch is not None:
            values["sampler"] = {**values.get("sampler", {}), "batch": options.batch}
        name = settings.preset.removesuffix("-small")
        training = options.out / row / "training"
        api.train(options.data / "ctc" / name, training, TrainingSettings.parse(values))
        for choice in options.cluster:
            found = scored(options.data, options.out, row, settings, choice, options.device)
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
