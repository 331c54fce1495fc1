"""`unfade score` and `unfade validate`: how good a result is, and whether a folder keeps the rules."""

from __future__ import annotations

import csv
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from unfade.cli import options
from unfade.cli.console import escape, fail, messages, progress, results, say_json

if TYPE_CHECKING:
    from unfade.score.result import Figure, Scores

GROUPS = "challenge, association, divisions, objects, pixels, boundaries, spreading, ranking, uncertainty, repair"
PAIRS = "PRED TRUTH [PRED TRUTH]..."


def score(
    pairs: Annotated[
        list[Path],
        typer.Argument(
            metavar="PRED TRUTH",
            help="Run folder, challenge folder, label stack, or a parent of several sequences.",
            show_default=False,
        ),
    ],
    metrics: Annotated[
        str | None,
        typer.Option(help=f"Figures or groups, separated by commas, or all. Groups: {GROUPS}.", show_default=False),
    ] = None,
    draws: Annotated[int, typer.Option(help="Bootstrap draws for the intervals; 0 = none.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: options.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the figures as CSV on standard output.")] = False,
) -> None:
    """Score labels and tracks against a truth; several pairs give means and intervals over sequences.

    The table shows the usual figures; --json and --csv hold every one that was computed.

    Boundaries and spreading take longest: name them, or take --metrics all.
    """
    from unfade import api
    from unfade.score.catalogue import usual

    if len(pairs) % 2:
        fail(f"Every result needs its truth: give {PAIRS}, not {len(pairs)} {'path' if len(pairs) == 1 else 'paths'}.")
    names = [m.strip() for m in metrics.split(",") if m.strip()] if metrics else None
    with progress() as draw:
        found = api.score(pairs[::2], pairs[1::2], names, draws=draws, seed=seed, progress=draw)
    if as_json:
        say_json(found.plain())
    elif as_csv:
        _write_csv(found)
    else:
        _show(found if names else found.only(usual(found)), pairs)


def _write_csv(scores: Scores) -> None:
    """A row per figure; of several sequences the joined figures first, then those of each."""
    rows = [{"sequence": "", **row} for row in scores.rows()]
    rows += [{"sequence": key, **row} for key, one in scores.parts.items() for row in one.rows()]
    names = list(rows[0]) if rows else ["sequence", "metric", "value"]
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _show(scores: Scores, paths: list[Path]) -> None:
    """A table per group, and below them how the figures were made."""
    from unfade.score.catalogue import CATALOGUE, GROUPS

    names = _in_order(scores)
    results.print(f"[bold]{_title(paths)}[/]", soft_wrap=True)
    spans = any(figure.interval is not None for figure in scores.values())
    for number, (group, members) in enumerate(groupby(names, key=lambda name: CATALOGUE[name].group)):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=number == 0, header_style="dim")
        table.add_column("", min_width=14, no_wrap=True)
        table.add_column("value", justify="right", min_width=6, no_wrap=True)
        for key in scores.parts:
            table.add_column(escape(key), justify="right", min_width=6, no_wrap=True)
        if spans:
            table.add_column("95 % interval", justify="right", min_width=13, no_wrap=True)
        table.add_column("over", justify="right", min_width=14)
        table.add_column("", style="dim")
        for name in members:
            table.add_row(*_row(scores, name, spans))
        results.print(f"\n[bold]{GROUPS[group]}[/]")
        results.print(table)
    results.print()
    for line in _notes(scores):
        results.print(escape(line), style="dim", soft_wrap=True)


def _in_order(scores: Scores) -> list[str]:
    from unfade.score.catalogue import CATALOGUE

    return [name for name in CATALOGUE if name in scores]


def _title(paths: list[Path]) -> str:
    if len(paths) > 2:
        return f"{len(paths) // 2} results against their truths"
    return f"{escape(str(paths[0]))} against {escape(str(paths[1]))}"


