from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from unfade.data.table import read_table, sidecar, write_table, write_tables
from unfade.errors import MissingInputError, OutputError, UnreadableFileError
from unfade.records import Table


@pytest.fixture
def table() -> Table:
    rng = np.random.default_rng(0)
    n = 50
    rows = pd.DataFrame(
        {
            "frame": np.arange(n, dtype=np.int32),
            "track": np.arange(n, dtype=np.int64) + 2**40,
            "kind": pd.Categorical(["nucleus"] * n, categories=["nucleus", "cell"]),
            "note": pd.Series(['a, "quoted" µm', "nan", "line\nbreak", ""] * 12 + ["x", "y"], dtype="str"),
            "touches_border": rng.random(n) > 0.5,
            "y_px": rng.normal(size=n),
            'ratio, of "ERK"': rng.normal(size=n).astype(np.float32),
            "small": rng.integers(0, 255, n).astype(np.uint8),
        }
    )
    rows.loc[3, "y_px"] = np.nan
    rows.loc[4:6, "y_px"] = [np.inf, -np.inf, 1e-300]
    return Table(rows, {"y_px": "px", 'ratio, of "ERK"': "µm²"})


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_read_back_exactly(tmp_path: Path, table: Table, ending: str) -> None:
    path = tmp_path / f"objects{ending}"
    write_table(path, table)
    found = read_table(path)
    pd.testing.assert_frame_equal(found.rows, table.rows, check_exact=True)
    assert found.units == table.units


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_an_empty_table_keeps_header_and_types(tmp_path: Path, table: Table, ending: str) -> None:
    path = tmp_path / f"objects{ending}"
    write_table(path, Table(table.rows.iloc[:0], table.units))
    found = read_table(path)
    assert len(found) == 0
    assert list(found.rows.columns) == list(table.rows.columns)
    assert found.rows.dtypes.equals(table.rows.dtypes)
    assert found.units == table.units


def test_missing_words_stay_missing(tmp_path: Path) -> None:
    rows = pd.DataFrame({"origin": pd.Categorical(["seen", None], categories=["seen", "updated"])})
    for ending in (".csv", ".parquet"):
        write_table(tmp_path / f"t{ending}", Table(rows))
        pd.testing.assert_frame_equal(read_table(tmp_path / f"t{ending}").rows, rows)


def test_other_programs_read_the_csv(tmp_path: Path, table: Table) -> None:
    path = tmp_path / "objects.csv"
    write_table(path, table)
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(table.rows.columns)
    assert lines[0]["note"] == 'a, "quoted" µm'
    assert lines[3]["y_px"] == ""
    assert float(lines[0]["y_px"]) == table.rows["y_px"][0]
    plain = pd.read_csv(path)
    np.testing.assert_array_equal(plain["touches_border"], table.rows["touches_border"])
    assert path.read_bytes().startswith(b"frame,track,kind,note,")


def test_units_beside_the_csv_and_inside_the_parquet(tmp_path: Path, table: Table) -> None:
    write_tables(tmp_path / "objects", table)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["objects.csv", "objects.parquet", "objects.units.json"]
    columns = json.loads(sidecar(tmp_path / "objects.csv").read_text(encoding="utf-8"))["columns"]
    assert columns["y_px"] == {"type": "float64", "unit": "px"}
    assert columns["kind"] == {"type": "category", "categories": ["nucleus", "cell"]}
    metadata = parquet.read_schema(tmp_path / "objects.parquet").metadata
    assert json.loads(metadata[b"unfade.units"]) == table.units


def test_a_csv_of_others_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("frame,area\n0,1.5\n1,2.5\n")
    found = read_table(tmp_path / "t.csv")
    assert found.rows["area"].tolist() == [1.5, 2.5]
    assert found.units == {}


def test_missing_and_damaged_tables(tmp_path: Path, table: Table) -> None:
    with pytest.raises(MissingInputError, match="no table"):
        read_table(tmp_path / "t.csv")
    write_tables(tmp_path / "t", table)
    for name in ("t.parquet", "t.csv"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(UnreadableFileError, match=r"The table .* cannot be read"):
            read_table(path)
    (tmp_path / "t.units.json").write_text("{")
    with pytest.raises(UnreadableFileError):
        read_table(tmp_path / "t.csv")


def test_a_place_that_cannot_be_written(tmp_path: Path, table: Table) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_table(tmp_path / "a" / "t.csv", table)
