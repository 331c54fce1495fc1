"""The inputs that other implementations of object scores were run on: made from seeds, and real label images.

Read by `make_objects.py`, which runs the others, and by the tests, which compare. A case is a list of pairs
(prediction, truth); `checksum` proves that both sides saw the same pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.cases import stills
from tests.oracles import perturb
from tests.unit.score.scenes import WAYS, Labels, cells

Case = list[tuple[Labels, Labels]]

REAL = (  # file below the data folder, rows and columns of the crop
    ("ctc/DIC-C2DH-HeLa/01_ST/SEG/man_seg004.tif", slice(0, 300), slice(100, 460)),
    ("ctc/Fluo-N2DH-SIM+/01_GT/SEG/man_seg040.tif", slice(150, 450), slice(150, 500)),
    ("ktr/ktr_left_nuclei_silver.tif", slice(0, 256), slice(0, 256)),  # the first frame
)
FRAMES = (  # two frames of every sequence, got wrong in the seven ways of perturb.py
    perturb.Excerpt("Fluo-N2DH-SIM+", "01", 40, 42),
    perturb.Excerpt("DIC-C2DH-HeLa", "01", 4, 6),
    perturb.Excerpt("DIC-C2DH-HeLa", "02", 60, 62),
    perturb.Excerpt("PhC-C2DH-U373", "01", 30, 32),
    perturb.Excerpt("PhC-C2DH-U373", "02", 90, 92),
    perturb.Excerpt("Fluo-N2DH-GOWT1", "01", 12, 14),
)


def made() -> dict[str, Case]:
    """Every way of getting cells wrong on three images, empty images, and half an overlap."""
    truth = [cells(1), cells(2, count=30), cells(3, count=5, radius=20)]
    cases = {way: [(change(image), image) for image in truth] for way, change in WAYS.items()}
    none = np.zeros_like(truth[0])
    cases["nothing found"] = [(none, image) for image in truth]
    cases["nothing there"] = [(truth[0], none), (truth[1], truth[1])]
    cases["empty image among others"] = [(none, none), (WAYS["shift"](truth[0]), truth[0])]
    halves = np.repeat([[1, 1, 2, 2, 0, 3, 3, 3]], 4, axis=0).astype(np.int32)
    joined = np.repeat([[1, 1, 1, 1, 0, 2, 2, 0]], 4, axis=0).astype(np.int32)
    cases["half an overlap"] = [(joined, halves)]
    cases |= {f"drawn: {name}": [(still.result, still.truth)] for name, still in stills.CASES.items()}
    return cases


def real(data: Path, read: Callable[[Path], NDArray[np.integer]]) -> dict[str, Case]:
    """Crops of real truth, got wrong in every way; `read` loads a TIFF."""
    cases = {}
    for name, rows, columns in REAL:
        image = read(data / name)
        image = image[0] if image.ndim == 3 else image
        crop = np.ascontiguousarray(image[rows, columns]).astype(np.int32)
        ids = np.unique(crop)
        truth = np.searchsorted(ids, crop).astype(np.int32)  # 1..N, as the ways of getting it wrong expect
        cases |= {f"{name} {way}": [(change(truth), truth)] for way, change in WAYS.items()}
    return cases


def sequences(data: Path) -> dict[str, Case]:
    """Frames of the real sequences, got wrong as whole sequences are for the tracking measures."""
    cases = {}
    for excerpt in FRAMES:
        outlines = perturb.load(data, excerpt).outlines
        for way in perturb.WAYS:
            wrong = perturb.perturbed(outlines, way, excerpt.name)
            cases[f"{excerpt.name} / {way}"] = list(zip(wrong.frames, outlines.frames, strict=True))
    return cases


def ranking(prediction: Labels) -> NDArray[np.float64]:
    """A score for each predicted object, ascending by id; some are equal."""
    ids = np.unique(prediction)
    return (ids[ids > 0].astype(np.int64) * 7919 % 23) / 23


def samples(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Confidences of an overconfident model and whether it was right."""
    random = np.random.default_rng(seed)
    confidence = random.random(500)
    return confidence, (random.random(500) < confidence**1.5).astype(np.int64)


def classes(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities `(K, N)` of three classes and the true class `(N,)`."""
    random = np.random.default_rng(seed)
    chance = random.random((3, 400)) ** 3
    return chance / chance.sum(axis=0), random.integers(0, 3, 400)


def checksum(case: Case) -> str:
    """Digest of all pixels of a case."""
    digest = hashlib.sha256()
    for pair in case:
        for image in pair:
            digest.update(np.ascontiguousarray(image, dtype="<i4").tobytes())
    return digest.hexdigest()[:16]
