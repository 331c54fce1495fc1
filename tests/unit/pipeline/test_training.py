"""How a network is scored while it learns."""

from __future__ import annotations

import math

import numpy as np
import torch

from unfade.datasets.challenge import UNKNOWN, Tracked
from unfade.datasets.stills import Still
from unfade.pipeline.training import counted, score_stills
from unfade.systems.nuclei_unet import NucleiUNet, NucleiUNetSettings

LABELS = np.zeros((2, 64, 64), np.int32)
LABELS[:, 10:26, 12:28], LABELS[:, 36:52, 30:48] = 1, 2
IMAGE = (LABELS > 0)[:, None].astype(np.float32)


def scores(*stills: Still) -> dict[str, float]:
    torch.manual_seed(0)
    system = NucleiUNet(NucleiUNetSettings(width=8, levels=2))
    return score_stills(system, system.network().eval(), stills, "cpu", "float32")


def test_unknown_pixels_are_no_objects() -> None:
    marked = np.where(LABELS > 0, LABELS, UNKNOWN)
    marks = Tracked("01 train", IMAGE, marked, "train", np.zeros(2, bool))
    assert counted(NucleiUNet(NucleiUNetSettings()), [marks]) == {"frames": 2, "objects": 4}


def test_where_no_frame_is_outlined_whole_there_is_no_score() -> None:
    marked = np.where(LABELS > 0, LABELS, UNKNOWN)
    marks = Tracked("01 val", IMAGE, marked, "val", np.zeros(2, bool))
    assert list(scores(marks)) == ["AP", "AP@0.50", "AP@0.75"]
    assert all(math.isnan(value) for value in scores(marks).values())
    assert all(math.isnan(value) for value in scores().values())
    one = Tracked("01 val", IMAGE, np.stack([LABELS[0], marked[1]]), "val", np.array([True, False]))
    assert scores(one)["AP"] >= 0


def test_frames_without_objects_alone_give_no_score() -> None:
    empty = Still("empty", IMAGE, np.zeros_like(LABELS), "val")
    assert math.isnan(scores(empty)["AP"])
    assert scores(empty, Still("full", IMAGE, LABELS, "val"))["AP"] >= 0
