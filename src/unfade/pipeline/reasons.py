"""Why a stage is done again: said in words, so that nobody waits for hours without knowing what for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TABLES: dict[str, tuple[str, ...]] = {  # settings that a stage depends on by itself
    "segment": ("input.read", "input.segment_channel", "system", "predict"),
    "link": ("link", "input.read.pixel_um", "input.read.interval_s"),
    "repair": ("repair",),
    "measure": ("measure", "input.measure_channels"),
    "report": (),
}
SHOWN = 3  # changed settings that are listed


def why_again(
    name: str, known: Mapping[str, Any] | None, key: str, missing: Sequence[Path], changes: Sequence[str]
) -> str | None:
    """A sentence on why a stage has to be done again; None if it was never begun.

    `known` is what the manifest says of it, `missing` are outputs that are gone, `changes` come from `changed`.
    """
    if known is None:
        return None
    if known.get("key") == key:
        if not known.get("complete"):
            return f"{name} goes on where it was interrupted"
        return f"{name} is done again: {missing[0].name} is missing" if missing else None
    own = [text for text in changes if text.startswith(TABLES[name] + ("weights", "device"))]
    if name != "segment":
        own = [text for text in own if not text.startswith(("weights", "device"))]
    if own:
        more = f" and {len(own) - SHOWN} more" if len(own) > SHOWN else ""
        return f"{name} is done again: {', '.join(own[:SHOWN])}{more}"
    return f"{name} is done again: what it starts from has changed"


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two manifests: settings by their full names with both values, weights, device."""
    old, new = (dict(_flat(m.get("settings", {}))) for m in (before, now))
    texts = [
        f"{name} was {old.get(name, 'unset')}, is {new.get(name, 'unset')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name) and name != "input.path"
    ]
    weights = [m.get("weights", {}).get("name") for m in (before, now)]
    if before.get("weights") != now.get("weights"):
        texts.append(f"weights were {weights[0]}, are {weights[1]}" if weights[0] != weights[1] else "weights differ")
    if before.get("device") != now.get("device"):
        texts.append(f"device was {before.get('device')}, is {now.get('device')}")
    return texts


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
