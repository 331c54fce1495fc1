"""`unfade info`: what a movie file holds, as unfade reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from unfade.cli import options
from unfade.cli.console import escape, messages, results, say_json


def info(
    movie: Annotated[Path, typer.Argument(help="TIFF, OME-TIFF, OME-Zarr, or a folder of frames.", show_default=False)],
    axes: options.Axes = None,
    project: options.Project = None,
    z: options.Plane = None,
    as_json: options.AsJson = False,
) -> None:
    """Show format, axes, channels, calibration and intensities of a movie."""
    from unfade.data import ReadSettings
    from unfade.data.describing import describe

    chosen = {k: v for k, v in options.reading(axes, project, z, None, None, None).items() if v is not None}
    facts = describe(movie, ReadSettings.parse(chosen))
    if as_json:
        say_json(facts)
        return
    channels, warnings = facts.pop("channels"), facts.pop("warnings")
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, value in facts.items():
        if value is not None:
            text = " × ".join(str(v) for v in value) if isinstance(value, list) else str(value)
            table.add_row(f"[bold]{name}[/]", escape(text))
    results.print(table)
    intensities = Table(title="channels, intensities of the first frame", title_justify="left")
    for name in ("", "name", "min", "median", "99 %", "max", "at 0", "at max"):
        intensities.add_column(name, justify="left" if name == "name" else "right")
    for index, channel in enumerate(channels):
        keys = ("min", "percentile_50", "percentile_99", "max")
        shares = (f"{100 * channel[k]:.1f} %" for k in ("at_zero", "at_max"))
        intensities.add_row(str(index), escape(channel["name"]), *(f"{channel[k]:g}" for k in keys), *shares)
    results.print(intensities)
    for warning in warnings:
        messages.print(f"Note: {escape(str(warning))}", soft_wrap=True)
