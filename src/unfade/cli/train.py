"""`unfade train`: fit a system to one's own images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unfade.cli import options
from unfade.cli.console import escape, messages, say_json

if TYPE_CHECKING:
    from unfade.pipeline.training import TrainingSettings


def train(
    data: Annotated[
        Path, typer.Option(help="Folder with images/ and masks/, or a challenge folder.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Training folder to make or go on with.", show_default=False)
    ],
    system: Annotated[str | None, typer.Option(help="System to train (nuclei-unet).")] = None,
    preset: Annotated[str | None, typer.Option(help="Preset of the system, such as paper (default).")] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file; options given here come before it.")] = None,
    weights: Annotated[str | None, typer.Option(help="Start from these weights (fine-tuning).")] = None,
    encoder_weights: Annotated[
        str | None,
        typer.Option(metavar="imagenet|none|FILE", help="Start of a torchvision encoder (imagenet where it fits)."),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long; the schedule follows the clock.")] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    batch: Annotated[int | None, typer.Option(help="Crops per batch.")] = None,
    crop: Annotated[int | None, typer.Option(help="Side of a crop in pixels.")] = None,
    check_every: Annotated[int | None, typer.Option(help="Steps between validations.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the start and of every batch.")] = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps (auto).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that prepare batches.")] = None,
    tensorboard: Annotated[bool, typer.Option(help="Write TensorBoard curves too.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Train or fine-tune a system; a killed training started again with the same command goes on."""
    from unfade import api
    from unfade.pipeline.training import TrainingSettings
    from unfade.settings import read_toml

    given: dict[str, Any] = {
        "": {"system": system, "preset": preset, "weights": weights, "encoder_weights": encoder_weights},
        "sampler": {"batch": batch, "crop_px": crop},
        "train": {
            "steps": steps,
            "minutes": minutes,
            "rate": rate,
            "check_every": check_every,
            "seed": seed,
            "device": device,
            "workers": workers,
            "tensorboard": tensorboard or None,
        },
    }
    values = read_toml(settings) if settings is not None else {}
    top = {k: v for k, v in given.pop("").items() if v is not None}
    chosen = TrainingSettings.parse(options.merged({**values, **top}, given))

    def say(step: int, total: int, terms: dict[str, float]) -> None:
        parts = "  ".join(f"{name} {value:.4f}" if value % 1 else f"{name} {value:g}" for name, value in terms.items())
        messages.print(f"step {step}/{total}  {parts}", soft_wrap=True)

    scores = api.train(data, out, chosen, None if as_json else say)
    if as_json:
        say_json({"out": str(out), "weights": str(out / "best.safetensors"), "scores": scores})
        return
    path = f"[cyan]{escape(str(out / 'best.safetensors'))}[/]"
    if math.isnan(scores.get("AP", 0.0)):
        why = "No held frame has outlines of all its objects to choose by, so the last weights were kept."
        messages.print(f"Last weights: {path}  {why}", soft_wrap=True)
    else:
        figures = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
        messages.print(f"Best weights: {path}  {figures}", soft_wrap=True)
    if heads_alone(chosen):
        messages.print(
            "The heads have learnt; the network that merges them has not. Train it with the same data: "
            f"--system {chosen.system} --preset {chosen.preset} --weights {escape(str(out))} and a settings file with "
            "\\[settings] learn = 'merging'.",
            soft_wrap=True,
        )


def heads_alone(chosen: TrainingSettings) -> bool:
    """Whether several heads were trained whose merging network comes next."""
    from unfade.registry import load

    kind = load("systems", chosen.system)
    values = {**kind.presets[chosen.preset], **chosen.settings}
    return bool(values.get("merge")) and values.get("learn", "heads") == "heads"
