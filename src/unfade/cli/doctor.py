"""`unfade doctor`: what a network can see, and whether that is enough for a movie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unfade.cli import options
from unfade.cli.console import escape, messages, progress, results, say_json


def doctor(
    system: Annotated[str, typer.Option(help="A registered system; see unfade models.")] = "nuclei-unet",
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Shipped name or path (the system's default); none = random start."),
    ] = None,
    movie: Annotated[Path | None, typer.Option(help="Movie whose objects are compared with what it sees.")] = None,
    channel: Annotated[str, typer.Option(help="Channel of the movie with the objects, by name or index.")] = "0",
    diameter: options.Diameter = None,
    stills: Annotated[
        Path | None, typer.Option(help="Folder with images/ and masks/ for pictures of boundary bands and loss maps.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for figures and doctor.json.")] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="Y,X",
            help="Output pixel, shares of height and width like 0.25,0.5; may be repeated (middle, edge and corner).",
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Random inputs to average over.")] = 8,
    device: options.Device = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure how far the pixels of a network see (effective receptive field) and say if a movie's objects fit."""
    from unfade import api
    from unfade.pipeline.doctoring import DoctorSettings

    given: dict[str, Any] = {"system": system, "weights": weights, "channel": channel, "draws": draws}
    given |= {"device": device, "diameter": options.diameter_of(diameter)}
    given["at"] = None if at is None else [_position(text) for text in at]
    settings = DoctorSettings.parse({name: value for name, value in given.items() if value is not None})
    with progress(quiet=as_json) as bars:
        found, files = api.doctor(settings, movie, stills=stills, out=out, progress=bars)
    if as_json:
        say_json({**found.facts(), "files": [str(path) for path in files]})
        return
    for sentence in found.verdicts:
        results.print(escape(sentence), soft_wrap=True)
    for path in files:
        messages.print(f"Written: [cyan]{escape(str(path))}[/]", soft_wrap=True)


def _position(text: str) -> tuple[float, float]:
    """Shares of height and width.

    Raises
    ------
    SettingsError
        For anything else.
    """
    from unfade.errors import SettingsError

    try:
        y, x = (float(part) for part in text.split(","))
    except ValueError:
        y = x = -1.0
    if not (0 <= y <= 1 and 0 <= x <= 1):
        raise SettingsError(f"--at takes shares of height and width from 0 to 1, such as 0.25,0.5, not '{text}'.")
    return y, x
