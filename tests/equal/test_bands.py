"""Huge frames taken in bands of rows give what the whole frame gives: every number, every pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from unfade import api
from unfade.data import open_labels, open_movie
from unfade.data.labelstore import LabelWriter
from unfade.measure import MeasureSettings, ObjectMeasurer
from unfade.measure.intensity import percentile_of
from unfade.ops import bands
from unfade.pipeline.settings import RunSettings
from unfade.records import Instances, Rows
from unfade.report import pictures
from unfade.report.content import Snapshot
from unfade.testing.movies import tiny

SHAPE = (150, 90)
TYPES = [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of 16 rows."""
    monkeypatch.setattr(bands, "BAND_PX", 1)
    monkeypatch.setattr(bands, "LEAST_ROWS", 16)


def scene(seed: int, dtype: Any = np.uint16) -> tuple[np.ndarray, np.ndarray]:
    """Two channels and crowded objects of skipping ids; one in two pieces far apart, one over many bands."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.int32)
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    for n in rng.permutation(70):
        place = rng.uniform(-2, SHAPE[0] + 2), rng.uniform(-2, SHAPE[1] + 2)
        labels[np.hypot(y - place[0], x - place[1]) <= rng.uniform(0.5, 7)] = 7 + 3 * n
    labels[4:9, 4:9] = labels[120:126, 50:60] = 1000
    labels[20:100, 80:86] = 999
    image = rng.normal(100, 30, (2, *SHAPE)) + 50 * (labels > 0)
    return (image - 100 if dtype == np.int16 else image).astype(dtype), labels


def store(path: Path, frames: np.ndarray, order: str = "tcyx") -> None:
    """A movie `(T, C, Y, X)` as OME-Zarr."""
    root = zarr.create_group(path)
    kinds = {"t": "time", "c": "channel"}
    axes = [{"name": n, "type": kinds.get(n, "space")} for n in order]
    root.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    root.create_array("0", data=frames.transpose(["tcyx".index(n) for n in order]), chunks=(1, 1, 32, 32))


def table(image: Any, labels: Any, how: dict[str, Any], kind: Any = "nucleus", repaired: bool = False) -> pd.DataFrame:
    stage = ObjectMeasurer(MeasureSettings.parse(how), ((0, "a"), (1, "b")), kind=kind, repaired=repaired)
    ids = np.unique(np.asarray(labels.read(0, SHAPE[0])) if isinstance(labels, Rows) else labels)
    origin = {int(n): ("interpolated", int(n) % 5) for n in ids}
    state, (rows,) = stage.push(stage.start(), (3, image, labels, dict.fromkeys(ids.tolist(), 0.7), None, origin))
    assert (state.objects, state.frames) == (len(ids) - 1, 1)
    return rows.assign(empty=state.empty_rings)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("how", "kind", "repaired"),
    [
        ({}, "nucleus", False),
        ({"ring_gap": 5.5, "ring_width": 9.0, "nucleus_inset": 12.0, "ratio": "median"}, "nucleus", True),
        ({"background": "percentile", "background_percentile": 7.3, "haze": 0.2, "haze_px": 2.5}, "nucleus", True),
        ({"background": "percentile"}, "cell", False),
    ],
)
def test_objects_measured_in_bands_are_those_of_the_whole_frame(
    request: pytest.FixtureRequest, dtype: Any, how: dict[str, Any], kind: str, repaired: bool
) -> None:
    image, labels = scene(1, dtype)
    whole = table(image, labels, how, kind, repaired)
    request.getfixturevalue("narrow")
    read: list[int] = []

    def lines(first: int, stop: int) -> np.ndarray:
        read.append(stop - first)
        return image[:, first:stop]

    banded = table(Rows(image.shape, lines), Rows.of(labels), how, kind, repaired)
    assert len(read) > 6
    assert min(read) < 0.6 * SHAPE[0]
    pd.testing.assert_frame_equal(banded, whole, check_exact=True)
    pd.testing.assert_frame_equal(table(image, labels, how, kind, repaired), whole, check_exact=True)


@pytest.mark.usefixtures("narrow")
def test_a_frame_without_objects_and_one_whose_first_band_is_empty() -> None:
    image, labels = scene(2)
    assert len(table(image, np.zeros_like(labels), {})) == 0
    labels[:60] = 0
    assert len(table(image, labels, {})) == len(np.unique(labels)) - 1


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("percent", [0, 1, 33.3, 50, 99.8, 100])
def test_percentiles_by_counting_are_those_by_sorting(
    request: pytest.FixtureRequest, dtype: Any, percent: float
) -> None:
    (image, _), _ = scene(3, dtype)
    usual = percentile_of(Rows.of(image), percent)
    assert usual == pytest.approx(float(np.percentile(image.astype(np.float64), percent)), rel=1e-12)
    request.getfixturevalue("narrow")
    assert percentile_of(Rows.of(image), percent) == usual
    if image.dtype.kind == "f":
        image[70, 3] = np.nan
        assert np.isnan(percentile_of(Rows.of(image), percent))


def test_labels_painted_by_rows_are_those_painted_at_once() -> None:
    rng = np.random.default_rng(4)
    discs = [scene(seed)[1] for seed in (5, 6, 7)]
    found = Instances.of(np.stack(discs), rng.permutation(sum(len(np.unique(d)) - 1 for d in discs)).astype(np.float32))
    flat = Instances(**{**vars(found), "frame": np.zeros_like(found.frame), "shape": (1, *SHAPE)})  # they overlap
    whole = np.zeros(SHAPE, np.int32)
    for n in np.argsort(flat.score):
        y0, x0, y1, x1 = flat.box[n]
        whole[y0:y1, x0:x1][flat.mask(int(n))] = flat.id[n]
    assert np.array_equal(flat.labels()[0], whole)
    for step in (1, 16, 37):
        assert np.array_equal(np.concatenate([flat.rows(0).read(*r) for r in flat.rows(0).ranges(step)]), whole)
    assert np.array_equal(found.labels(), np.stack(discs))
    assert np.array_equal(found.rows(2).read(10, 20), discs[2][10:20])


@pytest.mark.parametrize("order", ["tcyx", "ctxy"])
def test_rows_of_a_movie_and_of_labels_are_those_of_the_frame(tmp_path: Path, order: str) -> None:
    frames = np.stack([scene(t)[0] for t in (8, 9, 10)])
    store(tmp_path / "m.zarr", frames, order)
    movie = open_movie(tmp_path / "m.zarr").window(1, 3)
    assert np.array_equal(movie.rows(1).read(40, 71), frames[2][:, 40:71])
    assert movie.rows(1).shape == frames[2].shape
    with LabelWriter(tmp_path / "labels.ome.zarr", (2, *SHAPE)) as writer:
        for t in range(2):
            writer.write(t, scene(t)[1])
    assert np.array_equal(open_labels(tmp_path / "labels.ome.zarr").rows(1).read(3, 9), scene(1)[1][3:9])


def test_sketches_for_the_page_by_rows_are_those_of_the_frame(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image, _), labels = scene(11)
    monkeypatch.setattr(pictures, "LONGEST_PX", 40)
    monkeypatch.setattr(pictures._thinned, "__defaults__", (40, 0))
    whole = pictures.sketch(Snapshot(2, image, labels))
    request.getfixturevalue("narrow")
    banded = pictures.sketch(Snapshot(2, Rows.of(image), Rows.of(labels)))
    assert whole.small.shape == banded.small.shape == (37, 22)
    assert np.allclose(whole.small, banded.small, rtol=1e-6)
    assert banded._replace(small=whole.small) == whole
    assert len(whole.outlines) == len(np.unique(labels)) - 1


def test_a_run_in_bands_leaves_the_same_files(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    frames = np.stack([np.tile(tiny().frame(t).image, (1, 2, 2)) for t in (0, 1)])
    store(tmp_path / "m.zarr", frames)
    settings = RunSettings.parse({"predict": {"diameter": 12.0}, "measure": {"background": "percentile"}})
    api.run(tmp_path / "m.zarr", tmp_path / "whole", settings)
    request.getfixturevalue("narrow")
    api.run(tmp_path / "m.zarr", tmp_path / "banded", settings)
    files = [p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file()]
    assert len(files) > 15
    different = [f for f in files if (tmp_path / "whole" / f).read_bytes() != (tmp_path / "banded" / f).read_bytes()]
    assert {f.name for f in different} == {"manifest.json", "report.html"}  # these tell times
    drawn = [(tmp_path / n / "report.html").read_text().partition("<svg")[2] for n in ("whole", "banded")]
    assert drawn[0].count("<path") == drawn[1].count("<path") > 30
