"""Tables as CSV and Parquet, with the unit and type of every column beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet

from unfade.data.outputs import replacing, write_json
from unfade.errors import MissingInputError, UnreadableFileError
from unfade.records import Table

UNITS = b"unfade.units"
COLUMNS = b"unfade.columns"
CATEGORY = "category"
_TYPES = {
    "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(),
    "uint8": pa.uint8(), "uint16": pa.uint16(), "uint32": pa.uint32(), "uint64": pa.uint64(),
    "float32": pa.float32(), "float64": pa.float64(), "bool": pa.bool_(), "str": pa.string(),
}  # fmt: skip


def sidecar(path: Path) -> Path:
    """Where the units of a CSV file stand: `objects.csv` has `objects.units.json`."""
    return path.with_suffix(".units.json")


def write_table(path: Path, table: Table) -> None:
    """Write `<name>.csv` with `<name>.units.json`, or `<name>.parquet`, by the ending of `path`.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    data = arrow(table)
    if path.suffix == ".parquet":
        units = json.dumps(table.units, ensure_ascii=False).encode()
        with replacing(path) as part:
            parquet.write_table(data.replace_schema_metadata({**(data.schema.metadata or {}), UNITS: units}), part)
        return
    with replacing(path) as part, part.open("wb") as file:
        file.write(csv_header(data.column_names))
        csv.write_csv(data, file, csv.WriteOptions(include_header=False, quoting_style="needed"))
    write_json(sidecar(path), {"columns": described(table)})


def write_tables(path: Path, table: Table) -> None:
    """Write both forms, `<path>.csv` and `<path>.parquet`; `path` has no ending."""
    write_table(path.with_name(path.name + ".csv"), table)
    write_table(path.with_name(path.name + ".parquet"), table)


def read_table(path: Path) -> Table:
    """Read a table that `write_table` wrote; a CSV file without its sidecar is read with guessed types.

    Raises
    ------
    MissingInputError
        If there is no such file.
    UnreadableFileError
        If it is damaged.
    """
    if not path.is_file():
        raise MissingInputError(f"There is no table {path}; check its name.")
    try:
        return _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UnreadableFileError(f"The table {path} cannot be read ({reason}); write it again.") from None


def column_names(path: Path) -> list[str]:
    """Columns of a Parquet table, without reading its rows."""
    return [str(name) for name in parquet.read_schema(path).names]


def described(table: Table) -> dict[str, dict[str, Any]]:
    """Type of every column, its unit where it has one, and the words that a column of words may hold."""
    found: dict[str, dict[str, Any]] = {}
    for name, dtype in table.rows.dtypes.items():
        entry: dict[str, Any] = {"type": _name(dtype)}
        if isinstance(dtype, pd.CategoricalDtype):
            entry = {"type": CATEGORY, "categories": [str(word) for word in dtype.categories]}
        if str(name) in table.units:
            entry["unit"] = table.units[str(name)]
        found[str(name)] = entry
    return found


def csv_header(names: list[str]) -> bytes:
    """First line of a CSV file."""
    return (",".join(_quoted(name) for name in names) + "\n").encode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\r\n') else name


def _name(dtype: Any) -> str:
    text = str(dtype)
    return text if text in _TYPES else "str"


def arrow(table: Table) -> pa.Table:
    """The rows as an Arrow table with the types that both formats keep."""
    rows = table.rows
    schema = pa.schema([(str(name), _TYPES[_name(dtype)]) for name, dtype in rows.dtypes.items()])
    data = pa.Table.from_pandas(rows, schema, preserve_index=False)
    columns = json.dumps(described(Table(rows)), ensure_ascii=False).encode()
    return data.replace_schema_metadata({**(data.schema.metadata or {}), COLUMNS: columns})


def _read_parquet(path: Path) -> Table:
    data = parquet.read_table(path)
    found = data.schema.metadata or {}
    return Table(
        _with_words(data.to_pandas(), json.loads(found.get(COLUMNS, b"{}"))), json.loads(found.get(UNITS, b"{}"))
    )


def _read_csv(path: Path) -> Table:
    beside = sidecar(path)
    if not beside.is_file():
        return Table(csv.read_csv(path).to_pandas())
    columns = json.loads(beside.read_text(encoding="utf-8"))["columns"]
    types = {name: _TYPES["str" if entry["type"] == CATEGORY else entry["type"]] for name, entry in columns.items()}
    options = csv.ConvertOptions(
        column_types=types, null_values=["", "nan", "NaN"], strings_can_be_null=False, include_columns=list(columns)
    )
    parse = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
    rows = csv.read_csv(path, parse_options=parse, convert_options=options).to_pandas()
    for name, entry in columns.items():
        if entry["type"] in ("float32", "float64"):
            rows[name] = np.asarray(rows[name], entry["type"])
    units = {name: entry["unit"] for name, entry in columns.items() if "unit" in entry}
    return Table(_with_words(rows, columns), units)


def _with_words(rows: pd.DataFrame, columns: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Columns of words as categories again; an empty cell is missing."""
    for name, entry in columns.items():
        if entry["type"] == CATEGORY:
            values = rows[name].astype(object)
            rows[name] = pd.Categorical(values.where(values != "", None), categories=entry["categories"])
    return rows
