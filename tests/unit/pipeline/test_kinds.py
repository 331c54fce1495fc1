"""Cells that come with their nuclei: two label images, two rows, one track."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unfade.data import open_labels
from unfade.data.zarr import label_kinds
from unfade.instances.boxes import Regions, compartments, paint
from unfade.link import LinkSettings
from unfade.measure import MeasureSettings
from unfade.ops.boxes import NUCLEUS
from unfade.pipeline import linking, measuring, segmenting
from unfade.pipeline.folder import RunFolder
from unfade.records import Calibration, Instances, Kind, Movie

KINDS_OF: tuple[Kind, ...] = ("nucleus", "cell")


def found(shift: int) -> Instances:
    """Two cells, the second without a visible nucleus."""
    cells, nuclei = np.zeros((60, 80), np.int32), np.zeros((60, 80), np.int32)
    cells[10:40, 5 + shift : 35 + shift], cells[20:50, 42 + shift : 72 + shift] = 1, 2
    nuclei[18:30, 14 + shift : 28 + shift] = 1
    labels = compartments(cells, nuclei)
    chances, parts = np.zeros((2, 3, 30, 30), np.float32), np.zeros((2, 3, 30, 30), np.float32)
    boxes = np.array([[5 + shift, 10, 35 + shift, 40], [42 + shift, 20, 72 + shift, 50]], np.float32)
    for n, (x0, y0, x1, y1) in enumerate(boxes.astype(int)):
        inside = labels[y0:y1, x0:x1]
        kinds = np.where(inside >= NUCLEUS, 2, (inside > 0).astype(int))
        chances[n] = np.eye(3, dtype=np.float32)[kinds].transpose(2, 0, 1)
        parts[n, 0] = np.where(kinds == 2, 0.8, 0.2)
    return paint(Regions(boxes, np.array([0.9, 0.8], np.float32), chances, parts, np.ones(2, bool)), (60, 80))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.instances.mkdir(parents=True)
    for t in range(3):
        segmenting.write_instances(segmenting.frame_path(folder.instances, t), found(2 * t))
    frames = linking.seen_labels(folder.instances, 3)
    lineage = linking.link_frames(frames, 3, LinkSettings())
    linking.write_lineage(folder.lineage, lineage)
    frames_of_kinds = linking.seen_kinds(folder.instances, 3, KINDS_OF)
    linking.write_track_labels(folder.labels, frames_of_kinds, (3, 60, 80), lineage, Calibration(), KINDS_OF)
    return folder


def test_cells_are_tracked_and_nuclei_carry_the_tracks_of_their_cells(folder: RunFolder) -> None:
    assert label_kinds(folder.labels) == KINDS_OF
    cells, nuclei = (np.asarray(open_labels(folder.labels, kind)) for kind in ("cell", "nucleus"))
    assert [sorted(set(np.unique(frame)) - {0}) for frame in cells] == [[1, 2]] * 3
    assert [sorted(set(np.unique(frame)) - {0}) for frame in nuclei] == [[1]] * 3
    assert ((nuclei > 0) <= (nuclei == cells)).all()


def test_both_are_measured_with_their_own_uncertainty(folder: RunFolder) -> None:
    rng = np.random.default_rng(0)
    movie = Movie.of(rng.integers(50, 100, (3, 60, 80)).astype(np.uint16))
    facts = measuring.measure_into(folder, movie, (0,), MeasureSettings())
    rows = pd.read_parquet(folder.objects)
    assert rows.groupby("kind", observed=True).size().to_dict() == {"nucleus": 3, "cell": 6}
    assert facts["objects"] == 3
    means = rows.groupby(["kind", "track"], observed=True)["u_total"].mean()
    assert means["nucleus", 1] == pytest.approx(0.8, abs=0.05)
    assert 0.2 < means["cell", 1] < 0.4
    assert means["cell", 2] == pytest.approx(0.2, abs=1e-4)
    assert rows.loc[rows["kind"] == "cell", "ratio_channel_0"].isna().all()
    tracks = pd.read_csv(folder.tracks)
    assert tracks["track"].tolist() == [1, 2]
