"""The systems of paper lexy through the command line, and the scripts that make its tables."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
import torch

from unfade.datasets.stills import Still
from unfade.pipeline.locking import locked
from unfade.registry import load
from unfade.settings import read_toml

from .conftest import Command

SCRIPTS = Path(__file__).resolve().parents[2] / "experiments" / "lexy"
SHORT = ("--steps", 2, "--batch", 2, "--crop", 64, "--check-every", 2, "--workers", 0, "--device", "cpu", "--json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two movies of four frames, one to train and one to choose; two nuclei that move."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        labels = np.zeros((4, 64, 64), np.uint16)
        for t in range(4):
            labels[t, 8:28, 4 + 3 * t : 24 + 3 * t], labels[t, 36:56, 30:50] = 1, 2
        image = (labels > 0) * 100 + rng.normal(50, 5, labels.shape)
        for kind, stack in (("images", image.astype(np.uint16)), ("masks", labels)):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / "data" / kind / f"{name}.tif", stack, photometric="minisblack")
    (tmp_path / "data" / "split.csv").write_text("file,group,part\na.tif,a,train\nb.tif,b,val\n")
    return tmp_path / "data"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts' folder on the path, as if one of them were run."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield
    for name in ("rows", "evaluate", "table", "crossvalidate"):
        sys.modules.pop(name, None)


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def settings(path: Path, text: str) -> Path:
    path.write_text("schema = 1\n" + text)
    return path


def test_a_system_named_in_a_settings_file_is_the_one_that_is_trained(
    unfade: Command, folder: Path, tmp_path: Path
) -> None:
    text = 'system = "track-net"\npreset = "narrow"\ndraw = "rollouts"\n[settings]\nwidth = 4\n[sampler]\nframes = 2\n'
    file = settings(tmp_path / "row.toml", text)
    said = unfade("train", "--data", folder, "-o", tmp_path / "out", "--settings", file, *SHORT)
    assert said.code == 0, said.err
    assert set(json.loads(said.out)["scores"]) == {"AP", "AP@0.50", "AP@0.75"}
    assert read_toml(tmp_path / "out" / "train.toml")["system"] == "track-net"
    labels = unfade(
        "run", folder / "images" / "b.tif", "--axes", "TYX", "--system", "track-net",
        "--weights", tmp_path / "out", "--diameter", 20, "-o", tmp_path / "run",
    )  # fmt: skip
    assert labels.code == 0, labels.err


def test_a_folder_takes_one_training_at_a_time(unfade: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("train", "--data", folder, "-o", out, "--system", "lexy-unet", "--preset", "narrow", *SHORT)
    with locked(out, out / ".unfade"):
        said = unfade(*command)
        assert said.code == 2
        assert "Another run is at work" in said.err
        assert not (out / "train.toml").exists()
    (out / ".unfade").mkdir(parents=True)
    assert unfade(*command).code == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    said = unfade("train", "--data", folder, "-o", tmp_path / "other", *SHORT)
    assert said.code == 2
    assert "holds no training" in said.err


def test_a_run_may_start_from_another_system(unfade: Command, folder: Path, tmp_path: Path) -> None:
    small = {"track-net": "width = 4\n[sampler]\nframes = 2\n", "lexy-unet": "width = 4\n"}
    for name, text in small.items():
        draw = 'preset = "narrow"\ndraw = "rollouts"\n' if name == "track-net" else 'preset = "narrow"\n'
        file = settings(tmp_path / f"{name}.toml", f'system = "{name}"\n{draw}[settings]\n{text}')
        assert unfade("train", "--data", folder, "-o", tmp_path / name, "--settings", file, *SHORT).code == 0
    started = settings(
        tmp_path / "run.toml", f'[predict.starter]\nname = "lexy-unet"\nweights = "{tmp_path / "lexy-unet"}"\n'
    )
    words = ("run", folder / "images" / "b.tif", "--axes", "TYX", "--diameter", 20, "--settings", started)
    found = unfade(*words, "--system", "track-net", "--weights", tmp_path / "track-net", "-o", tmp_path / "run")
    assert found.code == 0, found.err
    wrong = unfade(*words, "--system", "lexy-unet", "--weights", tmp_path / "lexy-unet", "-o", tmp_path / "other")
    assert "leave out --starter" in wrong.sentence()


def test_encoders_do_not_start_at_random_unasked(
    unfade: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    words = ("train", "--data", folder, "-o", tmp_path / "out", "--system", "lexy-unet", "--preset", "resnet34", *SHORT)
    assert "--encoder-weights none for a random start, or --encoder-weights FILE" in unfade(*words).sentence()
    missing = unfade(*words, "--encoder-weights", tmp_path / "missing.pth").sentence()
    assert missing.startswith("There is no weights file")
    assert not (tmp_path / "out").exists()
    assert unfade(*words, "--encoder-weights", "none").code == 0
    assert read_toml(tmp_path / "out" / "train.toml")["encoder_weights"] == "none"


def test_figures_are_mean_and_spread_over_images(scripts: None) -> None:
    evaluate = script("evaluate")
    truth = np.zeros((8, 8), bool)
    truth[2:6, 2:6] = True
    half, nothing = truth.copy(), np.zeros_like(truth)
    half[4:] = False
    rows = [evaluate.measures(found, truth) for found in (truth, half, nothing)]
    assert rows[0] == [1.0, 1.0, 1.0, 0.0]
    assert rows[1] == [0.5, 1.0, pytest.approx(2 / 3), 2.0]
    figures = evaluate.summary(rows)
    assert figures["sensitivity"] == [0.5, round(float(np.std([1, 0.5, 0])), 4)]
    assert figures["Hausdorff_px"] == [1.0, 1.0]  # an empty mask has no finite distance
    assert figures["empty"] == [1, 3]
    assert evaluate.cell(figures).endswith("1.0000 ± 1.0000 (1 of 3 empty)")
    assert evaluate.summary(rows[:2])["empty"] == [0, 2]
    assert evaluate.summary([evaluate.measures(truth, nothing)])["empty"] == [0, 1]  # found where nothing is
    assert evaluate.cell(figures).startswith("0.5000 ± 0.4082 | 1.0000 ± 0.0000 | ")


def test_a_video_left_out_is_in_no_fold(scripts: None, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "fold"
    place.mkdir()
    script("crossvalidate").without(folder, "a", place)
    names = sorted(path.name for path in (place / "images").iterdir())
    assert names == ["b-train.tif", "b-val.tif"]
    counts = [int(np.prod(tifffile.imread(place / "masks" / name).shape) / 64**2) for name in names]
    assert counts == [3, 1]
    assert (place / "split.csv").read_text() == "file,group,part\nb-train.tif,b,train\nb-val.tif,b,val\n"


def test_epochs_become_steps(scripts: None) -> None:
    rows, table = script("rows"), script("table")
    row = rows.read_row(SCRIPTS / "siam-net-vgg16-bce.toml")
    still = Still("x", np.zeros((1, 1, 8, 8)), np.zeros((1, 8, 8), np.int32), "train")
    assert table.frames_of([still] * 96) == 96
    settings = table.with_steps(row.training, 50 * 96)
    assert settings.train.steps == 50 * 96 / 32
    assert (settings.train.rate, settings.train.decay, settings.encoder_weights) == (1e-4, 0.0, "imagenet")
    small = table.small(settings, 3.0)
    assert settings.train.check_every == settings.train.steps // 50
    assert (small.settings["width"], small.train.minutes, small.encoder_weights) == (16, 3.0, "none")


def test_rows_beyond_the_paper_see_as_many_frames_as_their_baseline(scripts: None, folder: Path) -> None:
    rows, table = script("rows"), script("table")
    data = folder.parent / "parts"
    for name in ("stills", "sequences"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).symlink_to(folder)
    for row in rows.rows_of("next"):
        other = rows.read_row(SCRIPTS / f"{row.about['baseline']}.toml")
        assert table.frames_seen(row, data) == table.frames_seen(other, data) > 0
        steps = table.with_steps(row.training, 4800).train.steps
        assert steps * table.frames_a_step(row.training) == 4800, row.name
        small = table.small(row.training, 1.0)
        assert table.frames_a_step(small) == 12
        scaled = row.training.sampler["zoom"], row.training.sampler["stretch"]
        assert scaled == ((0.15, 0.0) if row.name == "next-scaling" else (0.0, 0.0))


def test_rows_are_kept_by_their_validation(scripts: None) -> None:
    rows, table = script("rows"), script("table")
    assert [table.verdict(pair) for pair in ((0.8, 0.7), (0.7, 0.8), (0.7, "not run"))] == ["kept", "dropped", ""]
    kinds = {row.name: table.judged_on(row) for row in rows.rows_of("next")}
    assert (kinds["next-elastic"], kinds["next-rollout-track-net"]) == ("stills", "rollouts")


def test_folds_of_both_seeds_are_kept(scripts: None) -> None:
    one = {"Dice": [0.5, 0.1], "empty": [1, 4]}
    found = script("crossvalidate").joined({"a, seed 0": one, "a, seed 1": {**one, "Dice": [0.7, 0.1]}})
    assert list(found["folds"]) == ["a, seed 0", "a, seed 1"]
    assert found["videos"]["Dice"] == [0.6, 0.1]
    assert found["videos"]["empty"] == [2, 8]


@pytest.mark.parametrize("name", ["lexy-unet", "siam-net"])
def test_stills_are_scored_once_as_they_are_at_the_zoom_of_the_system(
    scripts: None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = script("evaluate")
    kind = load("systems", name)
    system = kind(kind.settings_type.parse({"width": 4, "diameter_px": (8.0, 10.0)}))
    torch.manual_seed(0)
    network = system.network().eval()
    seen: list[dict[str, torch.Tensor]] = []

    def forward(
        _: object, inputs: dict[str, torch.Tensor], state: object = None
    ) -> tuple[dict[str, torch.Tensor], None]:
        seen.append(inputs)
        return {"maps": inputs["image"] * 8 - 4}, None

    monkeypatch.setattr(kind, "forward", lambda self, *args: forward(*args))
    labels = np.zeros((1, 64, 64), np.int32)
    labels[0, 8:28, 4:24], labels[0, 36:56, 34:54] = 1, 2
    still = Still("a", (labels > 0)[:, None] * 100.0, labels, "test")
    found = [evaluate.on_stills(system, network, [still, still]) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0]["empty"] == [0, 2]
    assert found[0]["Dice"][0] > 0.9
    zoom = 10 / still.diameter_px
    assert seen[0]["image"].shape[-1] == pytest.approx(64 * zoom, abs=16)
    rolled = evaluate.on_sequences(system, network, [still])
    assert seen[-1]["image"].shape == seen[0]["image"].shape
    assert rolled["figures"]["Dice"][0] == found[0]["Dice"][0]
    if name == "siam-net":
        assert 0 < float(seen[0]["previous"].mean()) < 0.5
        assert not torch.equal(seen[0]["previous"], seen[1]["previous"])
        assert not torch.equal(seen[0]["reference"][:, 0, :1], seen[0]["image"][:, 0])
