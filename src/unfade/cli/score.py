"""`unfade score` and `unfade validate`: how good a result is, and whether a folder keeps the rules."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from unfade.cli import options
from unfade.cli.console import escape, fail, messages, results, say_json

COUNTS = {"AOGM", "NS", "FN", "FP", "ED", "EA", "EC"}  # sums, not shares


def score(
    pred: Annotated[Path, typer.Argument(help="Run folder, challenge folder or label stack.", show_default=False)],
    truth: Annotated[Path, typer.Argument(help="The same, or a truth folder (01_GT).", show_default=False)],
    metrics: Annotated[str | None, typer.Option(help="Figures to show, separated by commas (all).")] = None,
    draws: Annotated[int, typer.Option(help="Bootstrap draws for the intervals; 0 = none.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: options.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV on standard output.")] = False,
) -> None:
    """Score labels and tracks against a truth: objects, challenge measures, tracking, divisions."""
    from unfade import api

    names = [m.strip() for m in metrics.split(",") if m.strip()] if metrics else None
    found = api.score(pred, truth, names, draws=draws, seed=seed)
    if as_json:
        say_json(found.plain())
        return
    rows = found.rows()
    if as_csv:
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else ["metric", "value"])
        writer.writeheader()
        writer.writerows(rows)
        return
    table = Table(title=f"{escape(str(pred))} against {escape(str(truth))}", title_justify="left")
    for name, side in (
        ("metric", "left"),
        ("value", "right"),
        ("95 % interval (over drawn)", "right"),
        ("over", "left"),
    ):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    for row in rows:
        number = row["value"]
        value = "–" if number is None else f"{number:.0f}" if row["metric"] in COUNTS else f"{number:.4f}"
        span = "" if row["low"] is None else f"{row['low']:.4f} – {row['high']:.4f} ({row['drawn']})"
        table.add_row(row["metric"], value, span, f"{row['count']} {row['of']}")
    results.print(table)


def validate(
    folder: Annotated[Path, typer.Argument(help="Truth or result folder of the challenge.", show_default=False)],
    as_json: options.AsJson = False,
) -> None:
    """Name every fault of a challenge folder; exit code 2 if there is one."""
    from unfade import api

    faults = api.validate(folder)
    if as_json:
        say_json({"folder": str(folder), "faults": [{**vars(f), "text": str(f)} for f in faults]})
        raise typer.Exit(2 if faults else 0)
    for fault in faults:
        results.print(escape(str(fault)), soft_wrap=True)
    if faults:
        fail(f"{folder} breaks the rules of the format in {len(faults)} {'place' if len(faults) == 1 else 'places'}.")
    messages.print(f"{escape(str(folder))} keeps the rules of the format.")
