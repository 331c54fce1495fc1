"""What cannot be used ends in one sentence that says what to do, exit code 2, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from tests.face.conftest import Command
from unfade.ops.tensorfile import read_tensors, write_tensors
from unfade.pipeline.settings import RunSettings
from unfade.weights.catalogue import card, find_weights

RNG = np.random.default_rng(5)
FRAMES = RNG.integers(90, 130, (4, 40, 48)).astype(np.uint16)

Build = Callable[[Path], Path]


def missing(folder: Path) -> Path:
    return folder / "nowhere.tif"


def empty_folder(folder: Path) -> Path:
    (folder / "frames").mkdir()
    return folder / "frames"


def empty_file(folder: Path) -> Path:
    (folder / "m.tif").touch()
    return folder / "m.tif"


def truncated(folder: Path) -> Path:
    path = folder / "m.ome.tif"
    tifffile.imwrite(path, FRAMES, metadata={"axes": "TYX"}, ome=True)
    path.write_bytes(path.read_bytes()[:9000])
    return path


def text(folder: Path) -> Path:
    path = folder / "m.tif"
    path.write_text("this is no picture\n" * 40)
    return path


def video(folder: Path) -> Path:
    (folder / "m.wmv").write_bytes(bytes(100))
    return folder / "m.wmv"


def sizes_differ(folder: Path) -> Path:
    for t, size in enumerate((40, 40, 38)):
        tifffile.imwrite(folder / f"t{t:03d}.tif", FRAMES[0, :size])
    return folder


def bare_stack(folder: Path) -> Path:
    tifffile.imwrite(folder / "m.tif", FRAMES, photometric="minisblack", metadata=None)
    return folder / "m.tif"


def z_stack(folder: Path) -> Path:
    tifffile.imwrite(folder / "m.ome.tif", FRAMES, metadata={"axes": "ZYX"}, ome=True)
    return folder / "m.ome.tif"


def deep_movie(folder: Path) -> Path:
    tifffile.imwrite(folder / "m.ome.tif", np.stack([FRAMES, FRAMES]), metadata={"axes": "TZYX"}, ome=True)
    return folder / "m.ome.tif"


def good(folder: Path) -> Path:
    tifffile.imwrite(folder / "m.ome.tif", FRAMES, metadata={"axes": "TYX"}, ome=True)
    return folder / "m.ome.tif"


def with_pixel(frame: int, value: float) -> Build:
    def build(folder: Path) -> Path:
        frames = FRAMES.astype(np.float32)
        frames[frame, 7, 9:11] = value
        tifffile.imwrite(folder / "m.ome.tif", frames, metadata={"axes": "TYX"}, ome=True)
        return folder / "m.ome.tif"

    return build


def settings_file(content: str) -> Build:
    def build(folder: Path) -> Path:
        (folder / "s.toml").write_text(content)
        return good(folder)

    return build


SETTINGS = ("--settings", "s.toml")

CASES: dict[str, tuple[Build, tuple[str, ...], str]] = {
    "missing file": (missing, (), r"There is no file or folder \S+nowhere.tif; check its name\."),
    "empty folder": (empty_folder, (), r"holds no TIFF, PNG or JPEG file; give a folder with one file per frame\."),
    "empty file": (empty_file, (), r"m.tif .*empty"),
    "truncated": (truncated, (), r"m.ome.tif .*(cut off|ends|holds only).*; "),
    "text": (text, (), r"m.tif is named like a TIFF file but is none .*; save it as TIFF\."),
    "another format": (video, (), r"'.wmv' files are not read; save the movie as OME-TIFF or OME-Zarr\."),
    "sizes differ": (sizes_differ, (), r"t002.tif is 38 x 48 uint16 and t000.tif 40 x 48 uint16; remove it or save"),
    "NaN at once": (with_pixel(0, np.nan), (), r"Frame 0 has 2 NaN or infinite pixels in channel .*; replace them"),
    "inf late": (with_pixel(3, np.inf), (), r"Frame 3 has 2 NaN or infinite pixels"),
    "axes unknown": (bare_stack, (), r"\(4, 40, 48\) could be TYX, CYX or ZYX; .* --axes TYX\."),
    "axes wrong": (bare_stack, ("--axes", "TCYX"), r"--axes TCYX names 4 axes, but .* has 3"),
    "axes absurd": (bare_stack, ("--axes", "QYX"), r"axes are letters of TCZYX, each once, with Y and X among them"),
    "z stack": (z_stack, (), r"one z stack and no time series .*: give --axes TYX if .* --project max, or --z N"),
    "z in a movie": (deep_movie, (), r"frames must be flat: give --project max, or --z N for one of its 4 planes\."),
    "z plane": (deep_movie, ("--z", "9"), r"There is no z plane 9 in .*; it has 4, counted from 0\."),
    "projection": (deep_movie, ("--project", "sum"), r"'input.read.project': input should be 'max' or 'mean'"),
    "channel": (good, ("--segment-channel", "DAPI"), r"There is no channel 'DAPI'; the movie has 0 '"),
    "channel index": (good, ("--segment-channel", "1"), r"There is no channel '1'; the movie has 0 '"),
    "measured channel": (good, ("--measure-channel", "Akt"), r"There is no channel 'Akt'; the movie has 0 '"),
    "frames beyond": (good, ("--frames", "2:9"), r"Frames 2:9 are not within a movie of 4 frames"),
    "no frames": (good, ("--frames", "9:"), r"Frames 9:\d+ are not within a movie of 4 frames"),
    "frames backwards": (good, ("--frames", "3:1"), r"frames A:B must have A before B"),
    "frames in words": (good, ("--frames", "all"), r"frames are given as A:B with whole numbers, for example 10:50"),
    "pixel size": (good, ("--pixel-size", "0"), r"'input.read.pixel_um': input should be greater than 0"),
    "system": (good, ("--system", "magic"), r"There is no system called 'magic'; known are: nuclei-unet"),
    "weights missing": (good, ("--weights", "none.safetensors"), r"There are no weights 'none.safetensors': neither"),
    "diameter": (good, ("--diameter", "big"), r"--diameter takes a number of pixels or 'auto', not 'big'\."),
    "diameter 0": (good, ("--diameter", "0"), r"--diameter must lie between 1 and 10000 pixels, got 0\."),
    "background": (good, ("--background", "black"), r"--background takes none, percentile or a number, not 'black'\."),
    "device": (good, ("--device", "abacus"), r"There is no device called 'abacus'; use auto, cpu, cuda or mps\."),
    "settings missing": (good, SETTINGS, r"There is no settings file s.toml; check its name\."),
    "settings a folder": (good, ("--settings", "."), r"The settings file \. cannot be read: .*directory"),
    "setting unknown": (
        settings_file("schema = 1\n[link]\ngapp = 1\n"),
        SETTINGS,
        r"'link.gapp' is not a known setting",
    ),
    "setting wrong": (
        settings_file('schema = 1\n[link]\ngap = "x"\n'),
        SETTINGS,
        r"'link.gap': input should be a valid",
    ),
    "settings no TOML": (settings_file("gap: 3\n"), SETTINGS, r"s.toml is not valid TOML"),
    "settings no schema": (settings_file("[link]\ngap = 1\n"), SETTINGS, r"s.toml must start with 'schema = 1'"),
    "linker": (settings_file('schema = 1\n[link]\nlinker = "x"\n'), SETTINGS, r"There is no linker called 'x'; known"),
    "ring in µm": (
        settings_file('schema = 1\n[measure]\nring_unit = "um"\n'),
        SETTINGS,
        r"The ring is set in µm but the pixel size is unknown; give it, or set the ring in px\.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_in_one_sentence(
    case: str, unfade: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, options, pattern = CASES[case]
    (tmp_path / "in").mkdir()
    source = build(tmp_path / "in")
    monkeypatch.chdir(tmp_path / "in")
    before = sorted(tmp_path.rglob("*"))
    given = () if "--diameter" in options else ("--diameter", "20")
    sentence = unfade("run", source, "-o", tmp_path / "new" / "out", *given, *options).sentence()
    assert re.search(pattern, sentence), sentence
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_input_with_automatic_diameter(unfade: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = with_pixel(2, np.nan)(tmp_path / "in")  # the frame that is probed
    assert "Frame 2 has 2 NaN" in unfade("run", source, "-o", tmp_path / "out").sentence()
    assert not (tmp_path / "out").exists()


def test_a_folder_that_was_there_stays_empty(unfade: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    source = with_pixel(3, np.nan)(tmp_path)
    assert "Frame 3" in unfade("run", source, "-o", out, "--diameter", 20).sentence()
    assert list(out.iterdir()) == []


def test_a_device_that_is_not_there(unfade: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = unfade("run", good(tmp_path), "-o", tmp_path / "out", "--device", "cuda")
    assert said.sentence() == "This machine has no usable device 'cuda'; use --device auto or cpu."
    assert not (tmp_path / "out").exists()


def test_no_movie_and_no_folder(unfade: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert unfade("run").sentence() == "No movie is given; name one, as in 'unfade run MOVIE -o FOLDER'."
    assert unfade("run", good(tmp_path)).sentence() == "No folder for the results is given; name one with -o FOLDER."
    settings_file(f"schema = 1\n[input]\npath = {json.dumps(str(tmp_path / 'm.ome.tif'))}\n")(tmp_path)
    assert "name one with -o FOLDER" in unfade("run", "--settings", "s.toml").sentence()


@pytest.mark.parametrize("words", [("run", "m.tif", "-o", "out", "--gap", "x"), ("run", "--colour"), ("cook",)])
def test_usage_errors_name_the_culprit(unfade: Command, words: tuple[str, ...]) -> None:
    said = unfade(*words)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err
    culprit = next(w for w in reversed(words) if w.startswith("--") or w == "cook")
    assert culprit in said.err


# ---------------------------------------------------------------------------------------------------- the output folder


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_folder_of_another_movie(unfade: Command, tmp_path: Path, finished: Path, movie: Path) -> None:
    before = snapshot(finished)
    sentence = unfade("run", good(tmp_path), "-o", finished, "--diameter", 20).sentence()
    assert sentence == f"{finished} holds the run of another movie ({movie}); choose another folder."
    assert snapshot(finished) == before


@pytest.mark.parametrize(
    ("name", "content", "pattern"),
    [
        ("notes.txt", "mine", r"out is not empty and holds no run; choose another folder\."),
        ("manifest.json", "{", r"manifest.json is damaged; delete the folder \S+out or choose another\."),
        ("manifest.json", '{"name": "a web page"}', r"manifest.json was not written by a run; choose another folder\."),
        ("manifest.json", "[]", r"manifest.json was not written by a run"),
    ],
)
def test_a_folder_of_something_else(unfade: Command, tmp_path: Path, name: str, content: str, pattern: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text(content)
    sentence = unfade("run", good(tmp_path), "-o", out, "--diameter", 20).sentence()
    assert re.search(pattern, sentence), sentence
    assert snapshot(out) == {name: content.encode()}


def test_a_file_in_place_of_the_folder(unfade: Command, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    said = unfade("run", good(tmp_path), "-o", tmp_path / "out", "--diameter", 20)
    assert said.sentence() == f"{tmp_path / 'out'} is a file; give the name of a folder."
    said = unfade("run", tmp_path / "m.ome.tif", "-o", tmp_path / "out" / "deeper", "--diameter", 20)
    assert "a part of its path is a file, choose another place" in said.sentence()
    assert (tmp_path / "out").read_text() == "mine"


def test_a_place_where_nothing_can_be_written(unfade: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, make = good(tmp_path), Path.mkdir

    def refuse(path: Path, *args: Any, **kwargs: Any) -> None:
        if path.is_relative_to(tmp_path / "out"):
            raise PermissionError(13, "Permission denied", str(path))
        make(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    sentence = unfade("run", source, "-o", tmp_path / "out", "--diameter", 20).sentence()
    assert re.fullmatch(r"\S+out\S* cannot be written: it is not allowed there, choose another place\.", sentence)
    assert not (tmp_path / "out").exists()


# --------------------------------------------------------------------------------------------------------- a full disk


class FullDisk:
    """Lets nothing whose name holds `name` be opened for writing, as if the disk were full from there on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        import builtins
        import io

        self.name, self.open, self.hit = name, io.open, False
        for module in (builtins, io):
            monkeypatch.setattr(module, "open", self)

    def __call__(self, file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if set(mode) & set("wax+") and isinstance(file, str | Path) and self.name in str(file):
            self.hit = True
            raise OSError(28, "No space left on device", str(file))
        return self.open(file, mode, *args, **kwargs)


EARLY = ("manifest.json", "key.txt", "000000.npz", "000001.npz")
LATE = (
    "labels.ome.zarr",
    "nucleus",
    "lineage.npz",
    "objects.csv",
    "tracks.csv",
    "tracks.units",
    "report.html",
    "run.toml",
)


@pytest.mark.parametrize("name", EARLY)
def test_a_full_disk_before_anything_is_complete_leaves_nothing(
    name: str, unfade: Command, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch, name)
    said = unfade("run", movie, "-o", tmp_path / "a" / "out", "--diameter", 12, "--frames", "0:2")
    assert "the disk is full, make room or choose another place" in said.sentence()
    assert disk.hit
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", LATE)
def test_a_full_disk_later_keeps_what_is_complete_and_the_run_goes_on(
    name: str, unfade: Command, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    words = ("run", movie, "-o", out, "--diameter", 12, "--frames", "0:2")
    with monkeypatch.context() as full:
        disk = FullDisk(full, name)
        said = unfade(*words)
    assert re.search(r"the disk is full|No space left", said.sentence())
    assert disk.hit
    assert not [p for p in out.rglob("*") if ".part" in p.name or ".tmp" in p.name or ".old" in p.name]
    stages = json.loads((out / "manifest.json").read_text())["stages"]
    assert stages["segment"]["complete"]
    assert unfade(*words).code == 0
    assert json.loads((out / "manifest.json").read_text())["stages"]["segment"] == stages["segment"]


def test_a_full_disk_in_the_middle_of_a_table(
    unfade: Command, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", fail)
    out = tmp_path / "out"
    sentence = unfade("run", movie, "-o", out, "--diameter", 12, "--frames", "0:2").sentence()
    assert re.search(r"out/objects.csv cannot be written: the disk is full", Path(sentence).as_posix())
    assert sorted(p.name for p in out.iterdir()) == [".unfade", "labels.ome.zarr", "manifest.json"]


def test_a_full_disk_leaves_earlier_results_as_they_are(
    unfade: Command, movie: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    out = tmp_path / "out"
    shutil.copytree(finished, out)
    before = snapshot(out)
    with monkeypatch.context() as full:
        FullDisk(full, "lineage.npz")
        unfade("run", movie, "-o", out, "--diameter", 12, "--gap", 1).sentence()
    after = snapshot(out)
    assert sorted(after) == sorted(before)
    # the label images come before the lineage and are new; nothing else but the manifest changed
    assert {k for k in after if after[k] != before[k] and "labels.ome.zarr" not in k} == {"manifest.json"}


# ------------------------------------------------------------------------------------------------------------- weights


def test_weights_that_cannot_be_used(unfade: Command, tmp_path: Path) -> None:
    path, source = tmp_path / "w.safetensors", good(tmp_path)
    shipped = find_weights("nuclei-unet")
    state, metadata = read_tensors(shipped)
    first = next(iter(state))
    settings = json.loads(metadata["unfade"])["settings"]
    for made, pattern in (
        (lambda: path.write_bytes(b"no tensors here"), r"w.safetensors is not a readable safetensors file .*fetch it"),
        (lambda: path.write_bytes(shipped.read_bytes()[:50_000]), r"w.safetensors is not a readable safetensors file"),
        (lambda: write_tensors(path, state), r"w.safetensors was not written by unfade"),
        (
            lambda: write_tensors(path, state, card("hourglass", {})),
            r"w.safetensors holds weights of 'hourglass', not of 'nuclei-unet'; use --system hourglass\.",
        ),
        (
            lambda: write_tensors(path, state, card("nuclei-unet", {"wings": 2})),
            r"The weights w were made by another release of unfade; use its weights or train new ones\.",
        ),
        (
            lambda: write_tensors(path, {k: v for k, v in state.items() if k != first}, card("nuclei-unet", settings)),
            r"The weights w.safetensors do not fit the network",
        ),
    ):
        made()
        said = unfade("run", source, "-o", tmp_path / "out", "--weights", path, "--diameter", 20)
        assert re.search(pattern, said.sentence()), said.err
        assert not (tmp_path / "out").exists()


def test_settings_that_contradict_the_weights(unfade: Command, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("schema = 1\n[system.settings]\nwidth = 8\n")
    words = ("run", good(tmp_path), "-o", tmp_path / "out", "--settings", tmp_path / "s.toml", "--diameter", 20)
    assert re.search(r"were trained with another 'width'; leave it out\.", unfade(*words).sentence())


# ------------------------------------------------------------------------------------------------ a process of its own


def test_a_process_of_its_own_says_one_sentence(tmp_path: Path) -> None:
    code = "from unfade.cli import main; main()"
    words = ["run", str(truncated(tmp_path)), "-o", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"Error: [^\n]+\.\n", done.stderr)
    assert [p.name for p in tmp_path.iterdir()] == ["m.ome.tif"]


def test_python_gets_the_same_sentence_as_an_exception(tmp_path: Path) -> None:
    from unfade import UnfadeError, api

    with pytest.raises(UnfadeError, match="There is no file or folder"):
        api.run(tmp_path / "no.tif", tmp_path / "out", RunSettings())
    with pytest.raises(UnfadeError, match=r"got an array of shape \(4, 4\)"):
        api.segment(np.zeros((4, 4)))
