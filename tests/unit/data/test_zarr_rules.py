"""Stores that would run code, leave their folder or claim more than they hold are refused before they are opened."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from unfade.data import open_labels, open_movie
from unfade.data.geff import read_geff
from unfade.errors import UnreadableFileError


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def store(path: Path, version: int) -> Path:
    zarr.create_array(
        path, shape=(2, 4, 4), chunks=(1, 4, 4), dtype="u2", zarr_format=version,
        dimension_names=["t", "y", "x"] if version == 3 else None,
    )[:] = 7  # fmt: skip
    return path


def changed(path: Path, **values: Any) -> None:
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, **values}))


def test_a_store_that_unpickles_its_chunks_is_refused(tmp_path: Path) -> None:
    path, mark = store(tmp_path / "m.zarr", 2), tmp_path / "ran"
    changed(path / ".zarray", filters=[{"id": "pickle", "protocol": 4}], compressor=None)
    (path / "0.0.0").write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(UnreadableFileError, match="names the codec 'pickle'"):
        open_movie(path).frame(0)
    with pytest.raises(UnreadableFileError, match="names the codec 'pickle'"):
        open_labels(path).frame(0)
    assert not mark.exists()


@pytest.mark.parametrize("where", ["codecs", "nested", "object"])
def test_foreign_codecs_and_objects_are_refused(tmp_path: Path, where: str) -> None:
    path = store(tmp_path / "m.zarr", 3)
    codecs = [{"name": "numcodecs.pickle"}]
    inner = [{"name": "sharding_indexed", "configuration": {"codecs": codecs, "chunk_shape": [1, 4, 4]}}]
    value = {"codecs": {"codecs": codecs}, "nested": {"codecs": inner}, "object": {"data_type": "object"}}[where]
    changed(path / "zarr.json", **value)
    with pytest.raises(UnreadableFileError, match=r"names the codec 'numcodecs.pickle'|elements of type 'object'"):
        open_movie(path)


@pytest.mark.parametrize("name", ["../other.zarr", "/etc", "a/../../b", "..\\b"])
def test_an_image_does_not_point_outside_itself(tmp_path: Path, name: str) -> None:
    root = zarr.create_group(tmp_path / "m.zarr")
    root.attrs["ome"] = {"multiscales": [{"axes": [], "datasets": [{"path": name}]}]}
    with pytest.raises(UnreadableFileError, match="refers to a place outside itself"):
        open_movie(tmp_path / "m.zarr")


def test_labels_do_not_point_outside_themselves(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "m.zarr")
    root.create_group("labels").attrs["ome"] = {"labels": ["../../x"]}
    with pytest.raises(UnreadableFileError, match="refers to a place outside itself"):
        open_labels(tmp_path / "m.zarr")


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ([2, 4, 300_000_000], r"stores only \d+"),
        ([2, 10**6, 10**6], "claims 1000000 x 1000000 pixels"),
        ([10**12, 4, 4], "claims 1000000000000 frames"),
        ([2, -4, 4], r"claims the shape \[2, -4, 4\]"),
        ([10**40, 4, 4], "claims the shape"),
    ],
)
def test_claims_are_checked_before_memory_is_taken(tmp_path: Path, shape: list[int], says: str) -> None:
    path = store(tmp_path / "m.zarr", 3)
    changed(path / "zarr.json", shape=shape)
    with pytest.raises(UnreadableFileError, match=says):
        open_movie(path)


def test_a_graph_with_foreign_codecs_or_false_sizes_is_refused(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "g.geff")
    array = root.create_group("nodes").create_array("ids", data=np.arange(5, dtype="u8"))
    place = tmp_path / "g.geff" / array.path / "zarr.json"
    good = place.read_text()
    changed(place, shape=[10**10])
    with pytest.raises(UnreadableFileError, match="claims 80000000000 bytes and stores only"):
        read_geff(tmp_path / "g.geff")
    place.write_text(good)
    changed(place, codecs=["pickle"])
    with pytest.raises(UnreadableFileError, match="names the codec 'pickle'"):
        read_geff(tmp_path / "g.geff")


def test_what_is_gathered_in_the_group_is_checked_too(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "g.geff")
    root.create_array("ids", data=np.arange(5, dtype="u8"))
    with pytest.warns(UserWarning, match="Consolidated metadata"):
        zarr.consolidate_metadata(tmp_path / "g.geff")
    found = json.loads((tmp_path / "g.geff" / "zarr.json").read_text())
    found["consolidated_metadata"]["metadata"]["ids"]["codecs"] = [{"name": "pickle"}]
    (tmp_path / "g.geff" / "zarr.json").write_text(json.dumps(found))
    with pytest.raises(UnreadableFileError, match="names the codec 'pickle'"):
        read_geff(tmp_path / "g.geff")


def test_nested_and_endless_metadata(tmp_path: Path) -> None:
    path = store(tmp_path / "m.zarr", 3)
    for text in ("[" * 100_000, "[]", "{", "\xff"):
        (path / "zarr.json").write_text(text, encoding="latin-1")
        with pytest.raises(UnreadableFileError, match="the store is damaged"):
            open_movie(path)
