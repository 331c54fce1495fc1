"""Downloads of other people's data, as small made-up files."""

from __future__ import annotations

import csv
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from unfade.datasets import hpa, kromp
from unfade.datasets.stills import Still, read_stills, write_stills
from unfade.errors import MissingInputError, ShapeError, TruthError

ROWS = {"a": "25", "b": "0", "c": "0 25", "d": "0 2", "e": "7"}


def atlas(folder: Path, rows: dict[str, str] = ROWS, names: tuple[str, str] = ("Id", "Target")) -> Path:
    folder.mkdir(exist_ok=True)
    for k, name in enumerate(rows):
        image = np.full((20, 24), 10 * k + 5, np.uint8)
        (folder / f"{name}_green.png").write_bytes(imagecodecs.png_encode(image))
        image[5:15, 5:15] = 200
        (folder / f"{name}_blue.png").write_bytes(imagecodecs.png_encode(image))
        (folder / f"{name}_red.png").write_bytes(imagecodecs.png_encode(image))
    with (folder / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows.items()])
    return folder


def test_only_proteins_of_cytosol_and_nucleoplasm_are_taken(tmp_path: Path) -> None:
    entries = hpa.read_entries(atlas(tmp_path))
    assert [(e.name, e.location) for e in entries] == [("a", "cytosol"), ("b", "nucleoplasm"), ("c", "both")]
    assert hpa.counts(entries) == {"cytosol": 1, "nucleoplasm": 1, "both": 1}
    assert sum(hpa.EXPECTED.values()) == 23_512


def test_masks_come_from_the_dna_and_the_image_is_the_protein(tmp_path: Path) -> None:
    stills = list(hpa.read_stills(hpa.read_entries(atlas(tmp_path)), lambda dna: (dna > 100).astype(np.int32)))
    assert [s.name for s in stills] == ["a", "b", "c"]
    assert stills[1].image.shape == (1, 1, 20, 24)
    assert (stills[1].image == 15).all()
    assert stills[1].labels.sum() == 100


def test_names_and_words_are_understood_too(tmp_path: Path) -> None:
    rows = {"https://x/1/9_A_blue_red_green.jpg": "Cytosol", "9_B": "Nucleoplasm, Cytosol", "9_C": "Nucleoplasm;Golgi"}
    atlas(tmp_path, rows={"9_A": "", "9_B": "", "9_C": ""})
    with (tmp_path / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("Image", "Label"), *rows.items()])
    assert [(e.name, e.location) for e in hpa.read_entries(tmp_path)] == [("9_A", "cytosol"), ("9_B", "both")]


def test_eight_in_ten_images_train(tmp_path: Path) -> None:
    atlas(tmp_path, {f"i{k:02d}": "0" for k in range(20)})
    parts = [e.part for e in hpa.read_entries(tmp_path)]
    assert {p: parts.count(p) for p in set(parts)} == {"train": 16, "val": 2, "test": 2}
    assert parts == [e.part for e in hpa.read_entries(tmp_path)]
    assert parts != [e.part for e in hpa.read_entries(tmp_path, seed=1)]


def test_a_broken_atlas_download_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="has no table"):
        hpa.read_entries(tmp_path)
    with pytest.raises(TruthError, match="needs a column of names"):
        hpa.read_entries(atlas(tmp_path / "b", names=("Id", "where")))
    with pytest.raises(MissingInputError, match="no image of a protein"):
        hpa.read_entries(atlas(tmp_path / "c", {"a": "3"}))
    (atlas(tmp_path / "d") / "b_blue.png").unlink()
    with pytest.raises(MissingInputError, match="b has a green channel but no blue one"):
        hpa.read_entries(tmp_path / "d")
    entries = hpa.read_entries(atlas(tmp_path / "e"))
    (tmp_path / "e" / "a_green.png").write_bytes(imagecodecs.png_encode(np.zeros((9, 9), np.uint8)))
    with pytest.raises(ShapeError, match=r"a_green\.png is"):
        list(hpa.read_stills(entries, lambda dna: dna.astype(np.int32)))


