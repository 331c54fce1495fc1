"""Prepared folders on disk, and masks from a marker."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from unfade.datasets.stills import read_stills
from unfade.errors import MissingExtraError, MissingInputError, OutputError, SettingsError, ShapeError
from unfade.instances.threshold import ThresholdSettings, by_threshold
from unfade.pipeline import masking
from unfade.pipeline.preparing import PrepareSettings, prepare_folder


def discs(places: list[tuple[int, int]], side: int = 64, radius: float = 7) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.any([np.hypot(y - a, x - b) <= radius for a, b in places], axis=0)


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    folder = tmp_path / "atlas"
    folder.mkdir()
    lines = ["Id,Target"]
    for k in range(10):
        marker = (discs([(20, 20), (40, 44)]) * 180 + 10).astype(np.uint8)
        (folder / f"p{k}_blue.png").write_bytes(imagecodecs.png_encode(marker))
        (folder / f"p{k}_green.png").write_bytes(imagecodecs.png_encode(np.full_like(marker, 40)))
        lines.append(f"p{k},{0 if k % 2 else 25}")
    (folder / "train.csv").write_text("\n".join(lines))
    return folder


def test_an_atlas_download_becomes_a_training_folder(atlas: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    settings = PrepareSettings(kind="hpa", masks="threshold")
    facts = prepare_folder(atlas, tmp_path / "out", settings, lambda *step: told.append(step))
    assert facts["locations"] == {"cytosol": 5, "nucleoplasm": 5, "both": 0}
    assert (facts["images"], facts["crops"], facts["written"]) == (10, 20, 20)
    assert facts["kept"] == {"train": 16, "val": 2, "test": 2}
    stills = read_stills(tmp_path / "out")
    assert len(stills) == 20
    assert all(s.image.shape == (1, 1, 32, 32) and (s.image == 40).all() for s in stills)
    assert stills[0].labels[0, 16, 16] > 0
    assert json.loads((tmp_path / "out" / "prepared.json").read_text()) == facts
    assert told[-1] == ("prepare", 10, 10)
    with pytest.raises(OutputError, match="is there already"):
        prepare_folder(atlas, tmp_path / "out", settings)


def test_sequences_are_a_choice_among_the_crops(atlas: Path, tmp_path: Path) -> None:
    for k in range(5):  # nuclei as bright as the cytosol; in the other five the image is flat
        image = np.full((64, 64), 40, np.uint8)
        image[::6, ::6] = 10
        (atlas / f"p{k}_green.png").write_bytes(imagecodecs.png_encode(image))
    facts = prepare_folder(atlas, tmp_path / "out", PrepareSettings(kind="hpa", masks="threshold", crops="sequences"))
    assert (facts["crops"], facts["cut"], facts["dissimilar"], facts["written"]) == (20, 0, 10, 10)
    assert facts["kept"] == Counter(still.part for still in read_stills(tmp_path / "out"))


def test_whole_stills_are_copied(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for k in range(3):
            tifffile.imwrite(tmp_path / "in" / name / f"{k}.tif", np.full((8, 8), k, np.uint8))
    facts = prepare_folder(tmp_path / "in", tmp_path / "out", PrepareSettings(crops="none"))
    assert facts["written"] == 3
    assert facts["kept"] == {"train": 2, "val": 1}
    assert [s.image.max() for s in read_stills(tmp_path / "out")] == [0, 1, 2]


@pytest.mark.parametrize("crops", ["none", "nuclei", "sequences"])
def test_movies_are_refused_instead_of_losing_frames(crops: Any, tmp_path: Path) -> None:
    frames = np.zeros((4, 32, 32), np.uint8)
    frames[:, 12:20, 12:20] = 1
    for name in ("images", "masks"):
        (tmp_path / "in" / name).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "in" / name / "m.tif", frames, photometric="minisblack")
    with pytest.raises(ShapeError, match="m has 4 frames and 1 channels, but a still is one frame"):
        prepare_folder(tmp_path / "in", tmp_path / "out", PrepareSettings(crops=crops))
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "in" / name).mkdir(parents=True)
    for k, labels in enumerate((np.zeros((32, 32), np.uint8), np.arange(1024, dtype=np.uint16).reshape(32, 32))):
        tifffile.imwrite(tmp_path / "in" / "images" / f"{k}.tif", np.zeros((32, 32), np.uint8))
        tifffile.imwrite(tmp_path / "in" / "masks" / f"{k}.tif", labels)
    with pytest.raises(MissingInputError, match=r"\(1 images without a nucleus, 1 images with too many nuclei\)"):
        prepare_folder(tmp_path / "in", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_masks_are_not_made_where_there_are_some(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="leave --masks out"):
        prepare_folder(tmp_path, tmp_path / "out", PrepareSettings(masks="threshold"))


def test_a_threshold_finds_nuclei_and_parts_those_that_touch() -> None:
    rng = np.random.default_rng(0)
    where = discs([(15, 15), (40, 25), (40, 38)])
    image = 100 + 300 * where + rng.normal(0, 10, where.shape)
    labels = by_threshold(image)
    assert labels.max() == 3
    assert labels[40, 25] != labels[40, 38]
    overlap = (labels > 0) & where
    assert 2 * overlap.sum() / ((labels > 0).sum() + where.sum()) > 0.93
    assert by_threshold(image, ThresholdSettings(least_px=1000)).max() == 0
    assert by_threshold(np.full((9, 9), 4.0)).max() == 0


def test_ways_to_make_masks_are_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    image = 100 + 300 * discs([(15, 15)])
    assert np.array_equal(masking.masks_by("threshold")(image), by_threshold(image))
    with pytest.raises(SettingsError, match="choose one of: threshold, nuclei-unet, cellpose, stardist"):
        masking.masks_by("magic")
    with pytest.raises(SettingsError, match="has no weights"):
        masking.masks_by("threshold", "x")

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(masking, "import_module", absent)
    for name in ("cellpose", "stardist"):
        with pytest.raises(MissingExtraError, match=f"pip install {name}"):
            masking.masks_by(name)


def test_adapters_hand_the_image_over_and_the_labels_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        def __init__(self, model_type: str = "") -> None:
            self.model_type = model_type

        @classmethod
        def from_pretrained(cls, name: str) -> Model:
            return cls(name)

        def eval(self, image: np.ndarray) -> tuple[np.ndarray, str]:
            return (image > 5).astype(np.uint16), self.model_type

        def predict_instances(self, image: np.ndarray) -> tuple[np.ndarray, str]:
            return (image > 0.5).astype(np.int64), self.model_type

    class Library:
        Cellpose = StarDist2D = Model

        @staticmethod
        def normalize(image: np.ndarray, low: float, high: float) -> np.ndarray:
            return image / image.max()

    monkeypatch.setattr(masking, "import_module", lambda name: Library)
    image = np.array([[0, 10], [2, 9]])
    for name in ("cellpose", "stardist"):
        labels = masking.masks_by(name)(image)
        assert labels.dtype == np.int32
        assert labels.tolist() == [[0, 1], [0, 1]]
