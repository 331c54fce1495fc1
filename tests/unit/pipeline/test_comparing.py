"""Results side by side: facts, agreement, figures against a truth and what one gains over another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from unfade import api
from unfade.data.labelstore import LabelWriter
from unfade.errors import OutputError, SettingsError, ShapeError
from unfade.pipeline.comparing import FILES, write


def truth() -> np.ndarray:
    """Four frames with two squares that move."""
    labels = np.zeros((4, 40, 60), np.int32)
    for t in range(4):
        labels[t, 5:15, 5 + t : 15 + t], labels[t, 20:32, 30:42] = 1, 2
    return labels


def without(labels: np.ndarray, frames: tuple[int, ...], value: int = 2) -> np.ndarray:
    """The same labels, one object gone from some frames."""
    out = labels.copy()
    for t in frames:
        out[t][out[t] == value] = 0
    return out


def test_facts_agreement_and_frames() -> None:
    found = api.compare([truth(), without(truth(), (1, 2))], names=["whole", "holes"])
    assert found.facts["whole"]["objects"] == 8
    assert found.facts["holes"]["objects"] == 6
    assert found.facts["holes"]["objects per frame"] == 1.5
    assert found.facts["whole"]["median area, px"] == 122.0
    figure = found.agreement["whole", "holes"]
    assert figure.value == pytest.approx(12 / 14)
    assert figure.interval is not None
    assert figure.interval.low < 12 / 14 < figure.interval.high
    assert found.frames["F1 whole ~ holes"].tolist() == pytest.approx([1, 2 / 3, 2 / 3, 1])
    assert found.frames["objects holes"].tolist() == [2, 1, 1, 2]
    assert "F1 whole" not in found.frames
    assert not found.scores
    assert not found.gains


def test_against_a_truth_the_gain_is_paired_over_frames() -> None:
    results = [without(truth(), (1, 2)), truth(), without(truth(), (1, 2))]
    found = api.compare(results, truth(), ["holes", "whole", "same"])
    assert found.scores["whole"]["F1@0.50"].value == 1
    assert found.scores["holes"]["DET"].value < 1
    gain = found.gains["whole"]
    assert gain.value == pytest.approx(2 / 14)
    assert gain.count == 4
    assert gain.interval is not None
    assert gain.interval.low <= 2 / 14 <= gain.interval.high
    same = found.gains["same"]
    assert same.interval is not None
    assert (same.value, same.interval.low, same.interval.high) == (0, 0, 0)
    assert "holes" not in found.gains
    assert found.frames["F1 holes"].tolist() == pytest.approx([1, 2 / 3, 2 / 3, 1])


def test_the_threshold_decides_what_is_the_same() -> None:
    moved = np.roll(truth(), 3, axis=2)  # IoU 0.54 and 0.6
    assert api.compare([truth(), moved], draws=0).agreement["1 labels", "2 labels"].value == 1
    assert api.compare([truth(), moved], threshold=0.57, draws=0).agreement["1 labels", "2 labels"].value == 0.5


def test_results_are_called_by_the_part_of_the_path_that_differs(tmp_path: Path) -> None:
    for place in ("a/out", "b/out"):
        (tmp_path / place).mkdir(parents=True)
        stack = truth().astype(np.uint16)
        tifffile.imwrite(
            tmp_path / place / "labels.tif", stack, photometric="minisblack", metadata={"axes": "TYX"}, ome=False
        )
    paths = [tmp_path / place / "labels.tif" for place in ("a/out", "b/out")]
    assert api.compare(paths, draws=0).names == ("a/out/labels.tif", "b/out/labels.tif")


def test_all_of_it_is_written(tmp_path: Path) -> None:
    found = api.compare([truth(), without(truth(), (0,))], truth(), ["a", "b"], draws=10)
    write(tmp_path / "out", found)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(FILES)
    figures = pd.read_csv(tmp_path / "out" / "figures.csv", index_col="figure")
    assert figures.loc["F1@0.50", "a"] == 1
    assert figures.loc["objects", "b"] == 7
    assert json.loads((tmp_path / "out" / "compared.json").read_text())["results"] == ["a", "b"]
    write(tmp_path / "out", found)
    (tmp_path / "out" / "mine.txt").write_text("kept")
    with pytest.raises(OutputError, match="taken"):
        write(tmp_path / "out", found)


def test_what_cannot_be_compared_is_told() -> None:
    with pytest.raises(SettingsError, match="two results"):
        api.compare([truth()])
    with pytest.raises(SettingsError, match="different names"):
        api.compare([truth(), truth()], names=["a", "a"])
    with pytest.raises(ShapeError, match="b has frames"):
        api.compare([truth(), truth()[:2]], names=["a", "b"])
    with pytest.raises(ShapeError, match="the truth has frames"):
        api.compare([truth(), truth()], truth()[:, :20])


def test_no_name_hides_a_row(tmp_path: Path) -> None:
    found = api.compare([truth(), without(truth(), (0,))], names=["figure", "frame"], draws=0)
    assert found.rows()["objects"] == [8, 7]
    write(tmp_path, found)
    assert pd.read_csv(tmp_path / "figures.csv", index_col=0).loc["objects"].astype(float).tolist() == [8, 7]


def test_runs_of_two_movies_are_not_compared(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / name
        with LabelWriter(folder / "labels.ome.zarr", (4, 40, 60)) as writer:
            for t, labels in enumerate(truth()):
                writer.write(t, labels)
        manifest = {"input": {"hash": name, "path": name}, "stages": {}, "settings": {}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SettingsError, match="b is a run of another movie than a"):
        api.compare([tmp_path / "a", tmp_path / "b"])
    assert api.compare([tmp_path / "a", truth()], draws=0).agreement["a", "labels"].value == 1
