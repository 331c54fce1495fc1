"""`unfade repair`: masks that fade are replaced by what their neighbours in time say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unfade.cli.console import escape, messages, progress, say_json

Run = Annotated[Path, typer.Argument(help="Finished run folder.", show_default=False)]


def repair(
    run: Run,
    policy: Annotated[
        str | None, typer.Option(metavar="NAME", help="bridged, or printed as the paper has it (bridged).")
    ] = None,
    motion: Annotated[
        str | None,
        typer.Option(metavar="WAY", help="How masks are moved: flow, mean-flow, shift or none (mean-flow)."),
    ] = None,
    flow: Annotated[
        str | None, typer.Option(metavar="NAME", help="Estimator of dense flow: ilk, tvl1, whole or flownet (ilk).")
    ] = None,
    flow_weights: Annotated[
        str | None, typer.Option(metavar="FILE", help="Weights of flownet, made by unfade train --system flow.")
    ] = None,
    uncertainty: Annotated[
        str | None, typer.Option(metavar="FROM", help="both, system, or consistency in time (both).")
    ] = None,
    theta: Annotated[
        float | None, typer.Option(metavar="NATS", help="Uncertain from here on, at most ln 3 (0.5).")
    ] = None,
    max_age: Annotated[int | None, typer.Option(metavar="N", help="Frames a mask is carried at most (24).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Repair a run: tables and report are made again from the repaired masks; what was seen stays beside them."""
    from unfade import api

    given: dict[str, Any] = {
        "policy": policy,
        "motion": motion,
        "flow": flow,
        "flow_weights": flow_weights,
        "uncertainty": uncertainty,
        "theta": theta,
        "max_age": max_age,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    with progress(as_json) as draw:
        facts = api.repair(run, chosen, dry_run=dry_run, progress=draw)
    if as_json:
        say_json({"out": str(run), "dry_run": dry_run, "repair": facts})
        return
    would = "would be " if dry_run else ""
    messages.print(
        f"[bold]{facts['updated']}[/] masks {would}updated, [bold]{facts['interpolated']}[/] {would}interpolated, "
        f"{facts['seen']} stay; {facts['doubted']} of {facts['objects_before']} were doubted: "
        f"[cyan]{escape(str(run))}[/]",
        soft_wrap=True,
    )
    if facts["doubted"] > facts["updated"]:
        messages.print(
            "A doubted mask stays where the masks carried to it agree with it or are no surer, and where none reaches.",
            soft_wrap=True,
        )
