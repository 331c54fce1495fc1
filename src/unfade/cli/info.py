"""`unfade info`: what a movie file holds, as unfade reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from unfade.cli import options
from unfade.cli.console import escape, results, say_json


def info(
    movie: Annotated[Path, typer.Argument(help="TIFF, OME-TIFF, OME-Zarr, or a folder of frames.", show_default=False)],
    axes: options.Axes = None,
    project: options.Project = None,
    z: options.Plane = None,
    as_json: options.AsJson = False,
) -> None:
    """Show format, axes, channels, calibration and intensities of a movie."""
    from unfade import data

    chosen = {k: v for k, v in options.reading(axes, project, z, None, None, None).items() if v is not None}
    facts = data.describe(movie, data.ReadSettings.parse(chosen))
    if as_json:
        say_json(facts)
        return
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, value in facts.items():
        text = "\n".join(str(v) for v in value) if isinstance(value, list) else str(value)
        table.add_row(f"[bold]{escape(name)}[/]", escape(text))
    results.print(table)
