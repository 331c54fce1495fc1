"""What stages leave for the next one: named arrays in one file, complete or not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from unfade.data.outputs import replacing
from unfade.errors import OutputError


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Raises
    ------
    OutputError
        If the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in names}
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError):
        raise OutputError(f"{path} is missing or damaged; delete it and run again.") from None
