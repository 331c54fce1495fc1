"""The reporter movie with its silver labels: the ratio falls after the stimulus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from unfade.measure import Frame, MeasureSettings, ObjectMeasurer


def test_the_nucleus_to_ring_ratio_falls_at_the_stimulus(data_root: Path) -> None:
    folder = data_root / "ktr"
    movie = tifffile.imread(folder / "ktr_left.ome.tif", key=slice(0, 3 * 11)).reshape(11, 3, 1024, 512)
    silver = tifffile.imread(folder / "ktr_left_nuclei_silver.tif", key=slice(0, 11)).astype(np.int32)
    stage = ObjectMeasurer(MeasureSettings.parse({}), [(1, "ERK reporter")])
    state, medians = stage.start(), []
    for t in range(11):
        state, (rows,) = stage.push(state, Frame(t, movie[t], silver[t]))
        medians.append(float(rows["ratio_erk_reporter"].median()))
    before, after = np.array(medians[:7]), np.array(medians[9:])
    assert before.min() > 1.8
    assert np.ptp(before) < 0.1
    assert after.max() < 1
    assert 7 <= int(np.argmin(np.diff(medians))) + 1 <= 8
    assert state.empty_rings == 0
