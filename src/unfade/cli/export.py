"""`unfade export`: a run in the formats of others."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unfade.cli import options
from unfade.cli.console import escape, messages, say_json


class Format(StrEnum):
    """Formats that a run can be written in."""

    ctc = "ctc"
    geff = "geff"
    csv = "csv"


def export(
    run: Annotated[Path, typer.Argument(help="Finished run folder.", show_default=False)],
    destination: Annotated[Path, typer.Argument(help="Folder to make.", show_default=False)],
    to: Annotated[Format, typer.Option(help="ctc: challenge result; geff: graph; csv: tables.", show_default=False)],
    as_json: options.AsJson = False,
) -> None:
    """Write a run as a challenge result folder, a GEFF graph or CSV tables."""
    from unfade import api

    place = api.export(run, to.value, destination)
    if as_json:
        say_json({"written": str(place), "format": to.value})
    else:
        messages.print(f"Written: [cyan]{escape(str(place))}[/]", soft_wrap=True)
