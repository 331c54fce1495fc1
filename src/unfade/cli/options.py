"""Options that several verbs share, and how they become settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from unfade.errors import SettingsError

INPUT, SYSTEM = "Movie", "Cells and tracks"  # headings in the help of `unfade run`
MANY = "Many movies and machines"

Axes = Annotated[
    str | None,
    typer.Option(metavar="LETTERS", help="Axes where the file does not tell, such as TCYX.", rich_help_panel=INPUT),
]
Project = Annotated[
    str | None, typer.Option(metavar="WAY", help="Project z planes: max or mean.", rich_help_panel=INPUT)
]
Plane = Annotated[
    int | None,
    typer.Option("--z", metavar="N", help="Take one z plane instead, counted from 0.", rich_help_panel=INPUT),
]
Frames = Annotated[
    str | None, typer.Option(metavar="A:B", help="Only the frames A to B - 1, counted from 0.", rich_help_panel=INPUT)
]
PixelSize = Annotated[
    float | None, typer.Option(metavar="UM", help="Width of a pixel, in place of the file's.", rich_help_panel=INPUT)
]
Interval = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Time between frames, in place of the file's.", rich_help_panel=INPUT),
]
Weights = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Shipped name or path (the system's default).", rich_help_panel=SYSTEM),
]
Diameter = Annotated[
    str | None,
    typer.Option(metavar="PX", help="Median diameter of the objects, or auto (auto).", rich_help_panel=SYSTEM),
]
Device = Annotated[
    str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps (auto).", rich_help_panel=SYSTEM)
]
Dask = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE", help="Work in local:N processes, at tcp://host:port, or in slurm jobs.", rich_help_panel=MANY
    ),
]
DaskConfig = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Settings file of the slurm jobs.", rich_help_panel=MANY)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an earlier run; tell what is kept.", rich_help_panel=MANY)
]
OnError = Annotated[
    str, typer.Option(metavar="WHAT", help="Among many: continue or stop when one fails.", rich_help_panel=MANY)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def reading(
    axes: str | None,
    project: str | None,
    z: int | None,
    frames: str | None,
    pixel_size: float | None,
    interval: float | None,
) -> dict[str, Any]:
    """Settings of the reader from what was given."""
    return {
        "axes": axes,
        "project": project,
        "z": z,
        "frames": frames,
        "pixel_um": pixel_size,
        "interval_s": interval,
    }


def diameter_of(text: str | None) -> float | str | None:
    """A diameter in pixels, `auto`, or nothing.

    Raises
    ------
    SettingsError
        For anything else.
    """
    if text is None or text == "auto":
        return text
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"--diameter takes a number of pixels or 'auto', not '{text}'.") from None
    if not 1 <= value <= 10_000:
        raise SettingsError(f"--diameter must lie between 1 and 10000 pixels, got {text}.")
    return value


def starter_of(text: str | None) -> dict[str, str] | None:
    """Settings of the system for the first frame from its name, which weights may follow after an equals sign.

    Raises
    ------
    SettingsError
        If the name or the weights after the sign are missing.
    """
    if text is None:
        return None
    name, sign, weights = text.partition("=")
    if not name or (sign and not weights):
        raise SettingsError(f"--starter takes a system such as lexy-unet, or lexy-unet=WEIGHTS, not '{text}'.")
    return {"name": name, **({"weights": weights} if sign else {})}


def require_ahead(system: str) -> None:
    """Make sure that a system can be told to look at no later frame.

    Raises
    ------
    SettingsError
        If there is no such system or it has no such setting.
    """
    from unfade.registry import load

    if "online" not in load("systems", system).settings_type.model_fields:
        raise SettingsError(f"--online is for systems that look ahead, such as lexy; leave it out for {system}.")


def background_of(text: str | None) -> dict[str, Any]:
    """Settings of the background from `none`, `percentile` or a number.

    Raises
    ------
    SettingsError
        For anything else.
    """
    if text is None:
        return {}
    if text in ("none", "percentile"):
        return {"background": text}
    try:
        return {"background": "constant", "background_value": float(text)}
    except ValueError:
        raise SettingsError(f"--background takes none, percentile or a number, not '{text}'.") from None


def merged(values: dict[str, Any], given: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Settings of a file with those given on the command line put over them; keys like `input.read` name a table."""
    out = {k: dict(v) if isinstance(v, dict) else v for k, v in values.items()}
    for place, group in given.items():
        chosen = {k: v for k, v in group.items() if v is not None}
        if not chosen:
            continue
        table = out
        for name in place.split("."):
            table[name] = dict(table.get(name, {}))
            table = table[name]
        table.update(chosen)
    return out


def on_error_of(text: str) -> Literal["continue", "stop"]:
    """What happens to the others when one fails.

    Raises
    ------
    SettingsError
        For any other word.
    """
    if text == "stop":
        return "stop"
    if text == "continue":
        return "continue"
    raise SettingsError(f"--on-error takes continue or stop, not '{text}'.")