def _row(scores: Scores, name: str, spans: bool) -> list[str]:
    from unfade.score.catalogue import CATALOGUE

    figure, cells = scores[name], [name, _number(name, scores[name].value)]
    cells += [_number(name, one[name].value) if name in one else "" for one in scores.parts.values()]
    cells += [_span(name, figure)] if spans else []
    return [*cells, f"{figure.count} {_short(figure.of)}", CATALOGUE[name].meaning]


def _number(name: str, value: float) -> str:
    from unfade.score.catalogue import CATALOGUE

    if value != value:
        return "–"
    return f"{value:.0f}" if CATALOGUE[name].total else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _span(name: str, figure: Figure) -> str:
    span = figure.interval
    if span is None or span.low != span.low:
        return ""
    return f"{_number(name, span.low)}–{_number(name, span.high)}"


def _short(counted: str) -> str:
    for words in (
        " of the segmentation truth",
        " of the truth",
        " of the result",
        " of truth and result",
        "predicted ",
    ):
        counted = counted.replace(words, "")
    return "objects" if counted == "matches, misses and spare masks" else counted


def _notes(scores: Scores) -> list[str]:
    """How the figures were made: matchers, frames, intervals, what is absent and why, versions."""
    from unfade.score.catalogue import GROUPS
    from unfade.score.result import versions

    lines = []
    by_matcher: dict[str, list[str]] = {}
    for name in _in_order(scores):
        if matcher := _matcher(scores[name]):
            by_matcher.setdefault(matcher, []).append(name)
    lines += [f"{', '.join(names)}: {matcher}." for matcher, names in by_matcher.items()]
    whole, frames = scores.about.get("frames with all outlines"), scores.about.get("frames")
    if whole and whole != frames:
        lines.append(f"Objects and pixels: the {whole} of {frames} frames whose truth outlines every object.")
    if scores.about.get("without track table") and scores.keys() & {"BC", "DIV_F1(1)"}:
        sides = {"pred": "The result", "truth": "The truth"}
        for side in scores.about["without track table"]:
            lines.append(f"{sides[side]} has no table of tracks: every label is a track without parents or divisions.")
    if scores.about.get("pred labels") == "after repair":
        lines.append(
            "The result was repaired: its labels after repair are scored, those before are in labels.ome.zarr."
        )
    if "DET" in scores and "SEG" not in scores:
        lines.append("No SEG, OP_CSB and OP_CTB: the truth holds markers without outlines.")
    for side in ("result", "truth"):
        if cuts := max((int(f.how.get(f"cuts in the {side}", 0)) for f in scores.values()), default=0):
            lines.append(
                f"The {side} breaks the rules: {cuts} tracks were cut at gaps or births; unfade validate names them."
            )
    units: dict[str, int] = {}
    for figure in scores.values():
        if figure.interval is not None:
            units[figure.interval.unit] = max(figure.interval.units, units.get(figure.interval.unit, 0))
    if units:
        drawn = scores.about["bootstrap"]
        lines.append(
            f"Intervals: {100 * drawn['level']:.0f} % bootstrap, {drawn['draws']} draws, seed {drawn['seed']}, over "
            f"{', '.join(f'{count} {unit}' for unit, count in units.items())}."
        )
        if not scores.parts:
            lines.append("Frames of one movie resemble each other: several sequences tell more about the doubt.")
    lines += [f"No {', '.join(GROUPS[g].lower() for g in groups)}: {why}." for why, groups in _absent(scores).items()]
    lines.append(", ".join(f"{name} {number}" for name, number in versions().items()))
    return lines


def _matcher(figure: Figure) -> str:
    rule = figure.how.get("matcher")
    if rule is None:
        return ""
    strict = figure.how.get("strict")
    return str(rule) if strict is None else f"{rule}, IoU {'>' if strict else '>='} the threshold"


def _absent(scores: Scores) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for group, why in scores.absent.items():
        out.setdefault(why, []).append(group)
    return out


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
