"""`unfade prepare`: stills made ready for training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unfade.cli import options
from unfade.cli.console import escape, messages, progress, results, say_json


def prepare(
    source: Annotated[Path, typer.Argument(help="Folder of the stills, as they were downloaded.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Training folder to make.", show_default=False)],
    kind: Annotated[
        str, typer.Option(help="stills (images/ and masks/), hpa (Human Protein Atlas) or kromp (S-BSST265).")
    ] = "stills",
    crops: Annotated[
        str, typer.Option(help="none, nuclei (a crop centred on each) or sequences (those fit for sequences).")
    ] = "nuclei",
    masks: Annotated[
        str | None,
        typer.Option(
            metavar="WAY",
            help="How the atlas' DNA channel becomes masks: threshold, nuclei-unet, cellpose, stardist (nuclei-unet).",
        ),
    ] = None,
    most_nuclei: Annotated[int, typer.Option(help="Images with more nuclei clear of the border are dropped.")] = 8,
    seed: Annotated[int, typer.Option(help="Draws which images are validation and test.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Filter stills and crop them around their nuclei, as paper lexy does (section 2.1.2)."""
    from unfade import api
    from unfade.pipeline.preparing import PrepareSettings

    given = {"kind": kind, "crops": crops, "masks": masks, "most_nuclei": most_nuclei, "seed": seed}
    settings = PrepareSettings.parse({name: value for name, value in given.items() if value is not None})
    with progress(quiet=as_json) as bars:
        facts = api.prepare(source, out, settings, bars)
    if as_json:
        say_json(facts)
        return
    for name, value in facts.items():
        results.print(f"{escape(name)}: {escape(str(value))}", soft_wrap=True)
    messages.print(f"Written: [cyan]{escape(str(out))}[/]", soft_wrap=True)
