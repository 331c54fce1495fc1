"""`unfade synthesize`: a movie whose truth is known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unfade.cli import options
from unfade.cli.console import escape, messages, progress, say_json

if TYPE_CHECKING:
    from unfade.synth import CellMovieSettings, TranslocationSettings

KINDS = ("cells", "translocation")


def synthesize(
    movie: Annotated[Path, typer.Argument(help="OME-TIFF to make, such as cells.ome.tif.", show_default=False)],
    kind: Annotated[
        str,
        typer.Option(help="cells: a nuclear marker and a reporter; translocation: crowded fields whose nuclei fade."),
    ] = "cells",
    truth: Annotated[
        Path | None, typer.Option(help="Folder to make for frames, masks, lineage and ratios, as the challenge's.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file; options given here come before it.")] = None,
    stills: Annotated[
        Path | None, typer.Option(help="Folder with images/ and masks/ whose nuclei a translocation movie shows.")
    ] = None,
    frames: Annotated[int | None, typer.Option(help="Number of frames (24).")] = None,
    height: Annotated[int | None, typer.Option(help="Height of the field in pixels (256).")] = None,
    width: Annotated[int | None, typer.Option(help="Width of the field in pixels (256).")] = None,
    cells: Annotated[int | None, typer.Option(help="Cells in and around the field at the start (60); cells.")] = None,
    coverage: Annotated[
        float | None, typer.Option(help="Share of the field that nuclei cover (0.2); translocation.")
    ] = None,
    diameter: Annotated[float | None, typer.Option(help="Median diameter of the nuclei in pixels (18 or 17).")] = None,
    division_rate: Annotated[
        float | None, typer.Option(help="Chance of a division per cell and frame (0.004 or 0).")
    ] = None,
    stimulus: Annotated[
        str | None, typer.Option(help="Last frame before the reporter leaves the nuclei, or never (8).")
    ] = None,
    recovery: Annotated[str | None, typer.Option(help="Last frame before it comes back, or never (never).")] = None,
    seed: Annotated[int | None, typer.Option(help="Every draw follows from it (0).")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier movie, and the truth that is named.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Make a movie of cells with a reporter that leaves the nucleus, with exact truth."""
    from unfade import api
    from unfade.errors import SettingsError
    from unfade.settings import read_toml

    if cells is not None and kind == "translocation":
        raise SettingsError("--cells counts those of --kind cells; give a translocation movie --coverage instead.")
    if coverage is not None and kind == "cells":
        raise SettingsError("--coverage is for --kind translocation; give a movie of cells --cells instead.")
    top = {"frames": frames, "height_px": height, "width_px": width, "seed": seed}
    growth = {"cells": cells, "coverage": coverage, "diameter_px": diameter, "division_rate": division_rate}
    course = {
        "stimulus_frame": _when("--stimulus", stimulus, kind),
        "recovery_frame": _when("--recovery", recovery, kind),
    }
    values = read_toml(settings) if settings is not None else {}
    values |= {name: value for name, value in top.items() if value is not None}
    chosen = _settings(kind, values, growth, course)
    with progress(quiet=as_json) as bars:
        made = api.synthesize(movie, chosen, truth, bars, stills, overwrite)
    if as_json:
        facts = {"movie": str(movie), "shape": list(made.shape), "tracks": len(made.lineage.tracks())}
        say_json(facts if truth is None else {**facts, "truth": str(truth)})
    else:
        messages.print(f"Written: [cyan]{escape(str(movie))}[/]", soft_wrap=True)


def _when(option: str, text: str | None, kind: str) -> float | str | None:
    """A frame, `never`, or nothing; movies of cells take whole frames from 0 on alone."""
    from unfade.errors import SettingsError

    if text is None or text == "never":
        return text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if kind == "translocation" and math.isfinite(value):
        return value
    if kind == "translocation" or not (value >= 0 and value % 1 == 0):
        frames = "the number of a frame" if kind == "translocation" else "the number of a frame, counted from 0,"
        raise SettingsError(f"{option} takes {frames} or 'never', not '{text}'.")
    return int(value)


def _settings(
    kind: str, values: dict[str, Any], growth: dict[str, Any], course: dict[str, Any]
) -> CellMovieSettings | TranslocationSettings:
    from unfade.errors import SettingsError
    from unfade.synth import CellMovieSettings, TranslocationSettings

    if kind == "cells":
        return CellMovieSettings.parse(options.merged(values, {"growth": growth, "reporter": course}))
    if kind == "translocation":
        return TranslocationSettings.parse(options.merged(values, {"nuclei": growth, "course": course}))
    raise SettingsError(f"There is no kind of synthetic movie '{kind}'; choose one of: {', '.join(KINDS)}.")
