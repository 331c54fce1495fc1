"""Lineages as GEFF graphs (zarr v3) through the geff library: one node per object and frame, edges forward in time.

Source: Graph Exchange File Format specification 1.x. Node properties are the columns of the objects table, with units.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unfade.data.outputs import replacing
from unfade.data.zarr_rules import check_store
from unfade.errors import MissingInputError, ShapeError, UnreadableFileError
from unfade.records import KINDS, Calibration, Lineage, Table

Ints = NDArray[np.int64]
AXES = ("t", "y", "x")
_OWN = ("t", "y", "x", "label", "track", "tracklet", "lineage")  # properties that are no columns of the table
_UNITS = {"px": "pixel", "µm": "micrometer", "s": "second"}


def write_geff(
    path: Path, lineage: Lineage, objects: Table, calibration: Calibration = Calibration(), kind: str = KINDS[0]
) -> None:
    """Write a lineage and the measurements of its objects of one kind as a GEFF folder.

    Positions are in pixels and frames; scale and unit of the axes lead to µm and seconds where they are known. Words
    (`origin`) become numbers, explained in the property's description. Beside `track`, nodes carry `tracklet` (longest
    piece without branches) and `lineage` (all that hangs together).

    Raises
    ------
    ShapeError
        If an object of the lineage has no row in the table, or a child begins before its parent.
    OutputError
        If it cannot be written.
    """
    from geff.core_io import write_arrays
    from geff_spec import GeffMetadata

    table = objects.rows.assign(**{name: pd.Categorical(objects.rows[name]) for name in _words(objects.rows)})
    rows = _rows(lineage, table, kind)
    edges, confidence, divides = _edges(lineage)
    nodes = np.arange(len(rows), dtype=np.uint64)
    props = _properties(lineage, rows, edges)
    metadata = GeffMetadata(
        directed=True,
        axes=_axes(calibration),
        node_props_metadata=_described(props, table, objects.units),
        edge_props_metadata={},
        track_node_props={"tracklet": "tracklet", "lineage": "lineage"},
    )
    with replacing(path) as part:
        write_arrays(
            part,
            nodes,
            {name: {"values": values, "missing": None} for name, values in props.items()},
            edges.astype(np.uint64),
            {
                "confidence": {"values": confidence, "missing": None},
                "between_tracks": {"values": divides, "missing": None},
            },
            metadata,
            zarr_format=3,
        )


def read_geff(path: Path) -> tuple[Lineage, Table]:
    """Read a GEFF folder with the axes t, y, x: lineage and a table of all node properties.

    Tracks are the property `track`; where there is none, the longest pieces without branches.

    Raises
    ------
    MissingInputError
        If there is no such folder.
    UnreadableFileError
        If it is no valid GEFF, or lacks one of the axes.
    """
    from geff import GeffReader

    if not path.exists():
        raise MissingInputError(f"There is no GEFF folder {path}; check its name.")
    check_store(path)
    try:
        reader = GeffReader(path)
        reader.read_node_props()
        reader.read_edge_props()
        graph: Any = reader.build()
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise UnreadableFileError(f"{path} is no valid GEFF ({reason}); export it again.") from None
    props = {name: np.asarray(entry["values"]) for name, entry in graph["node_props"].items()}
    if not set(AXES) <= set(props):
        raise UnreadableFileError(f"{path} lacks one of the axes t, y, x; it has {', '.join(props) or 'none'}.")
    ids = np.asarray(graph["node_ids"], np.int64)
    order = np.argsort(ids, kind="stable")
    edges = order[np.searchsorted(ids[order], np.asarray(graph["edge_ids"], np.int64).reshape(-1, 2))]
    return _lineage(props, edges, graph["edge_props"]), _table(props, graph["metadata"])


def _rows(lineage: Lineage, rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The table's row of each node, in the order of the nodes."""
    chosen = rows[rows["kind"] == kind] if "kind" in rows else rows
    table = chosen.set_index(["frame", "track"])
    nodes = pd.MultiIndex.from_arrays([lineage.frame.astype(np.int64), lineage.track.astype(np.int64)])
    place = table.index.get_indexer(nodes)
    if np.any(place < 0):
        frame, track = nodes[int(np.flatnonzero(place < 0)[0])]
        raise ShapeError(f"The objects table has no row for track {track} in frame {frame}; measure the movie again.")
    return table.iloc[place]


def _edges(lineage: Lineage) -> tuple[Ints, NDArray[np.float32], NDArray[np.bool_]]:
    """Edges (earlier node, later node), their confidence, and whether they lead from one track to another."""
    order = np.lexsort((lineage.frame, lineage.track))
    frame, track = lineage.frame[order], lineage.track[order]
    same = np.flatnonzero(track[1:] == track[:-1])
    links = np.stack([order[same], order[same + 1]], axis=1).astype(np.int64)
    first = {int(t): int(i) for t, i in zip(*np.unique(track, return_index=True), strict=True)}
    births = []
    for child, parent in lineage.parents.tolist():
        if child not in first or parent not in first:
            raise ShapeError(f"Track {child} descends from {parent}, but one of them has no object; link again.")
        begin = first[parent]
        before = begin + int(np.searchsorted(frame[track == parent], frame[first[child]])) - 1
        if before < begin:
            raise ShapeError(f"Track {child} begins before its parent {parent}; link the movie again.")
        births.append((order[before], order[first[child]]))
    bridges = np.asarray(births, np.int64).reshape(-1, 2)
    edges = np.concatenate([links, bridges])
    divides = np.arange(len(edges)) >= len(links)
    confidence = np.where(divides, np.float32(np.nan), lineage.confidence[edges[:, 1]])
    return edges, confidence.astype(np.float32), divides


