"""The bestiary keeps its own promises: labels, lineage and pictures fit together."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases.bestiary import BESTIARY, SIZE


@pytest.mark.parametrize("name", BESTIARY)
def test_lineage_lists_exactly_the_labels_that_are_drawn(name: str) -> None:
    case = BESTIARY[name]()
    drawn = {(t, int(i)) for t, image in enumerate(case.labels) for i in np.unique(image) if i}
    assert set(zip(case.lineage.frame.tolist(), case.lineage.label.tolist(), strict=True)) == drawn
    assert case.labels.shape[1:] == SIZE
    assert case.image.shape == case.labels.shape
    assert BESTIARY[name].__doc__


@pytest.mark.parametrize("name", [n for n in BESTIARY if BESTIARY[n]().parents])
def test_parents_end_before_their_children_begin(name: str) -> None:
    spans = BESTIARY[name]().lineage.tracks().set_index("track")
    for child, parent in BESTIARY[name]().parents:
        assert spans.loc[parent, "last"] < spans.loc[child, "first"]


def test_what_the_names_say() -> None:
    rows = {name: make().lineage.tracks().set_index("track") for name, make in BESTIARY.items()}
    assert rows["blinking"].loc[1].tolist() == [0, 5, 4, 0]  # six frames long, seen in four
    assert sorted(rows["skipping ids"].index) == [7, 40, 1000]
    assert len(BESTIARY["merging"]().parents) == 3
    assert (BESTIARY["one pixel"]().labels == 1).sum(axis=(1, 2)).tolist() == [1, 1, 1]
    assert not BESTIARY["empty frame"]().labels[2].any()
    fading = BESTIARY["fading"]()
    contrast = [int(i[m == 1].mean()) - int(i[m == 0].mean()) for i, m in zip(fading.image, fading.labels, strict=True)]
    assert contrast[3] == 0
    assert contrast[0] > 0 > contrast[-1]


def test_crossing_misleads_overlap() -> None:
    labels = BESTIARY["crossing"]().labels
    own = ((labels[1] == labels[2]) & (labels[1] > 0)).sum()
    other = ((labels[1] != labels[2]) & (labels[1] > 0) & (labels[2] > 0)).sum()
    assert other > 5 * max(own, 1)
