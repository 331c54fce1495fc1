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

KINDS = ("cells", "translocation", "still")


def synthesize(
    movie: Annotated[Path, typer.Argument(help="OME-TIFF to make, such as cells.ome.tif.", show_default=False)],
    kind: Annotated[
        str,
        typer.Option(
            help="cells: a nuclear marker and a reporter; translocation: crowded fields whose nuclei fade; "
            "still: a picture that turns and stretches as one while its nuclei fade."
        ),
    ] = "cells",
    truth: Annotated[
        Path | None, typer.Option(help="Folder to make for frames, masks, lineage and ratios, as the challenge's.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file; options given here come before it.")] = None,
    stills: Annotated[
        Path | None,
        typer.Option(help="Folder with images/ and masks/: nuclei of a translocation movie, or the stills to move."),
    ] = None,
    still: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which of them to move (the first of the folder); still.")
    ] = None,
    cytoplasm: Annotated[
        str | None,
        typer.Option(help="own: the still shows the reporter; drawn: it shows a nuclear stain (own); still."),
    ] = None,
    frames: Annotated[int | None, typer.Option(help="Number of frames (24).")] = None,
    height: Annotated[int | None, typer.Option(help="Height of the field in pixels (256, or the still's).")] = None,
    width: Annotated[int | None, typer.Option(help="Width of the field in pixels (256, or the still's).")] = None,
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

    _require_fitting(kind, {"--cells": cells, "--coverage": coverage, "--still": still, "--cytoplasm": cytoplasm})
    if kind == "still" and (diameter is not None or division_rate is not None):
        raise SettingsError("Nuclei of a still have its sizes and do not divide; leave --diameter and --division-rate.")
    top: dict[str, Any] = {"frames": frames, "height_px": height, "width_px": width, "seed": seed}
    top |= {"still": still, "cytoplasm": cytoplasm}
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


_OF_KIND = {"--cells": "cells", "--coverage": "translocation", "--still": "still", "--cytoplasm": "still"}


def _require_fitting(kind: str, given: dict[str, Any]) -> None:
    """Refuse options of another kind of movie."""
    from unfade.errors import SettingsError

    for option, value in given.items():
        if value is not None and kind != _OF_KIND[option]:
            raise SettingsError(f"{option} is for --kind {_OF_KIND[option]}; leave it out or choose that kind.")


def _when(option: str, text: str | None, kind: str) -> float | str | None:
    """A frame, `never`, or nothing; movies of cells take whole frames from 0 on alone."""
    from unfade.errors import SettingsError

    if text is None or text == "never":
        return text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if kind != "cells" and math.isfinite(value):
        return value
    if kind != "cells" or not (value >= 0 and value % 1 == 0):
        frames = "the number of a frame" if kind != "cells" else "the number of a frame, counted from 0,"
        raise SettingsError(f"{option} takes {frames} or 'never', not '{text}'.")
    return int(value)


def _settings(
    kind: str, values: dict[str, Any], growth: dict[str, Any], course: dict[str, Any]
) -> CellMovieSettings | TranslocationSettings:
    from unfade.errors import SettingsError
    from unfade.synth import CellMovieSettings, StillSettings, TranslocationSettings

    if kind == "cells":
        return CellMovieSettings.parse(options.merged(values, {"growth": growth, "reporter": course}))
    if kind == "translocation":
        return TranslocationSettings.parse(options.merged(values, {"nuclei": growth, "course": course}))
    if kind == "still":
        return StillSettings.parse(options.merged(values, {"course": course}))
    raise SettingsError(f"There is no kind of synthetic movie '{kind}'; choose one of: {', '.join(KINDS)}.")
