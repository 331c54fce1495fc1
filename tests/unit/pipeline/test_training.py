"""How a network is scored while it learns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from unfade.datasets.challenge import UNKNOWN, Tracked
from unfade.datasets.stills import Still
from unfade.pipeline.training import TrainingSettings, counted, open_sampler, open_validation, score_stills
from unfade.systems.feedback import FeedbackSettings
from unfade.systems.nuclei_unet import NucleiUNet, NucleiUNetSettings
from unfade.systems.track_net import TrackNet

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


@pytest.mark.parametrize(
    ("draw", "wild"),
    [
        ("estimates", {"policy": {"noise": 1.0}, "native": 0.0, "empty": 0.5, "unreliable": {"dropped": 1.0}}),
        ("rollouts", {"varied": 1.0, "own": [0.0, 0.0], "unreliable": {"dropped": 1.0}, "zoom": 0.4}),
    ],
)
def test_trainings_are_validated_on_the_same_batches(
    draw: str, wild: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    system, seen = TrackNet(FeedbackSettings(width=4)), []
    monkeypatch.setattr(
        TrackNet, "measure", lambda self, network, batches, *how: seen.append(batches[1]["inputs"]) or {}
    )
    held = [Still("a", IMAGE, LABELS, "val")]
    size = {"batch": 2, "crop_px": 64, **({"frames": 2} if draw == "rollouts" else {})}
    trainings = [
        TrainingSettings.parse({"system": "track-net", "draw": draw, "metric": "Dice", "sampler": {**size, **more}})
        for more in ({}, wild)
    ]
    for settings in trainings:
        open_validation(settings, system, held)(torch.nn.Identity())
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])
    own = [open_sampler(settings, system, held)[1]["inputs"]["previous"] for settings in trainings]
    assert not torch.equal(*own)  # what is learnt from stays varied
