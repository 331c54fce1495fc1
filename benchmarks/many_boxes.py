"""Many cells in one frame of a system of boxes: does it still find them, and what does that cost.

usage: python benchmarks/many_boxes.py FRAME --system shape-aware --weights FILE --diameter 114 [--objects 1500]

A real frame is brought to the size that the network wants and laid out as a mosaic, every second copy mirrored, until
it should hold so many objects by what the frame alone gives; of its objects those that the edge does not cut must come
out of every copy. For the mosaic in tiles of the usual size, as one tile, and as one with room for 1000 instead of 2000
objects (`most`): objects found, processor seconds, and the peak memory of a process of its own, in MiB.

python benchmarks/many_boxes.py ../shared/data/ctc/DIC-C2DH-HeLa/02/t040.tif --diameter 114 \\
    --system shape-aware --weights experiments/weights/shape-aware-dic.safetensors
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from skimage.transform import resize

from unfade.pipeline.segmenting import open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.diameter import zoom_for
from unfade.predict.frames import FramePredictor


def engine_of(options: argparse.Namespace, most: int, tile_px: int | None) -> FramePredictor:
    system = SystemSettings(name=options.system, weights=options.weights, settings={"most": most})
    return open_predictor(*open_system(system), PredictSettings.parse({} if tile_px is None else {"tile_px": tile_px}))


def seen(options: argparse.Namespace) -> np.ndarray:
    """The frame `(Y, X)` at the size that the network wants."""
    frame = tifffile.imread(options.frame).astype(np.float32)
    zoom = zoom_for(options.diameter, engine_of(options, 2000, None).system.view)
    return resize(frame, [round(n * zoom) for n in frame.shape], order=1, anti_aliasing=zoom < 1, preserve_range=True)


def mosaic(frame: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """So many copies; neighbours are mirror images, so that no cell is cut at a seam but by its own reflection."""
    line = [frame[:, :: -1 if n % 2 else 1] for n in range(columns)]
    row = np.concatenate(line, axis=1)
    return np.concatenate([row[:: -1 if n % 2 else 1] for n in range(rows)])


def measured(options: argparse.Namespace, side: int, most: int, tiled: bool) -> dict[str, Any]:
    """Figures of a mosaic of side x side copies; runs in a process of its own."""
    image = mosaic(seen(options), side, side)
    engine = engine_of(options, most, None if tiled else max(image.shape) + 64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.process_time()
    found = engine.instances(image[None])
    return {
        "frame": list(image.shape),
        "tiles": "usual" if tiled else "one",
        "most": most,
        "objects": len(np.unique(found.id)),
        "CPU seconds": round(time.process_time() - began, 1),
        "peak MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "peak MiB before": round(before),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frame", type=Path)
    parser.add_argument("--system", default="shape-aware")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--diameter", type=float, required=True)
    parser.add_argument("--objects", type=int, default=1500)
    options = parser.parse_args()
    frame = seen(options)
    found = engine_of(options, 2000, None).instances(frame[None])
    alone = len(np.unique(found.id))
    whole = int(((found.box[:, :2] > 0) & (found.box[:, 2:] < frame.shape)).all(axis=1).sum())
    side = int(np.ceil(np.sqrt(options.objects / max(alone, 1))))
    facts = {"objects of the frame alone": alone, "not cut by its edge": whole, "copies": side * side}
    print(json.dumps(facts | {"must be found": whole * side * side}), flush=True)
    for most, tiled in ((2000, True), (2000, False), (1000, False)):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            print(json.dumps(pool.submit(measured, options, side, most, tiled).result()), flush=True)


if __name__ == "__main__":
    main()
