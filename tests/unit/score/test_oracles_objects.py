"""Object, pixel, boundary and calibration scores equal those of other implementations, to 1e-9."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.conftest import ROOT
from tests.oracles.object_cases import FRAMES, REAL, Case, checksum, classes, made, ranking, real, samples, sequences
from tests.oracles.perturb import WAYS as SEVEN
from tests.unit.score.scenes import WAYS
from unfade.ops.overlap import contingency
from unfade.score.boundaries import score_boundaries
from unfade.score.calibration import reliability, top_class
from unfade.score.detection import Counts, count_matches, count_objects
from unfade.score.pixels import confusion
from unfade.score.ranking import ap_coco, rank

EXACT = 1e-9
MADE = sorted(made())
NAMES = MADE + [f"{file} {way}" for file, _, _ in REAL for way in WAYS]
NAMES += [f"{excerpt.name} / {way}" for excerpt in FRAMES for way in SEVEN]


@cache
def oracle(name: str) -> dict[str, Any]:
    (path,) = (ROOT / "tests" / "oracles").glob(f"{name}-*.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def made_cases() -> dict[str, Case]:
    return made()


@pytest.fixture(scope="module")
def real_cases(data_root: Path) -> dict[str, Case]:
    return real(data_root, tifffile.imread) | sequences(data_root)


@pytest.fixture(params=NAMES)
def named(request: pytest.FixtureRequest) -> tuple[str, Case]:
    """Each case; those of real data skip where the data are absent."""
    name = request.param
    return name, request.getfixturevalue("made_cases" if name in MADE else "real_cases")[name]


def expected(tool: str, named: tuple[str, Case]) -> Any:
    """What the other implementation gave for the same pixels."""
    name, case = named
    entry = oracle(tool)["cases"][name]
    assert entry["input"] == checksum(case), "the inputs have changed: run make_objects.py again"
    return entry["figures"]


def test_matching_equals_stardist(named: tuple[str, Case]) -> None:
    head = oracle("stardist")
    for (prediction, truth), rows in zip(named[1], expected("stardist", named), strict=True):
        overlap = contingency(prediction, truth)
        for threshold, row in zip(head["thresholds"], rows, strict=True):
            other = dict(zip(head["columns"], row, strict=True))
            seen = count_matches(overlap, threshold, strict=False)
            assert (seen.tp, seen.fp, seen.fn) == (other["tp"], other["fp"], other["fn"])
            ours = {
                "precision": seen.precision(),
                "recall": seen.recall(),
                "accuracy": seen.ap(),
                "f1": seen.f1(),
                "panoptic_quality": seen.pq(),
                "mean_matched_score": seen.matched_iou(),
            }
            for name, value in ours.items():  # it gives 0 where 0/0 is not defined here
                assert (0 if math.isnan(value) else value) == pytest.approx(other[name], abs=EXACT)


def test_ranked_precision_equals_pycocotools(named: tuple[str, Case]) -> None:
    for threshold, other in expected("pycocotools", named).items():
        images = [rank(contingency(p, t), ranking(p), float(threshold)) for p, t in named[1]]
        seen = ap_coco(images)
        assert (-1 if math.isnan(seen) else seen) == pytest.approx(other, abs=EXACT)  # -1: nothing to find


def test_panoptic_quality_equals_torchmetrics(named: tuple[str, Case]) -> None:
    total = sum((count_objects(p, t, 0.5, strict=True) for p, t in named[1]), Counts())
    seen = total.pq()
    assert (0 if math.isnan(seen) else seen) == pytest.approx(expected("torchmetrics", named), abs=EXACT)


def test_pixels_equal_scikit_learn(named: tuple[str, Case]) -> None:
    for pair, other in zip(named[1], expected("scikit-learn", named), strict=True):
        seen = confusion(*pair)
        for name, value in other.items():
            ours = getattr(seen, name)()
            assert ours == pytest.approx(value, abs=EXACT) if value is not None else math.isnan(ours)


def test_distances_equal_monai_and_scikit_image(named: tuple[str, Case]) -> None:
    pairs = [(p, t) for p, t in named[1] if p.any() and t.any()]
    names = {"HD": "hausdorff", "HD95": "hausdorff_95", "ASSD": "surface_distance"}
    others = zip(expected("monai", named), expected("scikit-image", named), strict=True)
    for pair, (monai, skimage) in zip(pairs, others, strict=True):
        seen = score_boundaries([pair])
        assert seen["HD"].value == pytest.approx(skimage, abs=EXACT)
        for ours, theirs in names.items():
            assert seen[ours].value == pytest.approx(monai[theirs], abs=EXACT)


def test_calibration_errors_equal_torchmetrics() -> None:
    other = oracle("torchmetrics")["calibration"]
    for seed, (ece, mce, several) in enumerate(zip(other["ece"], other["mce"], other["multiclass"], strict=True)):
        seen = reliability(*samples(seed), bins=15)
        assert seen.ece() == pytest.approx(ece, abs=EXACT)
        assert seen.mce() == pytest.approx(mce, abs=EXACT)
        assert reliability(*top_class(*classes(seed)), bins=15).ece() == pytest.approx(several, abs=EXACT)


def test_reliability_curve_equals_scikit_learn() -> None:
    for seed, (accuracy, confidence) in enumerate(oracle("scikit-learn")["calibration"]):
        seen = reliability(*samples(seed), bins=15)
        used = seen.count > 0
        np.testing.assert_allclose(seen.accuracy[used], accuracy, atol=EXACT)
        np.testing.assert_allclose(seen.confidence[used], confidence, atol=EXACT)
