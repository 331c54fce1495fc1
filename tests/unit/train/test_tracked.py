"""Sequences drawn from movies: the same geometry in all frames, what is unknown, and the seed."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.datasets.stills import Still
from unfade.errors import SettingsError
from unfade.systems.hourglass import Hourglass, HourglassSettings
from unfade.train.tracked import TrackedSampler, TrackedSamplerSettings

PLAIN = {"crop_px": 32, "length": 3, "shift": 0, "scale": (1, 1), "mirror": 0, "turn": False, "zoom": (1, 1)}


def movie(frames: int = 6) -> Still:
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 1, (frames, 1, 64, 48)).astype(np.float32)
    labels = np.zeros((frames, 64, 48), np.int32)
    labels[:, 10:30, 10:30] = 4
    labels[:, 40:60, 20:40] = 6
    return Still("a", image + 5 * (labels[:, None] > 0), labels, "train")


def sampler(still: Still, steps: int = 20, **settings: object) -> TrackedSampler:
    system = Hourglass(HourglassSettings.parse({"size_px": (64, 48)}))
    chosen = TrackedSamplerSettings.parse({**PLAIN, "elastic_px": 0, **settings})
    return TrackedSampler([still], system, chosen, 0, steps)


def test_shapes() -> None:
    batch = sampler(movie(), batch=2)[0]
    assert batch["inputs"]["image"].shape == (2, 3, 1, 32, 32)
    assert batch["targets"]["labels"].shape == (2, 3, 32, 32)


def test_the_same_step_is_the_same_batch() -> None:
    varied = {"turn": True, "zoom": (0.5, 1.5), "elastic_px": 5, "mirror": 0.5, "shift": 0.65}
    first, again = sampler(movie(), **varied)[3], sampler(movie(), **varied)[3]
    other = sampler(movie(), **varied)[4]
    assert np.array_equal(first["inputs"]["image"], again["inputs"]["image"])
    assert not np.array_equal(first["inputs"]["image"], other["inputs"]["image"])


def test_image_and_labels_move_alike() -> None:
    varied = {"turn": True, "zoom": (0.7, 1.5), "elastic_px": 4, "mirror": 0.5}
    for step in range(6):
        batch = sampler(movie(), **varied)[step]
        image, labels = (batch[part][name].numpy()[0] for part, name in (("inputs", "image"), ("targets", "labels")))
        bright, objects, known = image[:, 0] > 0, labels > 0, labels >= 0
        assert (bright == objects)[known].mean() > 0.9


def test_outside_the_frame_nothing_is_known() -> None:
    labels = sampler(movie(), zoom=(0.4, 0.4))[0]["targets"]["labels"].numpy()
    assert (labels == -1).any()
    assert (labels[0, 0] == -1).sum() == (labels[0, 2] == -1).sum()


def test_outlined_frames_are_drawn_when_asked_for() -> None:
    class Marked(Still):
        @property
        def outlined(self) -> np.ndarray:
            return np.arange(len(self.labels)) == 9

    one = movie(10)
    still = Marked(one.name, one.image, one.labels, one.part)
    drawn = sampler(still, outlined=1.0)
    assert all(drawn._first(np.random.default_rng(k), still.outlined) == 7 for k in range(10))
    assert {sampler(still, outlined=0.0)._first(np.random.default_rng(k), still.outlined) for k in range(60)} == set(
        range(8)
    )


def test_stills_are_refused() -> None:
    with pytest.raises(SettingsError, match="No sequence has 3 frames"):
        sampler(movie(2))


def test_a_share_of_sequences_is_noise_and_all_background() -> None:
    drawn = sampler(movie(), steps=40, batch=4, empty=0.3)
    batches = [drawn[step] for step in range(40)]
    labels = np.concatenate([b["targets"]["labels"].numpy() for b in batches])
    images = np.concatenate([b["inputs"]["image"].numpy() for b in batches])
    noise = (labels == 0).all(axis=(1, 2, 3))
    assert 0.2 < noise.mean() < 0.4
    assert images[noise].std(axis=(1, 2, 3, 4)).min() > 0.05
    assert (
        not (np.concatenate([sampler(movie(), batch=4)[k]["targets"]["labels"] for k in range(5)]) == 0)
        .all(axis=(1, 2, 3))
        .any()
    )
