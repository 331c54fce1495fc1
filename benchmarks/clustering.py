"""Mean shift of the project beside scikit-learn's: time, partition and memory. Prints JSON.

usage: python benchmarks/clustering.py [--only small many frame]

`small`: 4,000 vectors of 18 dimensions around 12 directions, both implementations in one run. `many`: 40,000 vectors.
`frame`: a pair of frames of 1024×1024 that is all foreground, 400 objects, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
import torch
from numpy.typing import NDArray

from unfade.instances.embedding import ClusterSettings, cluster, ideal
from unfade.instances.meanshift import mean_shift
from unfade.ops.overlap import contingency

RADIUS = 0.2**0.5  # bandwidth h = 0.1 of paper hourglass


def vectors(count: int, noise: float = 0.04) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit embeddings of 16 dimensions with noise and places of 2, and the object of each."""
    rng = np.random.default_rng(0)
    owner = rng.integers(12, size=count)
    unit = np.eye(16)[owner + 1] + rng.normal(0, noise, (count, 16))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    middle = rng.uniform(0, 256, (12, 2))[owner] + rng.uniform(-15, 15, (count, 2))
    return np.hstack([unit, 0.005 * middle]).astype(np.float32), owner


def timed(count: int, repeats: int) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
    """Least seconds of several runs, clusters and truth."""
    given, owner = vectors(count)
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        found, _ = mean_shift(torch.from_numpy(given), RADIUS)
        best = min(best, time.perf_counter() - began)
    return best, found.numpy(), owner


def small() -> dict[str, object]:
    """4,000 vectors, beside scikit-learn with and without bin seeding."""
    from sklearn.cluster import MeanShift
    from sklearn.metrics import adjusted_rand_score

    seconds, found, _ = timed(4000, 7)
    given, _ = vectors(4000)
    out: dict[str, object] = {"vectors": 4000, "seconds": round(seconds, 4)}
    for name, binned in (("scikit-learn", False), ("scikit-learn, bin seeding", True)):
        began = time.perf_counter()
        theirs = MeanShift(bandwidth=RADIUS, bin_seeding=binned).fit_predict(given.astype(np.float64))
        taken = time.perf_counter() - began
        rand = adjusted_rand_score(theirs, found)
        out[name] = {"seconds": round(taken, 3), "times": round(taken / seconds, 1), "adjusted Rand": round(rand, 4)}
    return out


def many() -> dict[str, object]:
    """40,000 vectors."""
    from sklearn.metrics import adjusted_rand_score

    seconds, found, owner = timed(40_000, 3)
    return {
        "vectors": 40_000,
        "seconds": round(seconds, 3),
        "adjusted Rand": round(adjusted_rand_score(owner, found), 4),
    }


def frame() -> dict[str, object]:
    """A pair of large frames without background."""
    cell = np.arange(1024) // 52
    labels = np.broadcast_to((cell[:, None] * 20 + cell + 1).astype(np.int32), (2, 1024, 1024)).copy()
    maps = ideal(labels, 16, 60.0)
    maps += 0.05 * np.random.default_rng(0).standard_normal(maps.shape, np.float32)
    began = time.perf_counter()
    found = cluster(maps, ClusterSettings(min_area_px=100, reach_px=60)).labels()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    iou = contingency(found, labels).iou()
    return {
        "frames": [2, 1024, 1024],
        "objects": iou.shape[1],
        "found": iou.shape[0],
        "least IoU": round(float(iou.max(axis=0).min()), 3),
        "seconds": round(seconds, 2),
        "peak GiB of the process": round(peak, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=("small", "many", "frame"), default=("small", "many", "frame"))
    options = parser.parse_args()
    work = {"small": small, "many": many, "frame": frame}
    for name in options.only:
        print(json.dumps({name: work[name](), "threads": torch.get_num_threads()}), flush=True)


if __name__ == "__main__":
    main()
