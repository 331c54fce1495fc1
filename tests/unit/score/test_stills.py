"""Drawn single frames give what is said beside them, and other implementations what is said of them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from skimage.segmentation import find_boundaries

from tests.cases.stills import CASES, Still
from tests.conftest import ROOT
from unfade.records import Instances
from unfade.score.comparison import Comparison, Frame
from unfade.score.result import Scores


def scored(still: Still) -> Scores:
    """All figures of a frame; its masks all have the same score."""
    known = np.ones(len(np.unique(still.result[still.result > 0])), np.float32)
    comparison = Comparison()
    comparison.push(Frame(still.result, still.truth, still.truth, found=Instances.of(still.result, known, known)))
    return comparison.scores()


@pytest.mark.parametrize("name", CASES)
def test_figures_are_those_that_are_drawn(name: str) -> None:
    wanted = {key: math.nan if value is None else value for key, value in CASES[name].expect.items()}
    found = scored(CASES[name])
    assert {key: found[key].value for key in wanted} == pytest.approx(wanted, abs=1e-12, nan_ok=True)


def oracle(tool: str, name: str) -> Any:
    (path,) = (ROOT / "tests" / "oracles").glob(f"{tool}-*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert f"{tool}-{content['version']}.json" == path.name
    return content["cases"][f"drawn: {name}"]["figures"]


def stardist(name: str) -> dict[str, float]:
    (path,) = (ROOT / "tests" / "oracles").glob("stardist-*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    row = oracle("stardist", name)[0][content["thresholds"].index(0.5)]
    return dict(zip(content["columns"], row, strict=True))


def test_stardist_differs_as_it_is_said() -> None:
    assert stardist("half an overlap")["tp"] == 1
    assert stardist("nothing found")["precision"] == 0
    assert stardist("nothing there and nothing found")["f1"] == 0
    assert oracle("torchmetrics", "nothing there and nothing found") == 0


def test_boundaries_at_the_border_differ_as_it_is_said() -> None:
    case = CASES["a cell that fills the field"]
    assert not find_boundaries(case.truth, connectivity=1, mode="inner").any()
    assert oracle("monai", "a cell that fills the field")[0]["hausdorff"] == 6
