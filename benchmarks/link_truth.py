"""Linking of true masks with the default settings: how well the linker alone does, and how fast.

    python benchmarks/link_truth.py [--data DIR] [--method greedy] [--gap N]

Three kinds of input: outlines of the truth on every frame (`SEG`; silver `ST` where there are none), the tracking
markers themselves (often small discs that do not overlap from frame to frame), and outlines of every second frame only.
Ids of the input are never looked at. `cap` is the TRA of the same masks under the truth's own ids: markers without a
mask count against every linker. `wrong` and `lost` are links between masks that the truth lacks, and the other way
round. `div` is the F1 of divisions with no frame of tolerance, then found, wrong, missed. `ms` is the median time per
frame on one core.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from unfade.data import ctc
from unfade.link import LinkSettings, OverlapLinker, cleaned
from unfade.ops.relabel import areas, remap
from unfade.ops.tracks import pieces
from unfade.records import LabelImage, Lineage
from unfade.score.sequence import score_sequence

ROOT = Path(__file__).resolve().parents[1]
SEQUENCES = (
    ("Fluo-N2DH-SIM+", "01"),
    ("DIC-C2DH-HeLa", "01"),
    ("DIC-C2DH-HeLa", "02"),
    ("Fluo-N2DH-GOWT1", "01"),
    ("PhC-C2DH-U373", "01"),
    ("PhC-C2DH-U373", "02"),
)
HEADER = (
    "sequence            input       TRA    cap    DET    LNK    IDF1   links wrong lost  div F1   prec    rec    ms"
)
Link = tuple[int, int, int, int]  # frame and label of both ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("UNFADE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--method", choices=("optimal", "greedy"), default=LinkSettings().method)
    parser.add_argument("--gap", type=int, default=LinkSettings().gap)
    options = parser.parse_args()
    settings = LinkSettings(method=options.method, gap=options.gap)
    print(HEADER)
    for name, number in SEQUENCES:
        folder = options.data / "ctc" / name
        truth = ctc.read(folder / f"{number}_GT")
        markers = list(truth.labels.frames())
        masks = outlines(folder, number, truth) or markers  # GOWT1: its markers are whole nuclei
        inputs = [("outlines", 1, masks), ("every 2nd", 2, masks)]
        if masks is not markers:
            inputs.insert(1, ("markers", 1, markers))
        for kind, step, images in inputs:
            row = judged(images[::step], markers[::step], thinned(truth.tracks, markers[::step], step), settings)
            print(f"{name} {number:3s}".ljust(20) + f"{kind:9s} {row}", flush=True)


def outlines(folder: Path, number: str, truth: ctc.Challenge) -> list[LabelImage]:
    """Masks under the truth's ids on every frame; none where only some frames have them."""
    silver = folder / f"{number}_ST" / "SEG"
    if silver.is_dir():
        return [ctc.read_labels(path) for path in ctc.numbered(silver, "man_seg").values()]
    return [truth.seg[t] for t in range(len(truth.labels))] if len(truth.seg) == len(truth.labels) else []


def thinned(tracks: pd.DataFrame, markers: Sequence[LabelImage], step: int) -> pd.DataFrame:
    """Table of the tracks that are left when only every n-th frame is kept."""
    if step == 1:
        return tracks
    seen: dict[int, list[int]] = {}
    for t, image in enumerate(markers):
        for label in areas(image)[0].tolist():
            seen.setdefault(label, []).append(t)
    parent = dict(zip(tracks["track"].tolist(), tracks["parent"].tolist(), strict=True))
    rows = [(k, v[0], v[-1], parent[k] if parent[k] in seen else 0) for k, v in sorted(seen.items())]
    return pd.DataFrame(rows, columns=["track", "first", "last", "parent"])


def judged(
    masks: Sequence[LabelImage], markers: Sequence[LabelImage], tracks: pd.DataFrame, settings: LinkSettings
) -> str:
    linker = OverlapLinker(settings)
    state, times = linker.start(), []
    for image in masks:
        start = time.perf_counter()
        state, _ = linker.push(state, image)
        times.append(time.perf_counter() - start)
    found = cleaned(linker.finish(state), settings).lineage
    ideal = true_lineage(masks, tracks)
    scores = score_sequence(*exported(masks, found), markers, tracks)
    cap = score_sequence(*exported(masks, ideal), markers, tracks)
    ours, real = links(found), links(ideal)
    figures = " ".join(f"{scores[k].value:.4f}" for k in ("DET", "LNK", "IDF1"))
    division = " ".join(f"{scores[f'DIV_{k}(0)'].value:6.3f}" for k in ("F1", "P", "R"))
    return (
        f"{scores['TRA'].value:.4f} {cap['TRA'].value:.4f} {figures} {len(real):6d} {len(ours - real):5d} "
        f"{len(real - ours):4d}  {division} {1e3 * statistics.median(times):5.1f}"
    )


def true_lineage(masks: Sequence[LabelImage], tracks: pd.DataFrame) -> Lineage:
    """Lineage of the masks under the ids that they carry."""
    labels = [areas(image)[0].astype(np.int32) for image in masks]
    frame = np.repeat(np.arange(len(masks), dtype=np.int32), [len(k) for k in labels])
    track = np.concatenate(labels)
    first = {int(k): int(frame[track == k].min()) for k in np.unique(track)}
    pairs = [
        (c, p)
        for c, p in tracks[["track", "parent"]].to_numpy().tolist()
        if p in first and c in first and first[p] < first[c]
    ]
    return Lineage(frame, track, track, np.ones(len(track), np.float32), np.array(pairs, np.int32).reshape(-1, 2))


def exported(masks: Sequence[LabelImage], lineage: Lineage) -> tuple[list[LabelImage], pd.DataFrame]:
    """Label images and table as the challenge wants them: a track ends at a gap and goes on as its own child."""
    cut = pieces(lineage.frame, lineage.track, lineage.parents)
    images = []
    for t, image in enumerate(masks):
        nodes = np.flatnonzero(lineage.frame == t)
        images.append(remap(image, lineage.label[nodes], cut.id[cut.of_node[nodes]]))
    parent = np.where(cut.parent >= 0, cut.id[cut.parent], 0)
    return images, pd.DataFrame({"track": cut.id, "first": cut.first, "last": cut.last, "parent": parent})


def links(lineage: Lineage) -> set[Link]:
    """Pairs of successive objects of the same track."""
    order = np.lexsort((lineage.frame, lineage.track))
    frame, label, track = lineage.frame[order], lineage.label[order], lineage.track[order]
    same = track[1:] == track[:-1]
    ends = np.stack([frame[:-1], label[:-1], frame[1:], label[1:]], axis=1)[same]
    return {(a, b, c, d) for a, b, c, d in ends.tolist()}


if __name__ == "__main__":
    main()
