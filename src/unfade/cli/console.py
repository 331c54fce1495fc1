"""What people see in the terminal: progress, tables and errors, all on standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unfade.api import Progress as Callback

messages = Console(stderr=True, highlight=False)
results = Console(highlight=False)


def fail(sentence: str, code: int = 2) -> NoReturn:
    """Print one sentence to standard error and leave."""
    messages.print(f"[bold red]Error:[/] {escape(sentence)}", soft_wrap=True)
    sys.exit(code)


def escape(text: str) -> str:
    """Text from files and users, with rich's markup switched off."""
    from rich.markup import escape as plain

    return plain(text)


def several(number: int, what: str) -> str:
    """A number of things: `1 frame`, `2 frames`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def say(text: str) -> None:
    """A line for people."""
    messages.print(escape(text), soft_wrap=True)


def say_json(values: Any) -> None:
    """Machine-readable result on standard output; what is no number is null."""
    sys.stdout.write(json.dumps(_finite(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """Plain values with null for NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def progress(quiet: bool = False) -> Iterator[Callback | None]:
    """A callback `(stage, done, total)` that draws one bar per stage."""
    if quiet or not messages.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def draw(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield draw
