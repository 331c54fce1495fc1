"""Pages that are written from the program itself: systems, shipped weights, settings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from unfade import registry
from unfade.pipeline.settings import RunSettings
from unfade.settings import Settings
from unfade.weights.catalogue import shipped
from unfade.weights.passport import Passport


def write(folder: Path) -> None:
    """Write all generated pages to `folder`; pages that did not change keep their time stamp."""
    folder.mkdir(exist_ok=True)
    for name, text in {"systems.md": systems(), "settings.md": settings()}.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def systems() -> str:
    """One section per system: what it is, its presets, its settings, its weights."""
    passports = shipped()
    parts = ["# Systems and weights\n"]
    for name in registry.names("systems"):
        kind = registry.load("systems", name)
        module = inspect.getdoc(inspect.getmodule(kind)) or inspect.getdoc(kind) or ""
        parts += [f"## {name}\n", f"{module}\n"]
        parts += ["### Settings\n", table(rows(kind.settings_type))]
        parts += ["### Presets\n", *(preset(key, values) for key, values in kind.presets.items()), ""]
        parts += [weights(key, passport) for key, passport in passports.items() if passport.system == name]
    return "\n".join(parts)


def settings() -> str:
    """Every setting of a run, table by table, as in `run.toml`."""
    parts = [
        "# Settings of a run\n",
        "`unfade run --settings FILE` takes a TOML file that begins with `schema = 1`; every run writes its own to",
        "`run.toml`. What is given on the command line comes before the file. Unknown keys are refused.\n",
    ]
    for name, field in RunSettings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Settings):
            parts += [f"## `[{name}]`\n", f"{first_line(kind)}\n", table(rows(kind))]
    return "\n".join(parts)


def rows(kind: type[Settings], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, default and sentence of every setting; groups inside are written `group.name`."""
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            yield from rows(inner, f"{prefix}{name}.")
        else:
            yield f"`{prefix}{name}`", default(field), field.description or ""


def default(field: FieldInfo) -> str:
    """The default of a setting as a table shows it."""
    value = field.get_default(call_default_factory=True)
    return "unset" if value is None else f"`{value!r}`"


def preset(name: str, values: dict[str, Any]) -> str:
    """One preset as a list item."""
    changed = ", ".join(f"`{k} = {v!r}`" for k, v in values.items()) or "the defaults above"
    return f"- `{name}`: {changed}"


def weights(name: str, passport: Passport) -> str:
    """The passport of shipped weights."""
    facts = [
        ("trained on", passport.data),
        ("licence", passport.licence),
        ("parameters", f"{passport.parameters:,}"),
        ("training", f"{passport.steps:,} steps, {passport.minutes:.0f} min on {passport.machine}, {passport.date}"),
        ("command", f"`{passport.command}`"),
        *((score, f"{value:.3f}") for score, value in passport.scores.items()),
        ("notes", passport.notes),
    ]
    body = "\n".join(f"| {key} | {cell(value)} |" for key, value in facts if value)
    return f"### Weights `{name}`\n\n| | |\n| --- | --- |\n{body}\n"


def table(content: Iterator[tuple[str, str, str]]) -> str:
    """A table of settings."""
    body = "\n".join("| " + " | ".join(cell(c) for c in row) + " |" for row in content)
    return f"| setting | default | meaning |\n| --- | --- | --- |\n{body}\n"


def cell(text: str) -> str:
    """Text that does not end its table cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def first_line(kind: type) -> str:
    """First line of a class's docstring."""
    return (inspect.getdoc(kind) or "").partition("\n")[0]
