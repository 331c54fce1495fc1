"""Training on a challenge folder whose held frames have marks alone, and the scripts of the hourglass's tables."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import imagecodecs
import numpy as np
import pytest
import tifffile

from unfade.ops.tensorfile import read_tensors, write_tensors
from unfade.pipeline.training import TrainingSettings
from unfade.settings import read_toml
from unfade.testing.movies import tiny
from unfade.weights.catalogue import find_weights

from .conftest import Command

SCRIPTS = Path(__file__).resolve().parents[2] / "experiments" / "hourglass"
ROW = """schema = 1
system = "hourglass"
preset = "default"
sequences = ["02"]
held = {held}
[settings]
width = 4
levels = 3
length = 2
[sampler]
length = 2
crop_px = 32
[train]
steps = 4
check_every = 2
workers = 0
device = "cpu"
"""


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"hourglass_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    """Sequence 02 of five frames, of which the first is outlined."""
    movie, folder = tiny(), tmp_path / "ctc" / "default"
    for name in ("02", "02_GT/TRA", "02_GT/SEG"):
        (folder / name).mkdir(parents=True)
    for t in range(len(movie)):
        frame = movie.frame(t)
        tifffile.imwrite(folder / "02" / f"t{t:03d}.tif", frame.image[0])
        tifffile.imwrite(folder / "02_GT" / "TRA" / f"man_track{t:03d}.tif", frame.nuclei.astype(np.uint16))
    tifffile.imwrite(folder / "02_GT" / "SEG" / "man_seg000.tif", movie.frame(0).nuclei.astype(np.uint16))
    ids = np.unique(np.stack([movie.frame(t).nuclei for t in range(len(movie))]))
    tracks = [[t for t in range(len(movie)) if (movie.frame(t).nuclei == n).any()] for n in ids if n]
    lines = [f"{n} {there[0]} {there[-1]} 0" for n, there in zip(ids[ids > 0], tracks, strict=True)]
    (folder / "02_GT" / "TRA" / "man_track.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("held", [0.4, 0.0])
def test_without_outlines_to_choose_by_the_last_weights_are_kept(
    unfade: Command, challenge: Path, tmp_path: Path, held: float
) -> None:
    row = tmp_path / "row.toml"
    row.write_text(ROW.format(held=held))
    out = tmp_path / "out"
    command = ("train", "--data", challenge, "-o", out, "--settings", row)
    said = unfade(*command)
    assert said.code == 0, said.err
    end = said.err.splitlines()[-1]
    assert end.startswith("Last weights: ")
    assert end.endswith("No held frame has outlines of all its objects to choose by, so the last weights were kept.")
    assert "nan" not in end
    assert read_tensors(out / "best.safetensors")[1]["step"] == "4"
    again = unfade(*command, "--steps", 6, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["scores"] == {"AP": None, "AP@0.50": None, "AP@0.75": None}
    assert read_tensors(out / "best.safetensors")[1]["step"] == "6"
    with (out / "curves.csv").open(newline="") as file:
        assert [line["step"] for line in csv.DictReader(file)] == ["2", "4", "6"]


def test_a_row_is_scored_with_the_weights_there_are_now(challenge: Path, tmp_path: Path) -> None:
    table, out = script("table"), tmp_path / "out"
    training, stale = out / "row" / "training", out / "row" / "h-0.3" / "02_RES"
    training.mkdir(parents=True)
    stale.mkdir(parents=True)
    tifffile.imwrite(stale / "mask000.tif", np.zeros((8, 8), np.uint16))
    state, metadata = read_tensors(find_weights("hourglass"))
    write_tensors(training / "best.safetensors", state, {**metadata, "step": "40"})
    (training / "curves.csv").write_text("step,AP,minutes\n40,0.5,1.0\n50,0.4,1.5\n")
    settings = TrainingSettings.parse({"system": "hourglass", "preset": "default", "sequences": ["01"]})
    found = table.scored(tmp_path, out, "row", settings, "h=0.3", "cpu")
    assert found["iterations"] == 40
    assert found["scored on"] == "default 02"
    assert len(list(stale.glob("mask*.tif"))) == 5
    write_tensors(training / "best.safetensors", state, metadata)  # written before weights knew their step
    assert table.iterations(training / "best.safetensors", 50) == 50


def test_a_picture_shows_a_frame_and_the_one_before(
    movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = script("picture")

    def drawn(frame: int) -> np.ndarray:
        out = tmp_path / f"{frame}.png"
        words = ("picture.py", movie, out, "--diameter", 12, "--side", 64, "--frame", frame)
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        picture.main()
        image: np.ndarray = imagecodecs.png_decode(out.read_bytes())
        return image

    four, three = drawn(4), drawn(3)
    assert four.shape == (2 * 66, 3 * 66, 3)
    assert np.array_equal(four[:64, :64], three[66:130, :64])  # frame 3: above in one, below in the other
    assert not np.array_equal(four[66:130, :64], three[66:130, :64])
    for frame in (0, 5):
        with pytest.raises(SystemExit):
            drawn(frame)
        assert "--frame is 1 to 4" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*-0[12]*.toml")), ids=lambda path: path.stem)
def test_what_a_row_says_of_its_frames_is_what_is_done(path: Path) -> None:
    text = path.read_text()
    settings = TrainingSettings.parse(read_toml(path))
    both = settings.preset.removesuffix("-small") in script("table").SINGLE
    assert ("scored on all of 01" in text) == both
    assert "scored on the held" not in text
    assert ("no frame is held out, the last weights are kept" in text) == (settings.held == 0)
