"""Rows of experiment tables: a TOML file says what is trained and what is expected, a JSON file what came out."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unfade.pipeline.training import TrainingSettings
from unfade.settings import read_toml

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


@dataclass(frozen=True)
class Row:
    """One row: its name, what it says of itself, and how it is trained (None: weights that exist)."""

    name: str
    about: dict[str, Any]
    training: TrainingSettings | None


def read_row(path: Path) -> Row:
    """A row file with the tables `row` and `training`."""
    values = read_toml(path)
    training = values.get("training")
    return Row(path.stem, values["row"], None if training is None else TrainingSettings.parse(training))


def rows_of(table: str) -> list[Row]:
    """All rows of a table, in the order of their names."""
    rows = [read_row(path) for path in sorted(HERE.glob("*.toml"))]
    return [row for row in rows if row.about["table"] == table]


def write_result(row: Row, figures: dict[str, Any]) -> None:
    """Keep what came out beside the row, with the machine that it came from."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    whole = {"row": row.name, **row.about, **figures, "machine": machine()}
    part = RESULTS / f"{row.name}.json.part"
    part.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    part.replace(RESULTS / f"{row.name}.json")


def read_result(name: str) -> dict[str, Any] | None:
    """What came out of a row, or None if it was not run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def machine() -> str:
    """The processor or GPU that computes."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} core(s) of a {platform.machine()} processor"
