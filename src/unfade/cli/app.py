"""The application: every verb is a file of this folder."""

from __future__ import annotations

from typing import Annotated

import typer

import unfade
from unfade.cli import (
    batch,
    compare,
    doctor,
    export,
    info,
    models,
    prepare,
    repair,
    run,
    score,
    synthesize,
    train,
    watch,
)

app = typer.Typer(
    name="unfade",
    help="Segment, track, repair and measure cells in live-cell movies, also while their signal fades.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(unfade.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


app.command("run")(run.run)
app.command("batch")(batch.batch)
app.command("repair")(repair.repair)
app.command("watch")(watch.watch)
app.command("info")(info.info)
app.command("models")(models.models)
app.command("train")(train.train)
app.command("score")(score.score)
app.command("compare")(compare.compare)
app.command("validate")(score.validate)
app.command("export")(export.export)
app.command("prepare")(prepare.prepare)
app.command("doctor")(doctor.doctor)
app.command("synthesize")(synthesize.synthesize)
