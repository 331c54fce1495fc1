"""How objects and links differ between exact windows, streaming windows, and whole blocks clustered in one go.

usage: python benchmarks/hourglass_windows.py MOVIE LABELS [--weights FILE] [--axes TYX] [--frames N] [--diameter PX]

MOVIE is a movie, LABELS a TIFF `(T, Y, X)` of its tracks (ids that persist), as `experiments/hourglass/
prepare_synthetic.py` writes them. `exact` (paper, 2.5) clusters the last two frames of a window per frame; `streaming`
carries states on; `blocks` clusters all l frames of a window at once, whose first frame is the last of the window
before. Prints JSON: SEG, DET, TRA and seconds of each, and how many links between successive frames they share with
`exact`: links whose two objects are the same (IoU over one half) in both.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
import torch

from unfade.data import ReadSettings, open_movie
from unfade.link import LinkSettings
from unfade.ops.overlap import contingency
from unfade.ops.relabel import remap
from unfade.ops.tracks import pieces
from unfade.pipeline.linking import link_frames
from unfade.pipeline.segmenting import find_diameter, found_in, open_predictor, open_stage, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.blocks import BlockPredictor
from unfade.records import Lineage, Movie
from unfade.score.sequence import score_sequence

Pairs = list[np.ndarray]  # objects (2, Y, X) of frame t - 1 and t, equal ids are one object


def pairs_of(engine: BlockPredictor, movie: Movie, zoom: float) -> Pairs:
    """Objects pair by pair, as a run finds them."""
    return [found.labels() for found in found_in(movie, open_stage(engine, movie, 0, zoom))]


def pairs_of_blocks(engine: BlockPredictor, movie: Movie, zoom: float) -> Pairs:
    """The same from windows of l frames that are clustered at once and share a frame with the next."""
    length, out = engine.system.settings.length, []
    seen = [engine.seen(movie.frame(t, 0), zoom) for t in range(len(movie))]
    for first in range(0, len(movie) - 1, length - 1):
        window = np.stack(seen[first : first + length])
        size = movie.frame(0, 0).shape
        found = engine.decoded(lambda y, x, window=window: whole(engine, window[:, y, x]), window.shape[1:], size)
        labels = found.labels()
        if not out:
            out.append(np.stack([np.zeros_like(labels[0]), labels[0]]))
        out += [labels[k : k + 2] for k in range(len(labels) - 1)]
    return out


def whole(engine: BlockPredictor, window: np.ndarray) -> np.ndarray:
    """Embeddings of all frames of a window."""
    return engine.embeddings(torch.from_numpy(np.ascontiguousarray(window)), None)[0]


def as_challenge(images: list[np.ndarray], lineage: Lineage) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Label images and table of tracks without gaps, as the challenge wants them."""
    cut = pieces(lineage.frame, lineage.track, lineage.parents)
    out = []
    for t, image in enumerate(images):
        here = lineage.frame == t
        out.append(remap(image, lineage.label[here], cut.id[cut.of_node[here]]))
    parent = np.where(cut.parent >= 0, cut.id[cut.parent], 0)
    return out, pd.DataFrame({"track": cut.id, "first": cut.first, "last": cut.last, "parent": parent})


def links(images: list[np.ndarray]) -> Iterator[set[int]]:
    """Tracks that go from each frame to the next."""
    for one, two in pairwise(images):
        yield set(np.unique(one).tolist()) & set(np.unique(two).tolist()) - {0}


def shared(mine: list[np.ndarray], other: list[np.ndarray]) -> tuple[int, int, int]:
    """Links of one result, of the other, and those that both have."""
    same = []
    for a, b in zip(mine, other, strict=True):
        found = contingency(a, b)
        hit = found.sparse_iou() > 0.5
        same.append(dict(zip(found.ids_a[found.i[hit]].tolist(), found.ids_b[found.j[hit]].tolist(), strict=True)))
    both, first, second = 0, list(links(mine)), list(links(other))
    for t, (one, two) in enumerate(zip(first, second, strict=True)):
        both += sum(k in same[t] and same[t][k] == same[t + 1].get(k) and same[t][k] in two for k in one)
    return sum(map(len, first)), sum(map(len, second)), both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--axes")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--diameter", type=float)
    options = parser.parse_args()
    frames = f"0:{options.frames}" if options.frames else None
    movie = open_movie(options.movie, ReadSettings(axes=options.axes, frames=frames))
    truth = list(tifffile.imread(options.labels).astype(np.int32)[: len(movie)])
    nodes = [np.unique(image)[1:] for image in truth]
    frame = np.repeat(np.arange(len(truth)), [len(ids) for ids in nodes]).astype(np.int32)
    track = np.concatenate(nodes).astype(np.int32)
    none = np.zeros((0, 2), np.int32)
    real = as_challenge(truth, Lineage(frame, track, track, np.ones(len(track), np.float32), none))
    how = PredictSettings.parse({} if options.diameter is None else {"diameter": options.diameter})
    reference: list[np.ndarray] = []
    for name in ("exact", "streaming", "blocks"):
        windows = "streaming" if name == "streaming" else "exact"
        chosen: dict[str, Any] = {"name": "hourglass", "weights": options.weights, "settings": {"windows": windows}}
        system, weights = open_system(SystemSettings.parse(chosen))
        engine = open_predictor(system, weights, how)
        zoom = find_diameter(engine, movie, 0, how).zoom
        began = time.process_time()
        found = (pairs_of_blocks if name == "blocks" else pairs_of)(engine, movie, zoom)
        seconds = time.process_time() - began
        mine = as_challenge([pair[-1] for pair in found], link_frames(iter(found), len(movie), LinkSettings()))
        reference = reference or mine[0]
        scores = score_sequence(mine[0], mine[1], real[0], real[1], dict(enumerate(real[0]))).figures
        figures = {key: round(scores[key].value, 4) for key in ("SEG", "DET", "TRA")}
        count = dict(zip(("links", "links of exact", "shared"), shared(mine[0], reference), strict=True))
        print(json.dumps({"windows": name, **figures, **count, "CPU s": round(seconds, 2)}), flush=True)


if __name__ == "__main__":
    main()
