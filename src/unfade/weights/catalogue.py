"""Finding and loading weights: the shipped ones by name, any others by path."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from unfade.errors import WeightsError
from unfade.ops.tensorfile import read_tensors, write_tensors
from unfade.weights.passport import Passport, file_hash, read_passport

# used where nothing is asked for
DEFAULTS = {
    "nuclei-unet": "nuclei-unet-dsb2018",
    "lexy": "lexy-synthetic",
    "hourglass": "hourglass-synthetic",
}

# Weights beside the package, in experiments/weights of the repository: their data allow research alone, or bind by GPL.
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "lexy": ("lexy-ktr",),
    "hourglass": ("hourglass-dic",),
    "shape-aware": ("shape-aware-dic",),
}


@dataclass(frozen=True)
class Weights:
    """Trained tensors with the settings of the system they were trained for."""

    name: str
    path: Path
    system: str
    settings: dict[str, Any]
    state: dict[str, Tensor]
    sha256: str

    def into(self, network: nn.Module) -> nn.Module:
        """Put the tensors into a network of the same build and give it back.

        Raises
        ------
        WeightsError
            If they do not fit.
        """
        try:
            network.load_state_dict(self.state)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise WeightsError(f"The weights {self.path.name} do not fit the network: {reason}") from None
        return network


def shipped() -> dict[str, Passport]:
    """Passports of all weights inside the package, by name."""
    folder = _folder()
    return {p.stem: read_passport(p) for p in sorted(folder.glob("*.json")) if p.with_suffix(".safetensors").is_file()}


def other_weights(system: str) -> str:
    """What `--weights` takes beside the default of a system, in words."""
    inside = [n for n, p in shipped().items() if p.system == system and n != DEFAULTS.get(system)]
    beside = [f"experiments/weights/{name}.safetensors of the repository" for name in ELSEWHERE.get(system, ())]
    return ", ".join([*inside, *beside, "a file", "the folder of a training"])


def find_weights(system: str, weights: str | Path | None = None) -> Path:
    """Path of the weights file called `weights` (a shipped name or a path), or of the system's default.

    Raises
    ------
    WeightsError
        If there is none; the text names what there is.
    """
    if weights is None:
        if system not in DEFAULTS:
            takes = other_weights(system)
            raise WeightsError(f"No weights for '{system}' ship with this release; --weights takes {takes}.")
        weights = DEFAULTS[system]
    inside = _folder() / f"{weights}.safetensors"
    if inside.is_file():
        return inside
    path = Path(weights)
    if path.is_dir() and (path / "best.safetensors").is_file():
        return path / "best.safetensors"  # a training folder
    if path.is_file():
        return path
    known = ", ".join(sorted(p.stem for p in _folder().glob("*.safetensors"))) or "none"
    raise WeightsError(f"There are no weights '{weights}': neither a file nor among the shipped ones ({known}).")


def load_weights(system: str, weights: str | Path | None = None) -> Weights:
    """Weights for `system`, checked against it.

    Raises
    ------
    WeightsError
        If they are missing, damaged, carry no settings, or belong to another system.
    """
    path = find_weights(system, weights)
    state, metadata = read_tensors(path)
    try:
        card = json.loads(metadata["unfade"])
        owner, settings = str(card["system"]), dict(card["settings"])
    except (KeyError, ValueError, TypeError):
        raise WeightsError(
            f"{path.name} was not written by unfade: it does not say which system it belongs to."
        ) from None
    if owner != system:
        raise WeightsError(f"{path.name} holds weights of '{owner}', not of '{system}'; use --system {owner}.")
    return Weights(path.stem, path, owner, settings, state, file_hash(path))


def save_weights(
    path: Path, system: str, settings: dict[str, Any], state: dict[str, Tensor], half: bool = False
) -> None:
    """Write weights that know their system and its settings."""
    write_tensors(path, state, card(system, settings), half)


def card(system: str, settings: dict[str, Any]) -> dict[str, str]:
    """The metadata that makes a weights file self-sufficient."""
    return {"unfade": json.dumps({"system": system, "settings": settings}, sort_keys=True)}


def _folder() -> Path:
    return Path(str(files("unfade.weights")))
