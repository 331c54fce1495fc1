"""A picture of what the hourglass sees: frames, embeddings as colours, and objects whose neighbours differ.

usage: python experiments/hourglass/picture.py MOVIE OUT.png [--weights FILE] [--channel 0] [--frame 4]
                                               [--diameter PX] [--side PX] [--axes TYX]

A row for the frame before FRAME and one for FRAME, which the network decodes together: the frame, the three principal
components of its embeddings as red, green and blue, and the objects that they give, the same colour in both frames.
Neighbours have different colours out of up to six, not out of the four that maps can do with. The middle SIDE x SIDE
pixels are shown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import imagecodecs
import numpy as np
import torch

from unfade.data import ReadSettings, open_movie
from unfade.ops.normalise import levels, scaled
from unfade.pipeline.segmenting import find_diameter, open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.report.embeddings import as_colours, neighbour_colours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--channel", type=int, default=0)
    parser.add_argument("--frame", type=int, default=4, help="number of the later of the two frames, from 1 on")
    parser.add_argument("--diameter", type=float)
    parser.add_argument("--axes", help="axes of the movie, where they cannot be told")
    parser.add_argument("--side", type=int, default=256)
    options = parser.parse_args()
    how = PredictSettings.parse({} if options.diameter is None else {"diameter": options.diameter})
    system, weights = open_system(SystemSettings(name="hourglass", weights=options.weights))
    engine, movie = open_predictor(system, weights, how), open_movie(options.movie, ReadSettings(axes=options.axes))
    if not 1 <= options.frame < len(movie):
        parser.error(f"--frame is 1 to {len(movie) - 1} in this movie, not {options.frame}.")
    zoom = find_diameter(engine, movie, options.channel, how).zoom
    first = max(0, options.frame + 1 - system.settings.length)
    window = [engine.seen(movie.frame(t, options.channel), zoom) for t in range(first, options.frame + 1)]
    maps = engine.embeddings(torch.from_numpy(np.stack(window)), None)[0][-2:]
    found = neighbour_colours(system.decode(maps).labels())
    grey = [np.rint(255 * np.clip(scaled(frame, levels(frame)), 0, 1)).astype(np.uint8) for frame in window[-2:]]
    shown = [np.stack([image] * 3, axis=-1) for image in grey]
    rows = [np.hstack([cut(part[k], options.side) for part in (shown, as_colours(maps), found)]) for k in (0, 1)]
    options.out.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(np.vstack(rows))))


def cut(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of an image, with a black line to the right and below."""
    y, x = (max(0, (n - side) // 2) for n in image.shape[:2])
    return np.pad(image[y : y + side, x : x + side], ((0, 2), (0, 2), (0, 0)))


if __name__ == "__main__":
    main()
