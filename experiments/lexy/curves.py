"""Validation loss over epochs, one line per encoder and loss: figures 7 to 9 of paper lexy.

usage: python experiments/lexy/curves.py TRAININGS FIGURE [--table 1-2] [--column "validation loss"]

Reads `curves.csv` of every finished row of a table in TRAININGS and writes FIGURE (.svg, .pdf or .png).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from rows import rows_of

COLOURS = {"plain": "#1b6ca8", "resnet34": "#c2571a", "vgg16": "#3c8d40"}
LINES = {"dice": "-", "bce": ":", "combined": "--"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainings", type=Path)
    parser.add_argument("figure", type=Path)
    parser.add_argument("--table", default="1-2")
    parser.add_argument("--column", default="validation loss")
    options = parser.parse_args()
    figure = Figure(figsize=(8, 4), layout="constrained")
    plot = figure.add_subplot()
    drawn = 0
    for row in rows_of(options.table):
        path = options.trainings / row.name / "curves.csv"
        if row.training is None or not path.is_file():
            continue
        with path.open(newline="", encoding="utf-8") as file:
            points = [(int(r["step"]), float(r[options.column])) for r in csv.DictReader(file) if r.get(options.column)]
        if not points:
            continue
        encoder, loss = row.training.settings["encoder"], row.training.settings["loss"]
        steps, values = zip(*points, strict=True)
        plot.plot(steps, values, LINES[loss], color=COLOURS[encoder], label=f"{row.about['label']}")
        drawn += 1
    if not drawn:
        raise SystemExit(f"No row of table {options.table} has curves in {options.trainings}; train some first.")
    plot.set(xlabel="steps", ylabel=options.column, title=f"{rows_of(options.table)[0].about['network']}")
    figure.legend(fontsize=7, loc="outside right upper")
    with mpl.rc_context({"svg.hashsalt": "unfade"}):
        figure.savefig(options.figure)
    print(f"{drawn} lines in {options.figure}")


if __name__ == "__main__":
    main()
