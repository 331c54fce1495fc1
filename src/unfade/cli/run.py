"""`unfade run`: from a movie to curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unfade.cli import options
from unfade.cli.console import escape, messages, progress, say_json


def run(
    movie: Annotated[Path, typer.Argument(help="TIFF, OME-TIFF, OME-Zarr, or a folder of frames.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder to make or to go on with.", show_default=False)],
    settings: Annotated[Path | None, typer.Option(help="Settings file; options given here come before it.")] = None,
    segment_channel: Annotated[str | None, typer.Option(help="Channel to segment: name or index [0].")] = None,
    measure_channel: Annotated[list[str] | None, typer.Option(help="Channel to measure; repeatable [all].")] = None,
    axes: options.Axes = None,
    project: options.Project = None,
    z: options.Plane = None,
    frames: options.Frames = None,
    pixel_size: options.PixelSize = None,
    interval: options.Interval = None,
    system: Annotated[str | None, typer.Option(help="How cells are found [nuclei-unet].")] = None,
    weights: options.Weights = None,
    diameter: options.Diameter = None,
    device: options.Device = None,
    tile: Annotated[int | None, typer.Option(help="Largest side of a tile in pixels [1024].")] = None,
    gap: Annotated[int | None, typer.Option(help="Frames for which a track may lose its object.")] = None,
    ring_gap: Annotated[float | None, typer.Option(help="Space between nucleus and ring.")] = None,
    ring_width: Annotated[float | None, typer.Option(help="Width of the cytoplasm ring.")] = None,
    background: Annotated[str | None, typer.Option(help="none, percentile, or a constant that is subtracted.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Take a movie to labels, tracks, measurements and a report; a killed run goes on where it stopped."""
    from unfade import api
    from unfade.pipeline.settings import RunSettings
    from unfade.settings import read_toml

    given: dict[str, Any] = {
        "input": {"segment_channel": segment_channel, "measure_channels": measure_channel or None},
        "input.read": options.reading(axes, project, z, frames, pixel_size, interval),
        "system": {"name": system, "weights": weights},
        "predict": {"diameter": options.diameter_of(diameter), "device": device, "tile_px": tile},
        "link": {"gap": gap},
        "measure": {"ring_gap": ring_gap, "ring_width": ring_width, **options.background_of(background)},
    }
    values = read_toml(settings) if settings is not None else {}
    chosen = RunSettings.parse(options.merged(values, given))
    with progress(as_json) as draw:
        folder = api.run(movie, out, chosen, draw)
    facts = folder.read_manifest()
    if as_json:
        say_json({"out": str(folder.root), "manifest": facts})
        return
    stages = facts["stages"]
    messages.print(
        f"[bold]{stages['link']['tracks']}[/] tracks, [bold]{stages['measure']['objects']}[/] objects in "
        f"{facts['input']['shape'][0]} frames; report: [cyan]{escape(str(folder.report))}[/]",
        soft_wrap=True,
    )
    for note in facts["notes"]:
        messages.print(f"Note: {escape(note)}", soft_wrap=True)
