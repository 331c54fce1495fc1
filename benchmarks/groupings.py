"""Which way from maps to nuclei is best: pooled AP on the validation stills, one set of weights, maps computed once.

usage: python benchmarks/groupings.py DSB2018 [--part val] [--weights NAME_OR_FILE]

Every still is rescaled by its true median diameter. Nothing is chosen on the test part.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from unfade.datasets.stills import read_stills
from unfade.instances.components import by_components
from unfade.instances.watershed import Grouping, by_distance, by_votes, least_area
from unfade.ops.overlap import contingency
from unfade.pipeline.segmenting import open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.diameter import zoom_for
from unfade.score.detection import Counts, count_matches

OLD = {"threshold": 0.5, "blur_px": 2.0, "min_area_px": 20.0}  # where the search began
VARIANTS = {
    "components": (lambda maps, s, zoom: by_components(maps[0], s.threshold, least_area(s, zoom)), Grouping()),
    "distance, blur 1": (by_distance, Grouping(blur_px=1)),
    "distance, blur 2": (by_distance, Grouping(blur_px=2)),
    "distance, blur 2, reach 6": (by_distance, Grouping(blur_px=2, reach_px=6)),
    "distance, blur 3, reach 6": (by_distance, Grouping(blur_px=3, reach_px=6)),
    "votes": (by_votes, Grouping()),
    "votes, where we began": (by_votes, Grouping.parse(OLD)),
    "votes, blur 2": (by_votes, Grouping(blur_px=2)),
    "votes, blur 4": (by_votes, Grouping(blur_px=4)),
    "votes, reach 6": (by_votes, Grouping(reach_px=6)),
    "votes, votes 40": (by_votes, Grouping(votes_px=40)),
    "votes, least area 20": (by_votes, Grouping(min_area_px=20)),
    "votes, least area 80": (by_votes, Grouping(min_area_px=80)),
    "votes, threshold 0.5": (by_votes, Grouping(threshold=0.5)),
    "votes, threshold 0.4": (by_votes, Grouping(threshold=0.4)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="val")
    parser.add_argument("--weights")
    options = parser.parse_args()
    system, weights = open_system(SystemSettings(weights=options.weights))
    predictor = open_predictor(system, weights, PredictSettings())
    seen = []
    for still in read_stills(options.data, (options.part,)):
        zoom = zoom_for(still.diameter_px, system.view)
        seen.append((predictor.maps(still.image[0], zoom), 1 / zoom, still.labels[0]))
    print(f"{'grouping':28s} AP@0.50 AP@0.75  area  seconds")
    for name, (group, settings) in VARIANTS.items():
        half, close, spent, sizes = Counts(), Counts(), 0.0, []
        for maps, zoom, truth in seen:
            began = time.perf_counter()
            labels = group(maps, settings, zoom)
            spent += time.perf_counter() - began
            overlap = contingency(labels, truth)
            half += count_matches(overlap, 0.5, strict=True)
            close += count_matches(overlap, 0.75, strict=True)
            good = overlap.sparse_iou() > 0.5
            sizes.append(overlap.area_a[overlap.i[good]] / overlap.area_b[overlap.j[good]])
        size = float(np.median(np.concatenate(sizes)))
        print(f"{name:28s} {half.ap():7.4f} {close.ap():7.4f} {size:5.3f} {spent:8.2f}", flush=True)


if __name__ == "__main__":
    main()
