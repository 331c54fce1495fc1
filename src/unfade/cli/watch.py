"""`unfade watch`: frames as they come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unfade.cli import options
from unfade.cli.console import say, say_json, several

if TYPE_CHECKING:
    from unfade.pipeline.watching import Seen

END = "Looking and ending"  # heading in the help

Source = Annotated[Path, typer.Argument(help="Folder that fills with one file per frame, or an OME-Zarr that grows.")]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Run folder to make or to go on with.")]
SettingsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Settings file; options given here come before it.")
]
Channel = Annotated[
    str | None,
    typer.Option(metavar="CHANNEL", help="Channel to segment: name or index (0).", rich_help_panel=options.INPUT),
]
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="End after this long without a frame.", rich_help_panel=END)
]
StopFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="End when it appears (stop in FOLDER).", rich_help_panel=END)
]
Patience = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Leave out a file that stays broken for this long.", rich_help_panel=END),
]
Report = Annotated[
    float, typer.Option(metavar="SECONDS", help="Time between two reports while frames come.", rich_help_panel=END)
]


def watch(
    source: Source,
    out: Out,
    settings: SettingsFile = None,
    segment_channel: Channel = None,
    axes: options.Axes = None,
    project: options.Project = None,
    z: options.Plane = None,
    pixel_size: options.PixelSize = None,
    interval: options.Interval = None,
    weights: options.Weights = None,
    diameter: options.Diameter = None,
    device: options.Device = None,
    timeout: Timeout = None,
    stop_file: StopFile = None,
    patience: Patience = 10.0,
    report: Report = 30.0,
    as_json: options.AsJson = False,
) -> None:
    """Work through frames while they are being written; ends at a stop file, a timeout or Ctrl-C."""
    from unfade import api
    from unfade.pipeline.settings import RunSettings
    from unfade.pipeline.watching import Vigil
    from unfade.settings import read_toml

    given: dict[str, Any] = {
        "input": {"segment_channel": segment_channel},
        "input.read": options.reading(axes, project, z, None, pixel_size, interval),
        "system": {"weights": weights},
        "predict": {"diameter": options.diameter_of(diameter), "device": device},
    }
    values = read_toml(settings) if settings is not None else {}
    chosen = RunSettings.parse(options.merged(values, given))
    heard: list[float] = []

    def tell(seen: Seen) -> None:
        heard.append(seen.latency_s)
        if not as_json:
            say(f"{seen.name}: {len(seen.result.objects)} objects after {seen.latency_s:.2f} s")

    vigil = Vigil(timeout_s=timeout, stop_file=stop_file, patience_s=patience, report_s=report)
    folder = api.watch(source, out, chosen, tell, vigil)
    facts = folder.read_manifest()
    latency = _spread(heard)
    if as_json:
        say_json({"out": str(folder.root), "frames": len(heard), "latency_s": latency, "manifest": facts})
        return
    told = f"{several(len(heard), 'frame')}, {several(facts['stages']['measure']['tracks'], 'track')}"
    say(
        f"{told}; latency {latency['median']:.2f} s in the median, {latency['p95']:.2f} s at the 95th percentile; "
        f"report: {folder.report}"
    )
    for note in facts["notes"]:
        say(f"Note: {note}")


def _spread(values: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    ordered = sorted(values)
    return {"median": ordered[len(ordered) // 2], "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]}
