from __future__ import annotations

import numpy as np
import pytest

from unfade.ops.normalise import BackgroundLevels, PooledLevels, levels, scaled, scaled_sequence, sequence_levels


def sequence() -> np.ndarray:
    """Flat cells of 900 that fade, over a background of 200 that covers less than half of the field; a dark corner."""
    rng = np.random.default_rng(0)
    frames = np.full((8, 64, 64), 200.0) + rng.normal(0, 5, (8, 64, 64))
    for t in range(8):
        frames[t, 20:] = (900 if t < 6 else 450) + rng.normal(0, 1, (44, 64))  # flat: the commonest of all pixels
        frames[t, :2, :2] = 20
    return frames


def test_the_background_becomes_0_and_the_brightest_of_the_sequence_1() -> None:
    out = scaled_sequence(sequence(), "background")
    assert float(np.median(out[:, 4:18])) == pytest.approx(0.0, abs=0.03)
    assert float(np.percentile(out, 99.9)) == pytest.approx(1.0, abs=0.02)
    assert out[0].max() > out[-1].max() + 0.3  # the fading is kept


def test_frames_alone_lose_the_fading() -> None:
    frames = sequence()
    out = scaled_sequence(frames, "frame")
    np.testing.assert_array_equal(out[3], scaled(frames[3], levels(frames[3])))
    assert out[0].max() == pytest.approx(out[-1].max(), abs=0.1)
    assert scaled_sequence(frames, "movie")[0].max() > scaled_sequence(frames, "movie")[-1].max() + 0.3


def test_a_constant_sequence_is_0() -> None:
    assert not scaled_sequence(np.full((2, 8, 8), 7.0), "background").any()
    assert not scaled_sequence(np.zeros((2, 8, 8), np.uint16), "background").any()


def test_each_name_has_its_levels() -> None:
    assert type(sequence_levels("background")) is BackgroundLevels
    assert type(sequence_levels("movie")) is type(sequence_levels("running")) is PooledLevels


def test_a_frame_of_a_closed_shutter_does_not_count() -> None:
    frame = np.arange(100.0, 1100.0, dtype=np.float32).reshape(25, 40)
    pooled, alone = PooledLevels(), PooledLevels()
    for one in (np.zeros_like(frame), frame, np.zeros_like(frame)):
        pooled.add(one)
    alone.add(frame)
    assert pooled.ends() == alone.ends()
    dark = PooledLevels()
    dark.add(np.zeros_like(frame))
    assert dark.ends() == (0.0, 0.0)
