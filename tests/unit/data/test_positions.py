"""Many movies under one name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from unfade.data.positions import list_positions, safe_name
from unfade.errors import InputError, MissingInputError, UnreadableFileError


def facts(source: Path | str) -> list[tuple[str, str, str, str]]:
    return [(p.name, p.condition, p.well, p.position) for p in list_positions(source)]


def plate(path: Path, wells: tuple[str, ...] = ("B/3", "B/10"), version: str = "0.5") -> Path:
    """A plate with two fields in each well."""
    pixels = np.zeros((2, 1, 8, 8), np.uint16)

    def put(group: zarr.Group, values: dict[str, object]) -> None:
        group.attrs.update({"ome": {"version": "0.5", **values}} if version == "0.5" else values)

    root = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    put(root, {"plate": {"wells": [{"path": w} for w in wells]}})
    for name in wells:
        well = root.require_group(name)
        put(well, {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
        for field in "01":
            image = well.create_group(field)
            axes = [{"name": n, "type": t} for n, t in zip("tcyx", ("time", "channel", "space", "space"), strict=True)]
            put(image, {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]})
            image.create_array("0", data=pixels)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_lists_its_fields(tmp_path: Path, version: str) -> None:
    path = plate(tmp_path / "p.ome.zarr", version=version)
    assert facts(path) == [
        ("B3_0", "", "B3", "0"),
        ("B3_1", "", "B3", "1"),
        ("B10_0", "", "B10", "0"),
        ("B10_1", "", "B10", "1"),
    ]
    assert list_positions(path)[2].path == path / "B" / "10" / "0"


@pytest.mark.parametrize("name", ["../../etc", "/etc", "B/../../.."])
def test_a_plate_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    path = plate(tmp_path / "p.ome.zarr", ("B/3",))
    text = (path / "zarr.json").read_text().replace('"B/3"', json.dumps(name))
    (path / "zarr.json").write_text(text)
    with pytest.raises(UnreadableFileError, match="refers to a place outside itself"):
        list_positions(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "screen"
    for name in ("exp_B03_s2.ome.tif", "exp_B03_s10.ome.tif", "control.tif"):
        place.mkdir(exist_ok=True)
        tifffile.imwrite(place / name, np.zeros((4, 4), np.uint8))
    (place / "frames").mkdir()
    tifffile.imwrite(place / "frames" / "t0.tif", np.zeros((4, 4), np.uint8))
    (place / "notes").mkdir()
    (place / "notes" / "readme.txt").write_text("x")
    return place


def test_a_folder_lists_its_movies_in_natural_order(folder: Path) -> None:
    assert facts(folder) == [
        ("control", "", "", ""),
        ("exp_B03_s2", "", "B3", "s2"),
        ("exp_B03_s10", "", "B3", "s10"),
        ("frames", "", "", ""),
    ]


def test_a_pattern_lists_what_it_fits(folder: Path) -> None:
    assert [n for n, *_ in facts(folder / "*B03*")] == ["exp_B03_s2", "exp_B03_s10"]
    assert [n for n, *_ in facts(folder.parent / "s*" / "control.*")] == ["control"]
    with pytest.raises(MissingInputError, match="stands for no movie"):
        list_positions(folder / "*.lif")


def test_a_list_names_movies_conditions_and_wells(folder: Path) -> None:
    text = "path,condition,well,position\ncontrol.tif,light,A1,3\nexp_B03_s2.ome.tif,dark,,\nframes,dark,,\n"
    (folder / "list.csv").write_text(text)
    assert facts(folder / "list.csv") == [
        ("light_A1_3", "light", "A1", "3"),
        ("dark", "dark", "B3", "s2"),
        ("dark-2", "dark", "", ""),
    ]
    assert list_positions(folder / "list.csv")[0].path == folder / "control.tif"


@pytest.mark.parametrize(
    ("text", "says"), [("file\nx.tif\n", "no column 'path'"), ("path,well\n,A1\n", "Line 2 .* names no movie")]
)
def test_a_list_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        list_positions(tmp_path / "l.csv")


def test_frames_of_one_movie_are_no_screen(folder: Path) -> None:
    for path in (folder / "frames").iterdir():
        path.rename(path.with_suffix(".png"))
    with pytest.raises(InputError, match="frames of one movie; give it to 'unfade run'"):
        list_positions(folder / "frames")


@pytest.mark.parametrize(
    ("text", "name"),
    [("../../x", "x"), ("a/b c", "a_b_c"), ("", "movie"), ("..", "movie"), ("CON", "CON_"), ("µ" * 9, "movie")],
)
def test_names_are_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_long_names_are_cut() -> None:
    assert len(safe_name("a" * 500)) == 80
