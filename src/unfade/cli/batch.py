"""`unfade batch`: many movies with one set of settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unfade.cli import options
from unfade.cli.console import escape, messages, progress, say, say_json
from unfade.errors import SettingsError

if TYPE_CHECKING:
    from unfade.pipeline.batch import Screen
    from unfade.pipeline.settings import RunSettings
    from unfade.scale.cluster import Cluster

SHOWN = 10  # positions that are listed in the terminal
MOST = 125  # failures that an exit code can tell; shells use the codes above it

Source = Annotated[
    Path, typer.Argument(help='OME-Zarr plate, folder of movies, CSV list, or a pattern in quotes ("data/*.tif").')
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder that gets a run folder for each.")]
SettingsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Settings file; options given here come before it.")
]
Channel = Annotated[
    str | None,
    typer.Option(metavar="CHANNEL", help="Channel to segment: name or index (0).", rich_help_panel=options.INPUT),
]
Report = Annotated[bool, typer.Option("--report", help="Make a report for every position.")]


@dataclass(frozen=True)
class Orders:
    """How many movies are to be worked through."""

    dask: str | None = None
    config: Path | None = None
    resume: bool = False
    on_error: str = "continue"
    as_json: bool = False
    report: bool = False


def batch(
    source: Source,
    out: Out,
    settings: SettingsFile = None,
    segment_channel: Channel = None,
    weights: options.Weights = None,
    diameter: options.Diameter = None,
    device: options.Device = None,
    report: Report = False,
    dask: options.Dask = None,
    dask_config: options.DaskConfig = None,
    resume: options.Resume = False,
    on_error: options.OnError = "continue",
    as_json: options.AsJson = False,
) -> None:
    """Run every movie of a plate, folder or list; the exit code tells how many failed."""
    from unfade.pipeline.settings import RunSettings
    from unfade.settings import read_toml

    given: dict[str, Any] = {
        "input": {"segment_channel": segment_channel},
        "system": {"weights": weights},
        "predict": {"diameter": options.diameter_of(diameter), "device": device},
    }
    values = read_toml(settings) if settings is not None else {}
    chosen = RunSettings.parse(options.merged(values, given))
    run_many(source, out, chosen, Orders(dask, dask_config, resume, on_error, as_json, report))


def run_many(source: Path, out: Path, settings: RunSettings, orders: Orders) -> None:
    """Run all movies that a source stands for, tell of those that failed, and leave with their number."""
    from unfade import api
    from unfade.pipeline.running import Way

    decide = options.on_error_of(orders.on_error)
    if orders.resume and not out.is_dir():
        raise SettingsError(f"There is no batch in {out} to go on with; leave out --resume.")
    with workers(orders.dask, orders.config) as pool, progress(orders.as_json) as draw:
        way = Way(pool, None if orders.as_json else say, orders.resume, orders.report)
        screen = api.batch(source, out, settings, draw, way, decide)
    if orders.as_json:
        say_json({"out": str(screen.root), "failed": screen.failed, "positions": [vars(o) for o in screen.outcomes]})
    else:
        _tell(screen)
    if screen.failed:
        raise typer.Exit(min(screen.failed, MOST))


def is_many(source: Path) -> bool:
    """Whether a source stands for many movies: a CSV list, a pattern, or a plate."""
    from unfade.data.positions import is_plate

    if source.suffix.lower() == ".csv" or (not source.exists() and any(mark in str(source) for mark in "*?[")):
        return True
    return source.is_dir() and is_plate(source)


@contextmanager
def workers(dask: str | None, config: Path | None) -> Iterator[Cluster | None]:
    """The workers asked for, and where to watch them; none if none are."""
    from unfade import api

    if dask is None:
        if config is not None:
            raise SettingsError("--dask-config goes with --dask slurm; give both.")
        yield None
        return
    with api.cluster(dask, config) as pool:
        messages.print(f"{pool.workers} workers; watch them at {escape(pool.dashboard)}", soft_wrap=True)
        yield pool


def _tell(screen: Screen) -> None:
    """How many are done, what went wrong with the others, and who has no object; the summary holds the rest."""
    failed = [o for o in screen.outcomes if o.status == "failed"]
    say(f"{len(screen.outcomes) - len(failed)} of {len(screen.outcomes)} positions done; summary: {screen.summary}")
    for outcome in failed[:SHOWN]:
        messages.print(f"[bold red]Failed:[/] {escape(outcome.name)}: {escape(outcome.error)}", soft_wrap=True)
    if len(failed) > SHOWN:
        say(f"{len(failed) - SHOWN} more failed; the summary says why.")
    empty = [o.name for o in screen.outcomes if o.status == "done" and o.objects == 0]
    if empty:
        more = f" and {len(empty) - SHOWN} more" if len(empty) > SHOWN else ""
        say(f"Note: no object was found in {', '.join(empty[:SHOWN])}{more}.")
