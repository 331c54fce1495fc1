"""Options that several verbs share, and how they become settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from unfade.errors import SettingsError

INPUT, SYSTEM = "Movie", "Cells and tracks"  # headings in the help of `unfade run`

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