def test_a_second_table_and_a_second_image_of_a_name_are_told_not_guessed(tmp_path: Path) -> None:
    atlas(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "B_green.tif").touch()
    with pytest.raises(TruthError, match=r"b_green\.png and more/B_green\.tif have the same name"):
        hpa.read_entries(tmp_path)
    (tmp_path / "more" / "B_green.tif").rename(tmp_path / "more" / "other_green.tif")
    assert len(hpa.read_entries(tmp_path)) == 3
    (tmp_path / "sample_submission.csv").write_text("Id,Predicted\n")  # no locations
    assert len(hpa.read_entries(tmp_path)) == 3
    (tmp_path / "other.tsv").write_text("Image\tLabel\na\tCytosol\n")
    with pytest.raises(TruthError, match=r"several tables of locations \(other\.tsv, train\.csv\)"):
        hpa.read_entries(tmp_path)


def download(folder: Path, count: int) -> Path:
    for name in ("rawimages", "groundtruth"):
        (folder / name).mkdir(parents=True)
    for k in range(count):
        tifffile.imwrite(folder / "rawimages" / f"n{k:02d}.tif", np.full((12, 14), k, np.uint8))
        tifffile.imwrite(folder / "groundtruth" / f"n{k:02d}.tif", np.full((12, 14), k % 3, np.uint16))
    return folder


def test_nine_of_79_images_are_the_test(tmp_path: Path) -> None:
    stills = kromp.read_kromp(download(tmp_path, 79))
    parts = [s.part for s in stills]
    assert {p: parts.count(p) for p in set(parts)} == {"train": 63, "val": 7, "test": 9}
    assert [s.part for s in kromp.read_kromp(tmp_path, ("test",))] == ["test"] * 9
    assert (stills[4].image == 4).all()
    assert (stills[4].labels == 1).all()
    assert kromp.is_kromp(tmp_path)


def test_a_broken_kromp_download_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="rawimages and groundtruth"):
        kromp.read_kromp(tmp_path)
    with pytest.raises(MissingInputError, match="holds 2 images; 79 are expected"):
        kromp.read_kromp(download(tmp_path / "few", 2))
    (download(tmp_path / "gap", 3) / "groundtruth" / "n01.tif").unlink()
    with pytest.raises(MissingInputError, match=r"no mask for n01\.tif"):
        kromp.read_kromp(tmp_path / "gap")
    tifffile.imwrite(download(tmp_path / "odd", 3) / "groundtruth" / "n01.tif", np.zeros((3, 3), np.uint16))
    with pytest.raises(ShapeError, match=r"n01\.tif is"):
        kromp.read_kromp(tmp_path / "odd")


def test_written_stills_are_read_again(tmp_path: Path) -> None:
    labels = np.arange(30, dtype=np.int32).reshape(1, 5, 6)
    image = np.full((1, 1, 5, 6), 3, np.uint16)
    parts = {"x@1": "train", "x@2": "train", "y@1": "test"}
    assert write_stills(tmp_path, [Still(n, image, labels, p) for n, p in parts.items()]) == 3
    again = read_stills(tmp_path)
    assert {s.name: s.part for s in again} == parts
    assert np.array_equal(again[0].labels, labels)
    with (tmp_path / "split.csv").open() as file:
        assert [row["group"] for row in csv.DictReader(file)] == ["x", "x", "y"]
    with pytest.raises(TruthError, match=r"above 65,535"):
        write_stills(tmp_path, [Still("z", image, labels + 70_000, "train")])


def test_movies_channels_and_equal_names_are_no_stills_to_write(tmp_path: Path) -> None:
    frames = Still("m", np.zeros((3, 1, 5, 6), np.uint8), np.ones((3, 5, 6), np.int32), "train")
    colours = Still("c", np.zeros((1, 2, 5, 6), np.uint8), np.ones((1, 5, 6), np.int32), "train")
    for still, told in ((frames, "m has 3 frames and 1 channels"), (colours, "c has 1 frames and 2 channels")):
        with pytest.raises(ShapeError, match=told):
            write_stills(tmp_path, [still])
    single = Still("m", np.zeros((1, 1, 5, 6), np.uint8), np.ones((1, 5, 6), np.int32), "train")
    with pytest.raises(TruthError, match="two images of the name m"):
        write_stills(tmp_path, [single, single])
