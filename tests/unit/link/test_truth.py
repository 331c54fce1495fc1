"""True masks of real movies, linked with the defaults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.link.test_overlap import linked
from unfade.data import ctc
from unfade.link import LinkSettings, clean
from unfade.ops.relabel import remap
from unfade.ops.tracks import pieces
from unfade.score.result import Scores
from unfade.score.sequence import score_sequence


def scored(masks: list[np.ndarray], truth: ctc.Challenge) -> Scores:
    lineage = clean(linked(np.stack(masks))[0], LinkSettings())
    cut = pieces(lineage.frame, lineage.track, lineage.parents)
    images = []
    for t, image in enumerate(masks):
        nodes = np.flatnonzero(lineage.frame == t)
        images.append(remap(image, lineage.label[nodes], cut.id[cut.of_node[nodes]]))
    parent = np.where(cut.parent >= 0, cut.id[cut.parent], 0)
    table = pd.DataFrame({"track": cut.id, "first": cut.first, "last": cut.last, "parent": parent})
    return score_sequence(images, table, truth.labels.frames(), truth.tracks)


def sequence(data_root: Path, name: str) -> Path:
    folder = data_root / "ctc" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


def test_simulated_nuclei_that_divide(data_root: Path) -> None:
    truth = ctc.read(sequence(data_root, "Fluo-N2DH-SIM+") / "01_GT")
    scores = scored([truth.seg[t] for t in range(len(truth.labels))], truth)
    assert scores["TRA"].value > 0.999
    assert scores["DIV_F1(0)"].value > 0.95


def test_crowded_cells_with_missing_masks(data_root: Path) -> None:
    folder = sequence(data_root, "DIC-C2DH-HeLa")
    masks = [ctc.read_labels(p) for p in ctc.numbered(folder / "01_ST" / "SEG", "man_seg").values()]
    scores = scored(masks, ctc.read(folder / "01_GT"))
    assert scores["TRA"].value > 0.983  # 0.9846 under the truth's own ids: 16 markers have no mask
    assert scores["DIV_F1(0)"].value > 0.85
