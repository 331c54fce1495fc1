"""Cells that come with their nuclei: two label images, two rows, one track."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unfade.data import open_labels
from unfade.data.instancestore import overlapping, read_overlapping
from unfade.data.zarr import label_kinds
from unfade.instances.boxes import Regions, compartments, paint
from unfade.link import LinkSettings
from unfade.measure import MeasureSettings
from unfade.ops.relabel import NUCLEUS
from unfade.pipeline import linking, measuring, segmenting
from unfade.pipeline.folder import RunFolder
from unfade.records import Calibration, Instances, Kind, Lineage, Movie

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


def test_masks_that_overlap_are_kept_beside_the_labels(folder: RunFolder) -> None:
    lineage = linking.read_lineage(folder.lineage)
    assert not linking.write_if_overlapping(folder.overlapping, folder.instances, lineage, (3, 60, 80))
    assert not folder.overlapping.exists()
    plain = found(2)
    runs, box = plain.runs.copy(), plain.box.copy()
    runs[: plain.offset[1], 1] += 10  # the first cell reaches into the second
    box[0, 3] += 10
    wider = replace(plain, runs=runs, box=box)
    segmenting.write_instances(segmenting.frame_path(folder.instances, 1), wider)
    assert overlapping(wider)
    assert linking.write_if_overlapping(folder.overlapping, folder.instances, lineage, (3, 60, 80))
    stored = list(read_overlapping(folder.overlapping))
    assert len(stored) == 3
    assert np.array_equal(stored[1].runs, wider.runs)
    assert stored[1].id.tolist() == [int(lineage.track[lineage.frame == 1][n - 1]) for n in wider.id]
    assert not linking.write_if_overlapping(folder.overlapping, folder.instances, only(lineage, 0), (1, 60, 80))
    assert not folder.overlapping.exists()


def test_objects_without_a_track_are_left_out(folder: RunFolder) -> None:
    whole = found(0)
    some = linking.tracked(whole, np.array([2, 9], np.int32), np.array([5, 6], np.int32))
    assert set(some.id.tolist()) == {5}
    kept = np.flatnonzero(whole.id == 2)
    assert np.array_equal(some.mask(0), whole.mask(int(kept[0])))
    assert len(linking.tracked(whole, np.zeros(0, np.int32), np.zeros(0, np.int32))) == 0


def only(lineage: Lineage, t: int) -> Lineage:
    """The objects of one frame."""
    here = lineage.frame == t
    columns = {name: getattr(lineage, name)[here] for name in ("frame", "label", "track", "confidence")}
    return Lineage(**columns, parents=lineage.parents)
