"""Every reader against damaged files: each must end in a result or one sentence, quickly and in little memory.

usage: python benchmarks/fuzz.py [--each 40] [--seed 0]

A good file of every kind (TIFF of several sorts, PNG, JPEG, OME-Zarr 0.4 and 0.5, plate, labels, GEFF, challenge
folder, TOML, OME-XML, CSV and Parquet tables, CSV list, videos) is damaged in `--each` ways with a fixed seed. Exit
code 1 if an answer is no result and no refusal, takes over 10 s or over 1 GiB beyond the process's start, or writes a
file; or if a good file is refused. The 10 s are of the processor, as a busy machine stretches the clock; what answers
nothing for 60 s on the clock is ended and counts as an answer that is none.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import tifffile
import zarr

from unfade.data import ctc
from unfade.data.geff import write_geff
from unfade.data.instancestore import write_overlapping
from unfade.data.labelstore import LabelWriter
from unfade.data.table import write_table, write_tables
from unfade.pipeline.settings import RunSettings
from unfade.records import Instances, Lineage, Table
from unfade.settings import write_toml
from unfade.testing.fuzzing import Answer, answers
from unfade.testing.mutations import damaged_copies

MOST_S, MOST_MIB = 10.0, 1024.0
PIXELS = np.random.default_rng(0).integers(0, 4000, (4, 2, 24, 32)).astype(np.uint16)
LABELS = np.zeros((4, 24, 32), np.int32)
LABELS[:, 3:9, 4:10], LABELS[1:, 12:20, 15:22] = 1, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="reader to try alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.chdir(place)  # what a reader would write by a bare name is found here
        bad, count, kinds, worst = [], 0, Counter[str](), dict.fromkeys(("seconds", "processor, s", "peak MiB"), 0.0)
        good = [g for g in corpus(place / "good") if options.only in (None, g[0])]
        (place / "damaged").mkdir()
        (place / "start.toml").write_text("schema = 1\n")
        start = next(a.peak_mib for a in answers(iter([("settings", place / "start.toml")])))
        refused = [vars(a) for a in answers(iter(good)) if a.kind != "result"]
        before = listing(place)
        for answer in answers(work(good, place / "damaged", options.each, options.seed)):
            count += 1
            kinds[f"{answer.reader}: {answer.kind}"] += 1
            worst["seconds"] = max(worst["seconds"], answer.seconds)
            worst["processor, s"] = max(worst["processor, s"], answer.busy_s)
            worst["peak MiB"] = max(worst["peak MiB"], answer.peak_mib - start)
            if wrong(answer, start):
                bad.append(vars(answer))
        written = sorted(listing(place) - before)
    facts = {"damaged files": count, "answers": dict(sorted(kinds.items())), "worst": worst, "written": written}
    print(json.dumps({**facts, "MiB at start": start, "seed": options.seed, "bad": bad, "good refused": refused}))
    sys.exit(bool(bad or written or refused))


def wrong(answer: Answer, start_mib: float) -> bool:
    beyond = answer.peak_mib - start_mib
    return answer.kind not in ("result", "refused") or answer.busy_s > MOST_S or beyond > MOST_MIB


def listing(place: Path) -> set[str]:
    """Every file but those of the damaged copies, which come and go."""
    found = {p.relative_to(place).as_posix() for p in place.rglob("*")}
    return {p for p in found if not p.startswith("damaged/")}


def work(good: list[tuple[str, Path]], place: Path, each: int, seed: int) -> Iterator[tuple[str, Path]]:
    for reader, path in good:
        for copy in damaged_copies(path, place / f"{reader}-{path.name}", each, seed):
            before = sorted(p.name for p in copy.parent.rglob("*"))
            yield reader, copy
            if sorted(p.name for p in copy.parent.rglob("*")) != before:
                raise SystemExit(f"{reader} wrote beside {copy}")


def corpus(place: Path) -> list[tuple[str, Path]]:
    """One good file of every kind, with the reader it is for."""
    place.mkdir()
    return [*_tiffs(place), *_pictures(place), *_zarrs(place), *_lineages(place), *_texts(place), *_videos(place)]


def _tiffs(place: Path) -> Iterator[tuple[str, Path]]:
    ome = {"axes": "TCYX", "PhysicalSizeX": 0.3, "Channel": {"Name": ["a", "b"]}}
    kinds: dict[str, dict[str, object]] = {
        "ome.ome.tif": {"metadata": ome, "compression": "zlib"},
        "imagej.tif": {"imagej": True, "metadata": {"axes": "TCYX", "finterval": 5.0}},
        "big.tif": {"bigtiff": True, "metadata": {"axes": "TCYX"}},
        "lzw.ome.tif": {"metadata": ome, "compression": "lzw", "predictor": True},
        "tiled.ome.tif": {"metadata": ome, "compression": "zstd", "tile": (16, 16)},
    }
    for name, how in kinds.items():
        tifffile.imwrite(place / name, PIXELS, photometric="minisblack", **how)
        yield "movie", place / name
    tifffile.imwrite(place / "labels.tif", LABELS.astype(np.uint16), photometric="minisblack")
    yield "labels", place / "labels.tif"


def _pictures(place: Path) -> Iterator[tuple[str, Path]]:
    grey = (PIXELS[0, 0] >> 4).astype(np.uint8)
    for name, data in {"a.png": imagecodecs.png_encode(grey), "a.jpg": imagecodecs.jpeg8_encode(grey)}.items():
        (place / name).write_bytes(data)
        yield "movie", place / name
    folder = place / "frames"
    folder.mkdir()
    for t in range(3):
        tifffile.imwrite(folder / f"t{t}.tif", PIXELS[t, 0])
    yield "movie", folder


def _zarrs(place: Path) -> Iterator[tuple[str, Path]]:
    for version, number in (("0.4", 2), ("0.5", 3)):
        path = place / f"image{version}.zarr"
        root = zarr.create_group(path, zarr_format=number)
        image(root, version, number)
        yield "movie", path
    plate = zarr.create_group(place / "plate.zarr")
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "B/3"}]}}
    well = plate.require_group("B/3")
    well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
    image(well.create_group("0"), "0.5", 3)
    yield "positions", place / "plate.zarr"
    with LabelWriter(place / "labels.ome.zarr", LABELS.shape) as writer:
        for t, frame in enumerate(LABELS):
            writer.write(t, frame)
    yield "labels", place / "labels.ome.zarr"
    write_overlapping(place / "masks.zarr", (Instances.of(frame) for frame in LABELS), LABELS.shape)
    yield "instances", place / "masks.zarr"


def image(group: zarr.Group, version: str, number: int) -> None:
    axes = [{"name": n, "type": k} for n, k in zip("tcyx", ("time", "channel", "space", "space"), strict=True)]
    scale = [{"type": "scale", "scale": [5.0, 1.0, 0.3, 0.3]}]
    values = {"multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]}
    group.attrs.update(values if number == 2 else {"ome": {"version": version, **values}})
    group.create_array("0", data=PIXELS, chunks=(1, 1, 16, 16))


def _lineages(place: Path) -> Iterator[tuple[str, Path]]:
    frame = np.array([0, 1, 2, 3, 1, 2, 3], np.int32)
    track = np.array([1, 1, 1, 1, 2, 2, 2], np.int32)
    lineage = Lineage(frame, track, track, np.full(7, 0.5, np.float32), np.array([[2, 1]], np.int32))
    ctc.write(place / "01_RES", LABELS, lineage)
    yield "challenge", place / "01_RES"
    rows = pd.DataFrame({"frame": frame, "track": track, "y_px": frame * 1.5, "x_px": frame * 2.5, "area_px": track})
    objects = Table(rows, {"y_px": "px", "x_px": "px"})
    write_geff(place / "run.geff", lineage, objects)
    yield "graph", place / "run.geff"
    (place / "csv").mkdir()
    write_tables(place / "objects", objects)
    yield "table", place / "objects.parquet"
    write_table(place / "csv" / "objects.csv", objects)
    yield "table", place / "csv" / "objects.csv"


def _texts(place: Path) -> Iterator[tuple[str, Path]]:
    write_toml(place / "run.toml", RunSettings().plain())
    yield "settings", place / "run.toml"
    with tifffile.TiffFile(place / "ome.ome.tif") as tif:
        (place / "ome.xml").write_text(str(tif.ome_metadata), encoding="utf-8")
    yield "xml", place / "ome.xml"
    (place / "list.csv").write_text("path,condition,well\nome.ome.tif,light,A1\nimagej.tif,dark,A2\n")
    yield "positions", place / "list.csv"


def _videos(place: Path) -> Iterator[tuple[str, Path]]:
    try:
        import av
    except ImportError:
        return
    for name, codec, kind in (("a.avi", "ffv1", "gray"), ("a.mp4", "mpeg4", "yuv420p")):
        with av.open(str(place / name), "w") as file:
            stream = file.add_stream(codec, rate=5)
            stream.height, stream.width, stream.pix_fmt = 24, 32, kind
            for frame in PIXELS[:, 0]:
                grey = av.VideoFrame.from_ndarray((frame >> 4).astype(np.uint8), format="gray")
                file.mux(stream.encode(grey.reformat(format=kind)))
            file.mux(stream.encode())
        yield "movie", place / name


if __name__ == "__main__":
    main()
