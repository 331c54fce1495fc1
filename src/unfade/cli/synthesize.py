"""`unfade synthesize`: a movie whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unfade.cli import options
from unfade.cli.console import escape, messages, progress, say_json


def synthesize(
    movie: Annotated[Path, typer.Argument(help="OME-TIFF to make, such as cells.ome.tif.", show_default=False)],
    truth: Annotated[Path | None, typer.Option(help="Folder to make for masks, lineage and ratios.")] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file; options given here come before it.")] = None,
    frames: Annotated[int | None, typer.Option(help="Number of frames (24).")] = None,
    height: Annotated[int | None, typer.Option(help="Height of the field in pixels (256).")] = None,
    width: Annotated[int | None, typer.Option(help="Width of the field in pixels (256).")] = None,
    cells: Annotated[int | None, typer.Option(help="Cells in and around the field at the start (60).")] = None,
    diameter: Annotated[float | None, typer.Option(help="Median diameter of the nuclei in pixels (18).")] = None,
    division_rate: Annotated[
        float | None, typer.Option(help="Chance of a division per cell and frame (0.004).")
    ] = None,
    stimulus: Annotated[
        str | None, typer.Option(help="Last frame before the reporter leaves the nuclei, or never (8).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Every draw follows from it (0).")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a movie of cells with a nuclear marker and a reporter that leaves the nucleus, with exact truth."""
    from unfade import api
    from unfade.settings import read_toml
    from unfade.synth import CellMovieSettings

    top = {"frames": frames, "height_px": height, "width_px": width, "seed": seed}
    groups: dict[str, dict[str, Any]] = {
        "growth": {"cells": cells, "diameter_px": diameter, "division_rate": division_rate},
        "reporter": {"stimulus_frame": stimulus},
    }
    values = read_toml(settings) if settings is not None else {}
    values |= {name: value for name, value in top.items() if value is not None}
    chosen = CellMovieSettings.parse(options.merged(values, groups))
    with progress(quiet=as_json) as bars:
        made = api.synthesize(movie, chosen, truth, bars)
    if as_json:
        facts = {"movie": str(movie), "shape": list(made.shape), "tracks": len(made.lineage.tracks())}
        say_json(facts if truth is None else {**facts, "truth": str(truth)})
    else:
        messages.print(f"Written: [cyan]{escape(str(movie))}[/]", soft_wrap=True)