def _properties(lineage: Lineage, rows: pd.DataFrame, edges: Ints) -> dict[str, NDArray[Any]]:
    count = len(rows)
    props: dict[str, NDArray[Any]] = {
        "t": lineage.frame.astype(np.int64),
        "y": rows["y_px"].to_numpy(np.float64),
        "x": rows["x_px"].to_numpy(np.float64),
        "label": lineage.label.astype(np.int64),
        "track": lineage.track.astype(np.int64),
        "tracklet": _tracklets(edges, count),
        "lineage": _lineages(edges, count),
    }
    for name, column in rows.items():
        if str(name) in ("y_px", "x_px", *props):
            continue
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
            props[str(name)] = column.to_numpy()
        else:
            props[str(name)] = column.cat.codes.to_numpy(np.int16)
    return props


def _tracklets(edges: Ints, count: int) -> Ints:
    """Number of the longest piece without branches that each node lies on, from 1."""
    sure = (np.bincount(edges[:, 0], minlength=count)[edges[:, 0]] == 1) & (
        np.bincount(edges[:, 1], minlength=count)[edges[:, 1]] == 1
    )
    return _lineages(edges[sure], count)


def _lineages(edges: Ints, count: int) -> Ints:
    """Number of the connected part of the graph that each node lies in, from 1."""
    if count == 0:
        return np.zeros(0, np.int64)
    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64) + 1


def _axes(calibration: Calibration) -> list[Any]:
    from geff_spec import Axis

    def axis(name: str, kind: str, unit: str, scale: float | None, scaled: str) -> Any:
        known = {} if scale is None else {"scale": scale, "scaled_unit": scaled}
        return Axis(name=name, type=kind, unit=unit, **known)

    pixel = calibration.pixel_um
    return [
        axis("t", "time", "frame", calibration.interval_s, "second"),
        axis("y", "space", "pixel", pixel, "micrometer"),
        axis("x", "space", "pixel", pixel, "micrometer"),
    ]


def _words(rows: pd.DataFrame) -> list[str]:
    """Columns that hold neither numbers nor truth values."""
    return [str(n) for n, d in rows.dtypes.items() if not (isinstance(d, np.dtype) and d.kind in "iufb")]


def _described(props: dict[str, NDArray[Any]], rows: pd.DataFrame, units: dict[str, str]) -> dict[str, Any]:
    """Type and unit of each property, and which number stands for which word."""
    from geff_spec import PropMetadata

    named = {name: _UNITS.get(unit, unit) for name, unit in units.items()}
    named |= {"t": "frame", "y": "pixel", "x": "pixel"}
    words = {n: ", ".join(f"{i} = {word}" for i, word in enumerate(rows[n].cat.categories)) for n in _words(rows)}
    return {
        name: PropMetadata(identifier=name, dtype=str(values.dtype), unit=named.get(name), description=words.get(name))
        for name, values in props.items()
    }


def _lineage(props: dict[str, NDArray[Any]], edges: Ints, edge_props: Any) -> Lineage:
    count = len(props["t"])
    track = props["track"] if "track" in props else _tracklets(edges, count)
    between = track[edges[:, 0]] != track[edges[:, 1]]
    confidence = np.full(count, np.nan, np.float32)
    if "confidence" in edge_props:
        confidence[edges[~between, 1]] = np.asarray(edge_props["confidence"]["values"])[~between]
    parents = np.stack([track[edges[between, 1]], track[edges[between, 0]]], axis=1)
    label = props.get("label", track)
    return Lineage(
        props["t"].astype(np.int32),
        label.astype(np.int32),
        track.astype(np.int32),
        confidence,
        np.unique(parents, axis=0).astype(np.int32),
    )


def _table(props: dict[str, NDArray[Any]], metadata: Any) -> Table:
    back = {unit: ours for ours, unit in _UNITS.items()}
    names = {"t": "frame", "track": "track", "y": "y_px", "x": "x_px"}
    order = [*names, *(n for n in metadata.node_props_metadata if n not in _OWN)]
    rows = pd.DataFrame({names.get(n, n): props[n] for n in order if n in props})
    units: dict[str, str] = {}
    for place, entry in metadata.node_props_metadata.items():
        name = names.get(place, place)
        if name not in rows:
            continue
        words = [word for _, word in re.findall(r"(\d+) = ([^,]*)", entry.description or "")]
        if words:
            rows[name] = pd.Categorical.from_codes(np.asarray(rows[name], np.int64), pd.Index(words))
        if entry.unit is not None and name != "frame":
            units[name] = back.get(entry.unit, entry.unit)
    return Table(rows, units)
