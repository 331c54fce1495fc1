from __future__ import annotations

from pathlib import Path

import geff
import numpy as np
import pandas as pd
import pytest
import zarr
from geff.validate.data import ValidationConfig, validate_data

from unfade.data.geff import read_geff, write_geff
from unfade.errors import MissingInputError, ShapeError, UnreadableFileError
from unfade.records import Calibration, Lineage, Table

SPANS = {1: (0, 3), 2: (4, 7), 3: (4, 5), 5: (1, 6), 9: (8, 9)}
PARENTS = [[2, 1], [3, 1], [9, 5]]
GAP = (5, 4)  # track 5 was not seen in frame 4


@pytest.fixture
def lineage() -> Lineage:
    nodes = [(f, t) for t, (a, b) in SPANS.items() for f in range(a, b + 1) if (t, f) != GAP]
    frame, track = np.array(sorted(nodes), np.int32).T
    first = np.array([f == SPANS[t][0] for f, t in zip(frame, track, strict=True)])
    confidence = np.where(first, np.nan, np.linspace(0.5, 1, len(frame))).astype(np.float32)
    return Lineage(frame, track + 100, track, confidence, np.array(PARENTS, np.int32))


@pytest.fixture
def objects(lineage: Lineage) -> Table:
    rng = np.random.default_rng(0)
    n = len(lineage.frame)
    rows = pd.DataFrame(
        {
            "frame": lineage.frame,
            "track": lineage.track,
            "kind": pd.Categorical(["nucleus"] * n, categories=["nucleus", "cell"]),
            "y_px": rng.random(n) * 100,
            "x_px": rng.random(n) * 100,
            "area_px": rng.integers(30, 90, n).astype(np.int32),
            "time_s": lineage.frame * 300.0,
            "touches_border": rng.random(n) > 0.5,
            "origin": pd.Categorical(
                ["seen", "updated"] * (n // 2) + ["seen"] * (n % 2), categories=["seen", "updated"]
            ),
            "ratio_erk": np.where(rng.random(n) > 0.8, np.nan, 1.5),
        }
    )
    cells = rows.assign(kind=pd.Categorical(["cell"] * n, categories=["nucleus", "cell"]), area_px=999)
    both = pd.concat([rows, cells]).sample(frac=1, random_state=0)
    return Table(both, {"y_px": "px", "x_px": "px", "area_px": "px²", "time_s": "s"})


def test_valid_by_the_library_and_exact(tmp_path: Path, lineage: Lineage, objects: Table) -> None:
    path = tmp_path / "run.geff"
    write_geff(path, lineage, objects, Calibration(0.65, 300.0))
    assert zarr.open_group(path, mode="r").metadata.zarr_format == 3
    geff.validate_structure(path)
    reader = geff.GeffReader(path)
    reader.read_node_props()
    reader.read_edge_props()
    validate_data(reader.build(), ValidationConfig(graph=True, lineage=True, tracklet=True))

    found, table = read_geff(path)
    for name in ("frame", "label", "track", "confidence"):
        np.testing.assert_array_equal(getattr(found, name), getattr(lineage, name))
    assert found.parents.tolist() == PARENTS
    assert table.units == objects.units
    expected = objects.rows[objects.rows["kind"] == "nucleus"].sort_values(["frame", "track"], ignore_index=True)
    pd.testing.assert_frame_equal(table.rows[list(expected.columns)], expected, check_dtype=False, check_exact=True)


def test_axes_lead_to_micrometres_and_seconds(tmp_path: Path, lineage: Lineage, objects: Table) -> None:
    path = tmp_path / "run.geff"
    write_geff(path, lineage, objects, Calibration(0.65, 300.0))
    axes = {a.name: (a.type, a.unit, a.scale, a.scaled_unit) for a in geff.GeffMetadata.read(path).axes}
    assert axes == {
        "t": ("time", "frame", 300.0, "second"),
        "y": ("space", "pixel", 0.65, "micrometer"),
        "x": ("space", "pixel", 0.65, "micrometer"),
    }
    write_geff(path, lineage, objects)
    assert all(a.scale is None for a in geff.GeffMetadata.read(path).axes)


def test_edges_bridge_gaps_and_divisions(tmp_path: Path, lineage: Lineage, objects: Table) -> None:
    write_geff(tmp_path / "run.geff", lineage, objects)
    graph, _ = geff.read(tmp_path / "run.geff", backend="networkx")
    where = {n: (d["t"], d["track"]) for n, d in graph.nodes(data=True)}
    edges = {(where[a], where[b]) for a, b in graph.edges}
    assert ((3, 5), (5, 5)) in edges
    assert {((3, 1), (4, 2)), ((3, 1), (4, 3)), ((6, 5), (8, 9))} <= edges
    assert len(edges) == len(lineage.frame) - len(SPANS) + len(PARENTS)


def test_tracks_of_others_are_found_from_the_edges(tmp_path: Path, lineage: Lineage, objects: Table) -> None:
    path = tmp_path / "run.geff"
    write_geff(path, lineage, objects)
    graph, _ = geff.read(path, backend="networkx")
    for _, node in graph.nodes(data=True):
        for name in ("track", "label"):
            del node[name]
    geff.write(graph, tmp_path / "other.geff", axis_names=["t", "y", "x"], zarr_format=3)
    found, _ = read_geff(tmp_path / "other.geff")
    assert len(np.unique(found.track)) == 4  # 5 and its only child 9 are one track without branches
    assert len(found.parents) == 2


def test_an_empty_lineage(tmp_path: Path, objects: Table) -> None:
    none = np.zeros(0, np.int32)
    empty = Lineage(none, none, none, none.astype(np.float32), np.zeros((0, 2), np.int32))
    write_geff(tmp_path / "run.geff", empty, Table(objects.rows.iloc[:0], objects.units))
    geff.validate_structure(tmp_path / "run.geff")
    found, table = read_geff(tmp_path / "run.geff")
    assert (len(found.frame), len(found.parents), len(table)) == (0, 0, 0)


def test_objects_and_lineage_that_do_not_fit(tmp_path: Path, lineage: Lineage, objects: Table) -> None:
    path = tmp_path / "run.geff"
    few = Table(objects.rows[objects.rows["frame"] != 8], objects.units)
    with pytest.raises(ShapeError, match="no row for track 9 in frame 8"):
        write_geff(path, lineage, few)
    turned = Lineage(lineage.frame, lineage.label, lineage.track, lineage.confidence, lineage.parents[:, ::-1])
    with pytest.raises(ShapeError, match="Track 1 begins before its parent 2"):
        write_geff(path, turned, objects)
    orphan = Lineage(lineage.frame, lineage.label, lineage.track, lineage.confidence, np.array([[2, 77]], np.int32))
    with pytest.raises(ShapeError, match="Track 2 descends from 77"):
        write_geff(path, orphan, objects)
    assert list(tmp_path.iterdir()) == []


def test_places_without_a_graph(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        read_geff(tmp_path / "none.geff")
    zarr.create_group(tmp_path / "image.zarr")
    with pytest.raises(UnreadableFileError, match="no valid GEFF"):
        read_geff(tmp_path / "image.zarr")
