from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import zarr

from unfade.data import ReadSettings, open_labels, open_movie
from unfade.data.labelstore import LabelWriter
from unfade.errors import AmbiguousAxesError, AxisError, InputError, MissingInputError, UnreadableFileError
from unfade.records import Calibration


def axes_of(names: str, units: dict[str, str]) -> list[dict[str, str]]:
    kinds = {"t": "time", "c": "channel"}
    return [
        {"name": n, "type": kinds.get(n, "space"), **({"unit": units[n]} if n in units else {})} for n in names.lower()
    ]


def write(path: Path, data: np.ndarray, names: str, version: str = "0.5", **extra: object) -> Path:
    root = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    names = names.lower()
    options = {"dimension_names": list(names)} if version == "0.5" else {}
    root.create_array("0", data=data, chunks=(*(1,) * (data.ndim - 2), 16, 16), **options)
    scale = {"t": 2.0, "y": 325.0, "x": 325.0}
    ome = {
        "multiscales": [
            {
                "axes": axes_of(names, {"t": "minute", "y": "nanometer", "x": "nanometer"}),
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [{"type": "scale", "scale": [scale.get(n, 1.0) for n in names]}],
                    }
                ],
                **({"version": version} if version != "0.5" else {}),
            }
        ],
        **extra,
    }
    if version == "0.5":
        root.attrs["ome"] = {"version": "0.5", **ome}
    else:
        root.attrs.update(ome)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_pixels_and_metadata(tmp_path: Path, movie: np.ndarray, version: str) -> None:
    channels = {"channels": [{"label": "marker"}, {"label": "ERK"}]}
    path = write(tmp_path / "m.ome.zarr", movie[:, :, None], "TCZYX", version, omero=channels)
    found = open_movie(path)
    assert (found.shape, found.dtype, found.channels) == (movie.shape, np.uint16, ("marker", "ERK"))
    assert found.calibration == Calibration(0.325, 120.0)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(np.stack(list(again.frames())), movie)


def test_other_byte_orders(tmp_path: Path, movie: np.ndarray) -> None:
    found = open_movie(write(tmp_path / "m.zarr", movie.astype(">u2"), "TCYX", "0.4"))
    assert found.dtype.isnative
    assert found.frame(1).dtype.isnative
    np.testing.assert_array_equal(found.frame(1), movie[1])


def test_scales_multiply(tmp_path: Path, movie: np.ndarray) -> None:
    path = write(tmp_path / "m.zarr", movie, "TCYX")
    root = zarr.open_group(path)
    ome = dict(root.attrs["ome"])
    ome["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [3.0, 1.0, 2.0, 2.0]}]
    root.attrs["ome"] = ome
    assert open_movie(path).calibration == Calibration(0.65, 360.0)


def test_z_is_projected_or_chosen(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 900, (3, 4, 16, 20)).astype(np.uint16)
    path = write(tmp_path / "m.zarr", data, "TZYX")
    with pytest.raises(AxisError, match="--project max"):
        open_movie(path)
    found = open_movie(path, ReadSettings(project="max", frames="1:3"))
    np.testing.assert_array_equal(np.stack(list(found.frames()))[:, 0], data[1:].max(1))
    np.testing.assert_array_equal(open_movie(path, ReadSettings(z=2)).frame(1, 0), data[1, 2])


def test_a_bare_array(tmp_path: Path, movie: np.ndarray) -> None:
    zarr.create_array(tmp_path / "named.zarr", data=movie, dimension_names=["t", "c", "y", "x"])
    np.testing.assert_array_equal(open_movie(tmp_path / "named.zarr").frame(2), movie[2])
    zarr.create_array(tmp_path / "plain.zarr", data=movie)
    with pytest.raises(AmbiguousAxesError, match=r"\(5, 2, 24, 32\)"):
        open_movie(tmp_path / "plain.zarr")
    found = open_movie(tmp_path / "plain.zarr", ReadSettings(axes="TCYX"))
    np.testing.assert_array_equal(found.frame(2), movie[2])


def test_an_image_inside_a_collection(tmp_path: Path, movie: np.ndarray) -> None:
    root = zarr.create_group(tmp_path / "all.zarr")
    root.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    write(tmp_path / "all.zarr" / "0", movie, "TCYX")
    np.testing.assert_array_equal(open_movie(tmp_path / "all.zarr").frame(1), movie[1])


def test_a_plate_is_refused(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "plate.zarr")
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "B/3"}]}}
    with pytest.raises(InputError, match=r"plate of many images; give all to .* for example .*B.3.0"):
        open_movie(tmp_path / "plate.zarr")


def test_a_group_without_an_image(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "g.zarr")
    with pytest.raises(InputError, match="without an image"):
        open_movie(tmp_path / "g.zarr")


@pytest.mark.parametrize("name", ["zarr.json", "0/zarr.json"])
def test_damaged_metadata(tmp_path: Path, movie: np.ndarray, name: str) -> None:
    path = write(tmp_path / "m.zarr", movie, "TCYX")
    text = (path / name).read_text()
    (path / name).write_text(text[: len(text) // 2])
    with pytest.raises(UnreadableFileError, match=r"zarr\.json cannot be read \(.*\); the store is damaged"):
        open_movie(path)


def test_a_damaged_chunk(tmp_path: Path, movie: np.ndarray) -> None:
    path = write(tmp_path / "m.zarr", movie, "TCYX")
    chunk = path / "0" / "c" / "3" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:30])
    found = open_movie(path)
    found.frame(2)
    with pytest.raises(UnreadableFileError, match="frame 3 cannot be read"):
        found.frame(3)


def test_a_size_beyond_the_memory(tmp_path: Path) -> None:
    zarr.create_array(
        tmp_path / "huge.zarr",
        shape=(2, 10**6, 10**6),
        chunks=(1, 100, 100),
        dtype="uint8",
        dimension_names=["t", "y", "x"],
    )
    with pytest.raises(UnreadableFileError, match=r"1000000 x 1000000 pixels"):
        open_movie(tmp_path / "huge.zarr")


def test_labels_of_each_kind(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 9, (3, 12, 16)).astype(np.int32)
    path = tmp_path / "run" / "labels.ome.zarr"
    with LabelWriter(path, stack.shape, ("nucleus", "cell")) as writer:
        for t, image in enumerate(stack):
            writer.write(t, image, image * 2)
    for place in (path, path.parent, path / "labels"):
        np.testing.assert_array_equal(np.asarray(open_labels(place)), stack)
        np.testing.assert_array_equal(np.asarray(open_labels(place, "cell")), stack * 2)
    np.testing.assert_array_equal(np.asarray(open_labels(path / "labels" / "cell")), stack * 2)
    assert open_labels(path, "cell").kind == "cell"


def test_labels_of_a_kind_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "labels.ome.zarr"
    with LabelWriter(path, (1, 12, 16)) as writer:
        writer.write(0, np.zeros((12, 16), np.int32))
    with pytest.raises(MissingInputError, match="no labels of kind 'cell'; it has 'nucleus' only"):
        open_labels(path, "cell")


def test_labels_of_others_under_any_name(tmp_path: Path, movie: np.ndarray) -> None:
    path = write(tmp_path / "m.zarr", movie, "TCYX")
    zarr.open_group(path).create_group("labels", attributes={"ome": {"version": "0.5", "labels": ["dapi"]}})
    write(path / "labels" / "dapi", movie[:, :1].astype(np.uint8), "TCYX")
    np.testing.assert_array_equal(np.asarray(open_labels(path)), movie[:, 0].astype(np.uint8))
