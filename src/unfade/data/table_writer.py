"""A table that grows: rows go to CSV and Parquet as they come, so that memory does not grow with the movie."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

from unfade.data.outputs import PART, guarded, move, remove, write_json
from unfade.data.table import UNITS, arrow, csv_header, described, sidecar
from unfade.records import Table

ROWS = 20_000  # rows held back until they are written together


class TableWriter:
    """Writes `<path>.csv`, `<path>.units.json` and `<path>.parquet`; they get their names once all is written.

    `empty` is the table without rows: it fixes columns, their order and their types.
    """

    def __init__(self, path: Path, empty: Table) -> None:
        """Open the temporary files.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        self.path, self.empty = path, empty
        self.targets = tuple(path.with_name(path.name + ending) for ending in (".csv", ".parquet"))
        self._parts = tuple(t.with_name(t.name + PART) for t in self.targets)
        self._held: list[pd.DataFrame] = []
        self._rows = 0
        data = arrow(empty)
        units = json.dumps(empty.units, ensure_ascii=False).encode()
        self._schema = data.schema.with_metadata({**(data.schema.metadata or {}), UNITS: units})
        with guarded(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._csv = self._parts[0].open("wb")
            self._csv.write(csv_header(data.column_names))
            self._parquet = parquet.ParquetWriter(self._parts[1], self._schema)

    def append(self, rows: pd.DataFrame) -> None:
        """Add rows with the columns of the empty table."""
        if len(rows):
            self._held.append(rows)
            self._rows += len(rows)
        if self._rows >= ROWS:
            self._flush()

    def finish(self) -> None:
        """Write what is held back and give the files their names."""
        self._flush()
        with guarded(self.targets[0]):
            self._csv.close()
            self._parquet.close()
            for part, target in zip(self._parts, self.targets, strict=True):
                move(part, target)
        write_json(sidecar(self.targets[0]), {"columns": described(self.empty)})

    def _flush(self) -> None:
        if not self._held:
            return
        data = arrow(Table(pd.concat(self._held, ignore_index=True))).replace_schema_metadata(self._schema.metadata)
        with guarded(self.targets[0]):
            csv.write_csv(data, self._csv, csv.WriteOptions(include_header=False, quoting_style="needed"))
            self._parquet.write_table(data)
        self._held, self._rows = [], 0
        pa.default_memory_pool().release_unused()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.finish()
        finally:  # after a success the parts have got their names
            for stream in (self._csv, self._parquet):
                with suppress(OSError):
                    stream.close()
            for part in self._parts:
                remove(part)
