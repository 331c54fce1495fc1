"""Training curves: CSV always, TensorBoard where its extra is installed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any


class Curves:
    """Appends rows to `curves.csv`; a resumed run drops rows that lie after its starting step."""

    def __init__(self, folder: Path, start: int, tensorboard: bool = False) -> None:
        self.path = folder / "curves.csv"
        self.rows: list[dict[str, Any]] = []
        if self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= start]
        self.board = _board(folder) if tensorboard else None

    def add(self, step: int, values: dict[str, float]) -> None:
        """One row of named values at `step`; the file is rewritten, so that new columns may appear."""
        self.rows.append({"step": step, **{k: f"{v:.6g}" for k, v in values.items()}})
        columns = list(dict.fromkeys(k for row in self.rows for k in row))
        part = self.path.with_name(self.path.name + ".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        part.replace(self.path)
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush what is buffered."""
        if self.board is not None:
            self.board.close()


def _board(folder: Path) -> Any:
    from unfade.errors import MissingExtraError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("TensorBoard curves need the extra: pip install 'unfade[tensorboard]'.") from None
    return SummaryWriter(str(folder / "tensorboard"))
