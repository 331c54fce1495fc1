"""Challenge folders: reading, writing, and the faults that the validator names."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from tests.cases.lineages import CASES, FAMILY, images, table
from unfade.data import ctc
from unfade.data.ctc_faults import validate
from unfade.errors import (
    AxisError,
    InputError,
    MissingInputError,
    OutputError,
    ShapeError,
    TruthError,
    UnreadableFileError,
)
from unfade.records import Lineage

FILM = images(FAMILY, 6, 5)
ROWS = "7 0 2 0\n8 3 5 7\n9 3 5 7\n"


def lay(folder: Path, stem: str = "mask", table_name: str = "res_track.txt", digits: int = 3, rows: str = ROWS) -> Path:
    """Write the family as a challenge folder by hand."""
    folder.mkdir(parents=True)
    for t, image in enumerate(FILM):
        tifffile.imwrite(folder / f"{stem}{t:0{digits}d}.tif", image.astype(np.uint16), compression="zlib")
    (folder / table_name).write_text(rows, encoding="utf-8")
    return folder


def lineage(rows: np.ndarray) -> Lineage:
    """Lineage of rows `L B E P`."""
    nodes = np.array([(t, k) for k, a, b, _ in rows for t in range(a, b + 1)], np.int32).reshape(-1, 2)
    parents = np.array([(k, p) for k, _, _, p in rows if p], np.int32).reshape(-1, 2)
    return Lineage(nodes[:, 0], nodes[:, 1], nodes[:, 1], np.ones(len(nodes), np.float32), parents)


@pytest.mark.parametrize("digits", [3, 4])
@pytest.mark.parametrize("give", ["01_GT", "01_GT/TRA"])
def test_truth_is_found_from_its_folder_or_from_tra(tmp_path: Path, digits: int, give: str) -> None:
    lay(tmp_path / "01_GT" / "TRA", "man_track", "man_track.txt", digits)
    seg = tmp_path / "01_GT" / "SEG"
    seg.mkdir()
    tifffile.imwrite(seg / f"man_seg{4:0{digits}d}.tif", (FILM[4] > 0).astype(np.uint16))
    (seg / "notes.tif").write_bytes(b"")
    known = ctc.read(tmp_path / give)
    assert known.role == "truth"
    assert np.array_equal(np.asarray(known.labels), FILM)
    assert list(known.seg) == [4]
    assert np.array_equal(known.seg[4], FILM[4] > 0)
    assert known.tracks.to_numpy().tolist() == [[7, 0, 2, 0], [8, 3, 5, 7], [9, 3, 5, 7]]
    assert list(known.tracks.columns) == ["track", "first", "last", "parent"]


def test_results_are_read_one_frame_at_a_time(tmp_path: Path) -> None:
    folder = lay(tmp_path / "01_RES")
    (folder / "mask004.tif").write_bytes(b"no TIFF")
    known = ctc.read(folder)
    assert known.role == "result"
    assert known.labels.shape == (6, 6, 25)
    assert len(known.seg) == 0
    assert known.labels.frame(3).dtype == np.int32
    assert np.array_equal(pickle.loads(pickle.dumps(known.labels)).frame(5), FILM[5])
    with pytest.raises(UnreadableFileError, match=r"mask004\.tif is named like a TIFF file but is none"):
        known.labels.frame(4)


def test_lineage_of_a_table(tmp_path: Path) -> None:
    known = ctc.read(lay(tmp_path / "01_RES")).lineage
    nodes = set(zip(known.frame.tolist(), known.track.tolist(), strict=True))
    assert nodes == {(t, k) for t in range(6) for k in np.unique(FILM[t]).tolist() if k}
    assert known.parents.tolist() == [[8, 7], [9, 7]]
    assert known.tracks()["parent"].tolist() == [0, 7, 7]
    assert np.isnan(known.confidence).sum() == 3
    too_far = ctc.read(lay(tmp_path / "02_RES", rows="7 0 999999999 0\n"))
    with pytest.raises(TruthError, match="goes to frame 999999999 of 6"):
        _ = too_far.lineage


def test_tables_with_tabs_blank_lines_and_a_mark_in_front(tmp_path: Path) -> None:
    path = tmp_path / "res_track.txt"
    path.write_bytes("\ufeff7\t0\t2\t0\r\n\r\n  8 3 5 7 \r\n".encode())
    assert ctc.read_tracks(path).to_numpy().tolist() == [[7, 0, 2, 0], [8, 3, 5, 7]]
    path.write_text("")
    assert ctc.read_tracks(path).shape == (0, 4)
    assert ctc.read_tracks(path).dtypes.tolist() == [np.dtype(np.int64)] * 4


def damage(folder: Path, name: str, image: np.ndarray) -> None:
    tifffile.imwrite(folder / name, image)


REFUSED: dict[str, tuple[Callable[[Path], object], type[InputError | TruthError], str]] = {
    "table": (lambda f: (f / "res_track.txt").unlink(), MissingInputError, r"There is no res_track\.txt"),
    "row": (lambda f: (f / "res_track.txt").write_text(ROWS + "1 2 x 4\n"), TruthError, "Line 4 .* '1 2 x 4'"),
    "bytes": (lambda f: (f / "res_track.txt").write_bytes(b"\xff\xfe\x00"), UnreadableFileError, "as text"),
    "frame": (lambda f: (f / "mask002.tif").unlink(), ShapeError, r"lacks frame 2 \(1 missing\)"),
    "twice": (lambda f: damage(f, "mask0002.tif", FILM[2]), ShapeError, "same frame"),
    "volume": (lambda f: damage(f, "mask000.tif", np.zeros((5, 6, 25), np.uint16)), AxisError, "volume"),
    "none": (lambda f: [p.unlink() for p in f.glob("*.tif")], MissingInputError, "neither"),
    "broken": (lambda f: (f / "mask000.tif").write_bytes(b""), UnreadableFileError, "mask000"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read(tmp_path: Path, what: str) -> None:
    harm, error, text = REFUSED[what]
    folder = lay(tmp_path / "01_RES")
    harm(folder)
    with pytest.raises(error, match=text):
        ctc.read(folder)


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (FILM[0].astype(np.float32), "must hold integers, got float32"),
        (-FILM[0].astype(np.int16), "holds the label -7"),
        (-FILM[0].astype(np.int32), "labels from -7 to 0"),
        (np.full((2, 2), 2**31, np.uint32), "from 2147483648"),
    ],
)
def test_images_that_are_no_labels(tmp_path: Path, image: np.ndarray, text: str) -> None:
    tifffile.imwrite(tmp_path / "mask000.tif", image)
    with pytest.raises(ShapeError, match=text):
        ctc.read_labels(tmp_path / "mask000.tif")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="There is no folder"):
        ctc.read(tmp_path / "nothing")
    assert not ctc.is_challenge(tmp_path / "nothing")
    assert not ctc.is_challenge(tmp_path)
    assert ctc.is_challenge(lay(tmp_path / "01_RES"))
    assert validate(tmp_path / "01_RES") == []


@pytest.mark.parametrize("role", ["result", "truth"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_written_is_read_back(tmp_path: Path, name: str, role: ctc.Role) -> None:
    case = CASES[name]
    film, rows = images(case.result, case.frames, case.places), table(case.result)
    ctc.write(tmp_path / "out", film, lineage(rows), role)
    known = ctc.read(tmp_path / "out")
    assert known.role == role
    assert np.array_equal(np.asarray(known.labels), film)
    assert known.tracks.to_numpy().tolist() == sorted(rows.tolist())
    assert validate(tmp_path / "out") == []
    assert tifffile.imread(known.folder / f"{ctc.NAMES[role].image}000.tif").dtype == np.uint16


def test_gaps_are_cut_and_a_living_mother_becomes_a_sister(tmp_path: Path) -> None:
    film = np.zeros((6, 2, 9), int)
    film[[0, 1, 4, 5], :, :3] = 3  # away in frames 2 and 3
    film[4:, :, 5:] = 8  # born beside its mother, who lives on
    nodes = np.array([(t, k) for t in range(6) for k in np.unique(film[t]) if k], np.int32)
    known = Lineage(nodes[:, 0], nodes[:, 1], nodes[:, 1], np.ones(6, np.float32), np.array([[8, 3]], np.int32))
    ctc.write(tmp_path / "out", film, known)
    assert (tmp_path / "out" / "res_track.txt").read_text() == "3 0 1 0\n8 4 5 3\n9 4 5 3\n"
    assert validate(tmp_path / "out") == []
    assert np.unique(ctc.read(tmp_path / "out").labels.frame(4)).tolist() == [0, 8, 9]


def test_labels_become_tracks(tmp_path: Path) -> None:
    film = np.array([[[5, 0, 6]], [[6, 0, 5]]])  # the labels of frame 1 are others than those of frame 0
    known = Lineage(*np.array([[0, 0, 1, 1], [5, 6, 6, 5], [1, 2, 1, 2]], np.int32), np.ones(4), np.zeros((0, 2), int))
    ctc.write(tmp_path / "out", film, known)
    assert np.asarray(ctc.read(tmp_path / "out").labels).tolist() == [[[1, 0, 2]], [[1, 0, 2]]]


def test_large_ids_need_new_numbers(tmp_path: Path) -> None:
    film, rows = FILM * 30_000, table(FAMILY) * [30_000, 1, 1, 30_000]
    with pytest.raises(OutputError, match="from 210000 to 270000"):
        ctc.write(tmp_path / "out", film, lineage(rows))
    assert list(tmp_path.iterdir()) == []
    ctc.write(tmp_path / "out", film, lineage(rows), renumber=True)
    assert (tmp_path / "out" / "res_track.txt").read_text() == "1 0 2 0\n2 3 5 1\n3 3 5 1\n"
    assert validate(tmp_path / "out") == []


def test_more_than_a_thousand_frames_have_four_digits(tmp_path: Path) -> None:
    film = np.ones((1001, 1, 1), np.uint8)
    ctc.write(tmp_path / "out", film, lineage(np.array([[1, 0, 1000, 0]])))
    names = sorted(p.name for p in (tmp_path / "out").glob("*.tif"))
    assert (names[0], names[-1], len(names)) == ("mask0000.tif", "mask1000.tif", 1001)
    assert len(ctc.read(tmp_path / "out").labels) == 1001


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield from FILM[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ctc.write(tmp_path / "out", broken(), lineage(table(FAMILY)))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    ctc.write(tmp_path / "out", FILM, lineage(table(FAMILY)))
    with pytest.raises(OutputError, match="is there already"):
        ctc.write(tmp_path / "out", FILM, lineage(table(FAMILY)))
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        (FILM[:4], "reaches frame 5, but there are 4 frames"),
        (np.where(FILM == 9, 0, FILM), "Frame 3 .* label 9 is not in both"),
        (np.where((FILM == 0) & (np.arange(25) > 20), 4, FILM), "Frame 0 .* label 4 is not in both"),
        (FILM.astype(float), "integers"),
    ],
)
def test_frames_that_do_not_fit_the_lineage(tmp_path: Path, frames: np.ndarray, text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        ctc.write(tmp_path / "out", frames, lineage(table(FAMILY)))
    assert list(tmp_path.iterdir()) == []


def empty(label: int, *frames: int) -> Callable[[Path], None]:
    """Take a label out of some frames."""

    def harm(folder: Path) -> None:
        for t in frames:
            damage(folder, f"mask{t:03d}.tif", np.where(FILM[t] == label, 0, FILM[t]).astype(np.uint16))

    return harm


def state(rows: str) -> Callable[[Path], None]:
    """Replace the table."""
    return lambda folder: (folder / "res_track.txt").write_text(rows) and None


def linger(folder: Path) -> None:
    """Let the mother stand beside her children in their first frame."""
    image = FILM[3].astype(np.uint16)
    image[1:5, 5:9] = 7
    damage(folder, "mask003.tif", image)
    state("7 0 3 0\n8 3 5 7\n9 3 5 7\n")(folder)


FAULTS: dict[str, tuple[Callable[[Path], object], list[tuple[object, ...]]]] = {
    "missing frame": (lambda f: (f / "mask004.tif").unlink(), [("missing frame", 4, None, None)]),
    "missing last frame": (
        lambda f: (f / "mask005.tif").unlink(),
        [("row without label", 5, 8, 2), ("row without label", 5, 9, 3)],
    ),
    "duplicate frame": (lambda f: damage(f, "mask0001.tif", FILM[1]), [("duplicate frame", 1, None, None)]),
    "unreadable": (lambda f: (f / "mask001.tif").write_bytes(b"x"), [("unreadable frame", 1, None, None)]),
    "float": (lambda f: damage(f, "mask001.tif", FILM[1] * 0.5), [("unreadable frame", 1, None, None)]),
    "shape": (lambda f: damage(f, "mask001.tif", FILM[1][:5].astype(np.uint8)), [("shape differs", 1, None, None)]),
    "no table": (lambda f: (f / "res_track.txt").unlink(), [("missing table", None, None, None)]),
    "malformed": (state(ROWS + "1 2 3\n-4 0 1 0\n0 0 1 0\n"), [("malformed row", None, None, n) for n in (4, 5, 6)]),
    "duplicate": (state(ROWS + "8 3 5 7\n"), [("duplicate row", None, 8, 4)]),
    "label without row": (state("7 0 2 0\n8 3 5 7\n"), [("label without row", 3, 9, None)]),
    "label beyond its row": (state("7 0 2 0\n8 3 4 7\n9 3 5 7\n"), [("label without row", 5, 8, 2)]),
    "row without label": (state(ROWS + "4 1 2 0\n"), [("row without label", 1, 4, 4)]),
    "row beyond its label": (state("7 0 2 0\n8 2 5 0\n9 3 5 7\n"), [("row without label", 2, 8, 2)]),
    "row beyond the movie": (state("7 0 2 0\n8 3 999999999 7\n9 3 5 7\n"), [("row without label", 6, 8, 2)]),
    "gap": (empty(9, 4), [("gap in a track", 4, 9, 3)]),
    "lost at the end": (empty(9, 5), [("row without label", 5, 9, 3)]),
    "parent ends with the birth": (
        linger,
        [("parent ends after the child begins", 3, 8, 2), ("parent ends after the child begins", 3, 9, 3)],
    ),
    "ends first": (state("7 0 2 0\n8 5 3 0\n9 3 5 7\n"), [("track ends before it begins", 5, 8, 2)]),
    "no such parent": (state("7 0 2 0\n8 3 5 6\n9 3 5 7\n"), [("parent does not exist", 3, 8, 2)]),
    "late parent": (state("7 0 2 0\n8 3 5 9\n9 3 5 7\n"), [("parent ends after the child begins", 3, 8, 2)]),
    "own parent": (state("7 0 2 0\n8 3 5 8\n9 3 5 7\n"), [("parent ends after the child begins", 3, 8, 2)]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_and_nothing_else(tmp_path: Path, name: str) -> None:
    harm, wanted = FAULTS[name]
    folder = lay(tmp_path / "01_RES")
    harm(folder)
    found = validate(folder)
    assert [(f.kind, f.frame, f.label, f.line) for f in found] == wanted
    assert all(str(f).startswith(f"{f.kind}: ") and f.text.endswith(".") for f in found)


def test_faults_of_a_truth_and_of_nothing(tmp_path: Path) -> None:
    lay(tmp_path / "01_GT" / "TRA", "man_track", "man_track.txt", rows="7 0 2 0\n8 3 5 7\n")
    assert [f.kind for f in validate(tmp_path / "01_GT")] == ["label without row"]
    with pytest.raises(MissingInputError):
        validate(tmp_path)


def test_real_truths_have_no_faults(data_root: Path) -> None:
    folder = data_root / "ctc" / "DIC-C2DH-HeLa" / "01_GT"
    assert validate(folder) == []
    known = ctc.read(folder)
    assert (known.labels.shape, len(known.seg), len(known.tracks)) == ((84, 512, 512), 9, 38)
    assert isinstance(known.tracks, pd.DataFrame)


def test_faults_of_outlines(tmp_path: Path) -> None:
    marks = lay(tmp_path / "01_GT" / "TRA", "man_track", "man_track.txt")
    sane = tifffile.imread(next(iter(sorted(marks.glob("*.tif")))))
    drawn = tmp_path / "01_GT" / "SEG"
    drawn.mkdir()
    before = validate(tmp_path / "01_GT")
    tifffile.imwrite(drawn / "man_seg000.tif", sane)
    assert validate(tmp_path / "01_GT") == before
    tifffile.imwrite(drawn / "man_seg001.tif", sane[:-1])
    tifffile.imwrite(drawn / "man_seg002.tif", sane.astype(np.float32))
    tifffile.imwrite(drawn / "man_seg099.tif", sane)
    found = [f for f in validate(tmp_path / "01_GT") if f not in before]
    assert [(f.kind, f.frame) for f in found] == [
        ("shape differs", 1),
        ("unreadable frame", 2),
        ("outlines without frame", 99),
    ]
