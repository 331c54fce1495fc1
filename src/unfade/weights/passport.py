"""What is written about weights: on what they were trained, how, under which licence, and how well they do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import Field

from unfade.errors import SettingsError, WeightsError
from unfade.settings import Settings


class Passport(Settings):
    """The JSON file beside a weights file, of the same name."""

    name: str = Field(description="name of the weights: <system>-<data>[-<variant>]")
    system: str = Field(description="system they belong to")
    settings: dict[str, Any] = Field(description="settings of the system, which the weights carry")
    data: str = Field(description="what they were trained on, with its citation")
    licence: str = Field(description="licence of the weights, as the data allow it")
    recipe: dict[str, Any] = Field(description="settings of sampler and training")
    command: str = Field(description="the command that trains them again")
    machine: str = Field(description="on what they were trained")
    minutes: float = Field(ge=0, description="time spent training, min")
    steps: int = Field(ge=0, description="optimiser steps done")
    date: str = Field(description="day the training ended, ISO 8601")
    parameters: int = Field(gt=0, description="number of trained parameters")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="hash of the weights file")
    scores: dict[str, float] = Field(description="figures on held-out data, named with data and metric")
    notes: str = Field("", description="what a user should know")


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_passport(path: Path) -> Passport:
    """The passport at `path`.

    Raises
    ------
    WeightsError
        If it is missing or not valid.
    """
    try:
        return Passport.parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise WeightsError(f"There is no passport {path.name} beside the weights.") from None
    except (ValueError, SettingsError) as error:
        raise WeightsError(f"The passport {path.name} is not valid: {error}") from None


def write_passport(path: Path, passport: Passport) -> None:
    """Write a passport, complete or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(passport.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
