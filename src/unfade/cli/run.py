"""`unfade run`: from a movie to curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unfade.cli import options
from unfade.cli.console import escape, messages, progress, say, say_json, several
from unfade.errors import SettingsError

RESULT = "Measurements"  # heading in the help

Movie = Annotated[Path | None, typer.Argument(help="TIFF, OME-TIFF, OME-Zarr, or a folder of frames.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Run folder to make or to go on with.")]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Settings file; options given here come before it. The run.toml of a run folder repeats that run, and "
        "then the movie and --out need not be given.",
    ),
]
SegmentChannel = Annotated[
    str | None,
    typer.Option(metavar="CHANNEL", help="Channel to segment: name or index (0).", rich_help_panel=options.INPUT),
]
MeasureChannel = Annotated[
    list[str] | None,
    typer.Option(metavar="CHANNEL", help="Channel to measure; repeatable (all).", rich_help_panel=options.INPUT),
]
SystemName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="How cells are found (nuclei-unet).", rich_help_panel=options.SYSTEM),
]
Online = Annotated[
    bool,
    typer.Option(
        "--online", help="Look at no later frame, where a system would (lexy).", rich_help_panel=options.SYSTEM
    ),
]
Starter = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[=WEIGHTS]",
        help="System that finds the first mask for one fed with its own (none: it starts from an empty mask).",
        rich_help_panel=options.SYSTEM,
    ),
]
Follow = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Motion by which other frames follow the picture: whole; for masks fed back also ilk, tvl1 (none).",
        rich_help_panel=options.SYSTEM,
    ),
]
Tile = Annotated[
    int | None, typer.Option(metavar="PX", help="Largest side of a tile (1024).", rich_help_panel=options.SYSTEM)
]
Uncertainty = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="Tell how sure each mask is: tta, dropout, ensemble, snapshot, wta or ewta (none).",
        rich_help_panel=options.SYSTEM,
    ),
]
Member = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Weights of a further member of the ensemble; repeatable.", rich_help_panel=options.SYSTEM
    ),
]
Repair = Annotated[
    bool,
    typer.Option(
        "--repair", help="Replace masks that fade by what neighbours in time say.", rich_help_panel=options.SYSTEM
    ),
]
Gap = Annotated[
    int | None,
    typer.Option(metavar="N", help="Frames that a track may miss in a row (2).", rich_help_panel=options.SYSTEM),
]
RingGap = Annotated[
    float | None,
    typer.Option(metavar="PX", help="Space between nucleus and cytoplasm ring (2).", rich_help_panel=RESULT),
]
RingWidth = Annotated[
    float | None, typer.Option(metavar="PX", help="Width of the cytoplasm ring (4).", rich_help_panel=RESULT)
]
Background = Annotated[
    str | None,
    typer.Option(
        metavar="WHAT",
        help="Subtracted from intensities: none, percentile, or a number (none).",
        rich_help_panel=RESULT,
    ),
]


def run(
    movie: Movie = None,
    out: Out = None,
    settings: SettingsFile = None,
    segment_channel: SegmentChannel = None,
    measure_channel: MeasureChannel = None,
    axes: options.Axes = None,
    project: options.Project = None,
    z: options.Plane = None,
    frames: options.Frames = None,
    pixel_size: options.PixelSize = None,
    interval: options.Interval = None,
    system: SystemName = None,
    weights: options.Weights = None,
    online: Online = False,
    starter: Starter = None,
    follow: Follow = None,
    diameter: options.Diameter = None,
    device: options.Device = None,
    tile: Tile = None,
    uncertainty: Uncertainty = None,
    member: Member = None,
    gap: Gap = None,
    repair: Repair = False,
    ring_gap: RingGap = None,
    ring_width: RingWidth = None,
    background: Background = None,
    dask: options.Dask = None,
    dask_config: options.DaskConfig = None,
    resume: options.Resume = False,
    on_error: options.OnError = "continue",
    as_json: options.AsJson = False,
) -> None:
    """Take a movie to labels, tracks, measurements and a report; a killed run goes on where it stopped.

    Plates, CSV lists and patterns ("data/*.tif") are many movies; each gets a run folder. Defaults are in parentheses.
    """
    from unfade import api
    from unfade.cli import batch
    from unfade.pipeline.running import Way
    from unfade.pipeline.settings import RunSettings
    from unfade.settings import read_toml

    given: dict[str, Any] = {
        "input": {"segment_channel": segment_channel, "measure_channels": measure_channel or None},
        "input.read": options.reading(axes, project, z, frames, pixel_size, interval),
        "system": {"name": system, "weights": weights},
        "system.settings": {"online": online or None},
        "predict": {
            "diameter": options.diameter_of(diameter),
            "device": device,
            "tile_px": tile,
            "uncertainty": uncertainty,
            "members": member or None,
            "starter": options.starter_of(starter),
            "follow": follow,
        },
        "link": {"gap": gap},
        "repair": {"enabled": repair or None},
        "measure": {"ring_gap": ring_gap, "ring_width": ring_width, **options.background_of(background)},
    }
    values = read_toml(settings) if settings is not None else {}
    chosen = RunSettings.parse(options.merged(values, given))
    if online:
        options.require_ahead(chosen.system.name)
    source, target = _source(movie, chosen.input.path), _target(out, settings)
    if batch.is_many(source):
        batch.run_many(source, target, chosen, batch.Orders(dask, dask_config, resume, on_error, as_json))
        return
    if resume and not target.is_dir():
        raise SettingsError(f"There is no run in {target} to go on with; leave out --resume.")
    with batch.workers(dask, dask_config) as pool, progress(as_json) as draw:
        way = Way(pool=pool, tell=None if as_json else say, kept=resume)
        folder = api.run(source, target, chosen, draw, way)
    facts = folder.read_manifest()
    if as_json:
        say_json({"out": str(folder.root), "manifest": facts})
        return
    _tell(folder.report, facts)
    if system is not None and chosen.system.weights is None:
        from unfade.weights.catalogue import DEFAULTS, other_weights

        say(f"Weights: {DEFAULTS[system]}; --weights also takes {other_weights(system)}.")


def _tell(report: Path, facts: dict[str, Any]) -> None:
    """What a person wants to know first, and the notes."""
    stages = facts["stages"]
    messages.print(
        f"[bold]{stages['measure']['tracks']}[/] tracks, [bold]{stages['measure']['objects']}[/] objects in "
        f"{several(facts['input']['shape'][0], 'frame')}; report: [cyan]{escape(str(report))}[/]",
        soft_wrap=True,
    )
    for note in facts["notes"]:
        messages.print(f"Note: {escape(note)}", soft_wrap=True)


def _source(movie: Path | None, path: str | None) -> Path:
    """The movie of the command, or that of the settings file."""
    if movie is not None:
        return movie
    if path is None:
        raise SettingsError("No movie is given; name one, as in 'unfade run MOVIE -o FOLDER'.")
    return Path(path)


def _target(out: Path | None, settings: Path | None) -> Path:
    """The folder of the command, or the run folder whose settings file was given."""
    from unfade.pipeline.folder import RunFolder

    if out is not None:
        return out
    if settings is None or not (
        RunFolder(settings.parent).settings == settings and RunFolder(settings.parent).manifest.is_file()
    ):
        raise SettingsError("No folder for the results is given; name one with -o FOLDER.")
    return settings.parent
