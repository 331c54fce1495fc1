"""The shipped nuclei model on held-out stills of the Data Science Bowl 2018.

usage: python benchmarks/stills.py DSB2018 [--part test] [--weights NAME_OR_FILE] [--uncertainty tta]
       [--checks accuracy,sizes,…]

accuracy  AP = TP / (TP + FP + FN) and F1 at IoU 0.5 and 0.75, pooled over all objects, by how the diameter
          is known: per still given (its true median), measured by the network, or none (own scale)
scales    the same stills resampled by 0.5, 2 and 4, with the true diameter given: F1 at IoU 0.5
sizes     accuracy with the diameter given, for stills of median diameters under 14, 14 to 22 and over 22 px
outlines  the same by size, after growing or shrinking all outlines by a pixel, by what suits each still best (known
          from the truth), and by what suits each object best: whether outlines are drawn by another rule, or just
          uncertain; with the share of objects found at IoU 0.5 that also reach 0.75
noise     objects found in frames of pure noise
tiles     small tiles against one pass: objects matched at IoU 0.9, near and far from tile borders
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.segmentation import expand_labels
from skimage.transform import resize

from unfade.datasets.stills import Still, read_stills
from unfade.ops.overlap import contingency
from unfade.pipeline.segmenting import open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.diameter import measure_diameter, zoom_for
from unfade.predict.frames import FramePredictor
from unfade.score.detection import Counts, count_matches

FACTORS = (0.5, 1.0, 2.0, 4.0)
BOUNDS = (0.0, 14.0, 22.0, float("inf"))  # median diameters, px
GROWTHS = (-1, 0, 1, 2)
Zoom = Callable[[FramePredictor, np.ndarray, Still], float]


def given(predictor: FramePredictor, image: np.ndarray, still: Still) -> float:
    return zoom_for(still.diameter_px, predictor.system.view)


def measured(predictor: FramePredictor, image: np.ndarray, still: Still) -> float:
    return measure_diameter(predictor, image).zoom


def own(predictor: FramePredictor, image: np.ndarray, still: Still) -> float:
    return 1.0


def accuracy(predictor: FramePredictor, stills: Iterable[Still], zoom: Zoom) -> dict[str, float]:
    sums = {0.5: Counts(), 0.75: Counts()}
    for still in stills:
        image = still.image[0]
        overlap = contingency(predictor.instances(image, zoom(predictor, image, still)).labels()[0], still.labels[0])
        for threshold in sums:
            sums[threshold] += count_matches(overlap, threshold, strict=True)
    out = {}
    for threshold, counts in sums.items():
        out[f"AP@{threshold}"], out[f"F1@{threshold}"] = round(counts.ap(), 4), round(counts.f1(), 4)
    out["objects"] = sums[0.5].tp + sums[0.5].fn
    return out


def resampled(still: Still, factor: float) -> Still:
    """The still enlarged `factor` times, labels by nearest neighbour."""
    if factor == 1:
        return still
    shape = tuple(round(n * factor) for n in still.labels.shape[-2:])
    image = resize(still.image[0, 0].astype(np.float32), shape, order=1, anti_aliasing=factor < 1, preserve_range=True)
    sizes = zip(shape, still.labels.shape[-2:], strict=True)
    rows, columns = (np.minimum((np.arange(n) + 0.5) / factor, m - 1).astype(int) for n, m in sizes)
    labels = still.labels[0][rows][:, columns]
    return Still(still.name, image[None, None].astype(np.float32), labels[None], still.part)


def scales(predictor: FramePredictor, stills: list[Still]) -> dict[str, object]:
    out: dict[str, object] = {}
    for factor in FACTORS:
        out[f"x{factor:g}"] = accuracy(predictor, (resampled(s, factor) for s in stills), given)["F1@0.5"]
    return out


def outlines(predictor: FramePredictor, stills: list[Still]) -> dict[str, object]:
    grown: dict[int, list[Counts]] = {d: [] for d in GROWTHS}
    found, reached, by_object = 0, 0, Counts()
    for still in stills:
        labels = predictor.instances(still.image[0], given(predictor, still.image[0], still)).labels()[0]
        best = np.zeros(int(still.labels.max()) + 1)
        for growth in GROWTHS:
            overlap = contingency(resized_outlines(labels, growth), still.labels[0])
            grown[growth].append(count_matches(overlap, 0.75, strict=True))
            iou = overlap.iou().max(axis=0, initial=0)
            best[overlap.ids_b] = np.maximum(best[overlap.ids_b], iou)
            if growth == 0:
                found, reached = found + int((iou > 0.5).sum()), reached + int((iou > 0.75).sum())
                count, total = len(overlap.ids_a), len(overlap.ids_b)
        hits = int((best > 0.75).sum())
        by_object += Counts(tp=hits, fp=max(count - hits, 0), fn=total - hits)
    suited = [max(counts, key=lambda c: c.tp) for counts in zip(*grown.values(), strict=True)]
    out: dict[str, object] = {f"AP@0.75, outlines {d:+d} px": round(sum(c, Counts()).ap(), 4) for d, c in grown.items()}
    out["AP@0.75, best for each still"] = round(sum(suited, Counts()).ap(), 4)
    out["AP@0.75, best for each object"] = round(by_object.ap(), 4)
    out["share of found that reach 0.75"] = round(reached / max(found, 1), 4)
    return out


def resized_outlines(labels: np.ndarray, growth: int) -> np.ndarray:
    """Labels whose outlines lie `growth` pixels further out, or further in where it is negative."""
    if growth >= 0:
        return expand_labels(labels, growth) if growth else labels
    inner = ndimage.minimum_filter(labels, 1 - 2 * growth) == ndimage.maximum_filter(labels, 1 - 2 * growth)
    return np.where(inner, labels, 0)


def noise(predictor: FramePredictor) -> dict[str, int]:
    rng = np.random.default_rng(0)
    shape = (1, 512, 512)
    frames = {
        "gaussian": rng.normal(100, 10, shape),
        "uniform": rng.uniform(0, 255, shape),
        "poisson 3": rng.poisson(3, shape),
        "poisson 200": rng.poisson(200, shape),
        "salt": rng.random(shape) < 0.01,
        "constant": np.full(shape, 7),
        "empty": np.zeros(shape),
    }
    out = {}
    for name, frame in frames.items():
        image = frame.astype(np.float32)
        diameter = measure_diameter(predictor, image)
        out[name] = len(predictor.instances(image, diameter.zoom))
    return out


def tiles(predictor: FramePredictor, stills: list[Still]) -> dict[str, float]:
    """Big mosaics, so that tiles of 256 px as the network sees them have many borders."""
    large = [s for s in stills if min(s.labels.shape[-2:]) >= 500]
    small = FramePredictor(predictor.system, predictor.network, predictor.device, predictor.precision, tile_px=256)
    near, far = [0, 0], [0, 0]
    for still in large:
        image = np.tile(still.image[0], (1, 2, 2))
        zoom = given(predictor, image, still)
        whole, parts = predictor.instances(image, zoom).labels()[0], small.instances(image, zoom).labels()[0]
        overlap = contingency(parts, whole)
        good = np.zeros(len(overlap.ids_b), bool)
        good[overlap.j[overlap.sparse_iou() >= 0.9]] = True
        band = _near_borders(whole.shape, zoom, predictor)
        touched = np.isin(overlap.ids_b, np.unique(whole[band]))
        for place, sums in ((touched, near), (~touched, far)):
            sums[0] += int((~good[place]).sum())
            sums[1] += int(place.sum())
    return {
        "objects": near[1] + far[1],
        "matched at IoU 0.9": round(1 - (near[0] + far[0]) / (near[1] + far[1]), 5),
        "objects near borders": near[1],
        "disagree near borders": round(near[0] / max(near[1], 1), 5),
        "disagree elsewhere": round(far[0] / max(far[1], 1), 5),
    }


def _near_borders(shape: tuple[int, ...], zoom: float, predictor: FramePredictor) -> np.ndarray:
    from unfade.predict.tiled import cuts

    view = predictor.system.view
    band = np.zeros(shape, bool)
    reach = -(-view.reach_px // view.stride) * view.stride
    for axis, length in enumerate(shape):
        seen = -(-round(length * zoom) // view.stride) * view.stride
        for _, _, kept, _ in cuts(seen, 256, reach)[1:]:
            at = round(kept / zoom)
            band[(slice(None),) * axis + (slice(max(at - 3, 0), at + 3),)] = True
    return band


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="test")
    parser.add_argument("--weights")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--uncertainty", help="an estimator whose members are averaged, such as tta")
    parser.add_argument("--checks", default="accuracy,sizes,scales,noise,tiles")
    options = parser.parse_args()
    system, weights = open_system(SystemSettings(weights=options.weights))
    how = {"precision": options.precision, "uncertainty": options.uncertainty, "estimator": {"members": 8}}
    predictor = open_predictor(system, weights, PredictSettings.parse(how))
    stills = read_stills(options.data, (options.part,))
    out: dict[str, object] = {"weights": weights.name, "part": options.part, "stills": len(stills)}
    checks = options.checks.split(",")
    if "accuracy" in checks:
        for zoom in (given, measured, own):
            out[f"diameter {zoom.__name__}"] = accuracy(predictor, stills, zoom)
    if "sizes" in checks:
        for low, high in itertools.pairwise(BOUNDS):
            chosen = [s for s in stills if low <= s.diameter_px < high]
            out[f"diameter {low:g} to {high:g} px"] = accuracy(predictor, chosen, given)
    if "outlines" in checks:
        for low, high in itertools.pairwise(BOUNDS):
            chosen = [s for s in stills if low <= s.diameter_px < high]
            out[f"outlines, {low:g} to {high:g} px"] = outlines(predictor, chosen)
    if "scales" in checks:
        out["F1@0.5 by scale"] = scales(predictor, stills)
    if "noise" in checks:
        out["objects in noise"] = noise(predictor)
    if "tiles" in checks:
        out["tiles"] = tiles(predictor, stills)
    print(json.dumps(out, indent=2))


if __name__ == "__main__":
    main()
