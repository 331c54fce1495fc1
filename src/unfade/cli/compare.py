"""`unfade compare`: several results of one movie side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from unfade.cli import console, options
from unfade.cli.console import escape, messages, progress, say_json, several

if TYPE_CHECKING:
    from unfade.pipeline.comparing import Compared
    from unfade.score.result import Figure

SHARES = ("challenge", "association", "divisions", "objects", "pixels")  # groups in which more is better
MOST = 5  # frames of disagreement that are listed


def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT RESULT...", help="Run folders, challenge folders or label stacks.", show_default=False
        ),
    ],
    truth: Annotated[Path | None, typer.Option(help="Score all of them against this.", show_default=False)] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="What a result is called, in order; repeat it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write figures.csv, frames.csv and compared.json there.")
    ] = None,
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="IoU above which objects are the same.")] = 0.5,
    draws: Annotated[int, typer.Option(min=0, help="Bootstrap draws for the intervals; 0 = none.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Put results of one movie side by side: what each holds, where they disagree, which is nearer to a truth."""
    from unfade import api
    from unfade.pipeline.comparing import write

    with progress(as_json) as draw:
        found = api.compare(results, truth, name or None, threshold=threshold, draws=draws, seed=seed, progress=draw)
    if out is not None:
        write(out, found)
    if as_json:
        say_json(found.plain())
        return
    _show_results(found)
    _show_agreement(found)
    if out is not None:
        messages.print(f"Written: [cyan]{escape(str(out))}[/]", soft_wrap=True)


def _show_results(found: Compared) -> None:
    """A column per result; the best of each figure that has a better end is bold."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for name in found.names:
        table.add_column(escape(name), justify="right")
    shown, rows = _usual(found), found.rows()
    facts = {key for part in found.facts.values() for key in part}
    for key in [key for key in rows if key in facts]:
        table.add_row(key, *(_text(value) for value in rows[key]))
    if shown:
        table.add_row()
    for key in [key for key in rows if key in shown - facts]:
        table.add_row(key, *_marked(rows[key], key))
    console.results.print(table)
    for name, gain in found.gains.items():
        told = f"F1 of {escape(name)} minus {escape(found.names[0])} at IoU {gain.how['IoU']}: "
        told += f"{_signed(gain)} over {several(gain.count, 'frame')}" if gain.count else "no frame is outlined whole"
        console.results.print(told, soft_wrap=True)


def _show_agreement(found: Compared) -> None:
    """How alike every two results are, and in which frames they are least so."""
    console.results.print()
    for (a, b), figure in found.agreement.items():
        if not figure.count:
            console.results.print(f"{escape(a)} and {escape(b)} hold no object", soft_wrap=True)
            continue
        span = "" if figure.interval is None else f" ({figure.interval.low:.3f}–{figure.interval.high:.3f})"
        console.results.print(
            f"{escape(a)} and {escape(b)} agree: F1 {figure.value:.3f}{span} at IoU {figure.how['IoU']}", soft_wrap=True
        )
        column = found.frames[f"F1 {a} ~ {b}"]
        apart = column[column < 1].nsmallest(MOST)
        if len(apart):
            worst = ", ".join(f"{t} ({value:.2f})" for t, value in apart.items())
            console.results.print(f"  least in frames {worst}", style="dim", soft_wrap=True)


def _usual(found: Compared) -> set[str]:
    from unfade.score.catalogue import usual

    return {name for scores in found.scores.values() for name in usual(scores)}


def _marked(values: list[Any], name: str) -> list[str]:
    """Figures as text, the largest of shares bold; errors and counts are left plain."""
    from unfade.score.catalogue import CATALOGUE

    known = [v for v in values if v is not None and v == v]
    share = CATALOGUE[name].group in SHARES and not CATALOGUE[name].total
    best = max(known) if share and len(set(known)) > 1 else None
    text = [f"{v:.3f}" if share and v is not None and v == v else _text(v) for v in values]
    return [f"[bold]{t}[/]" if best is not None and v == best else t for t, v in zip(text, values, strict=True)]


def _text(value: Any) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 and value % 1 else f"{value:,.1f}".removesuffix(".0")
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _signed(figure: Figure) -> str:
    span = figure.interval
    text = f"{figure.value:+.3f}"
    return text if span is None or span.low != span.low else f"{text} ({span.low:+.3f} to {span.high:+.3f})"
