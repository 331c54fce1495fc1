"""Repair without experts: movies with full truth, nuclei hidden, mean IoU before and after (imperfect, table 2).

python benchmarks/repair.py fading             gain over the shipped model on translocation movies, all motions
python benchmarks/repair.py table2             the six rows, policy as printed, on movies whose nuclei flicker
python benchmarks/repair.py table2 --sim       the same on Fluo-N2DH-SIM+ with frames blurred and dimmed
python benchmarks/repair.py speed              processor time against segmentation
python benchmarks/repair.py memory             peak memory for the movie once and four times

Seeds of the movies that repair was tuned on are 1 and 2; those reported start at 100. Figures go out as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from unfade import api
from unfade.link import LinkSettings
from unfade.pipeline import linking, repairing, segmenting
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.records import Labels, Movie
from unfade.repair import RepairSettings
from unfade.score.bootstrap import Plan
from unfade.score.detection import count_objects
from unfade.score.repaired import Nuclei, nuclei, score_repair
from unfade.synth import TranslocationMovie, TranslocationSettings

DATA = Path(os.environ.get("UNFADE_DATA", "../shared/data"))
SEEDS = (100, 101, 102, 103)
DIAMETER_PX = 17.0
ROWS: tuple[tuple[str, dict[str, Any] | None], ...] = (
    ("none", None),
    ("uncertain, shift + scale", {"motion": "shift"}),
    ("uncertain, mean flow", {"motion": "mean-flow"}),
    ("all, mean flow", {"motion": "mean-flow", "update": "all"}),
    ("uncertain, pixel-wise flow", {"motion": "flow"}),
    ("uncertain, pixel-wise flow, fusion", {"motion": "flow", "fusion": "certainty"}),
)


class Case(NamedTuple):
    """A movie with its truth and what a system saw in it."""

    name: str
    material: repairing.Material
    truth: Labels
    seconds: float  # of processor time, of segmentation


def fading(seed: int, frames: int = 24, size: int = 256) -> TranslocationMovie:
    """Nuclei four times as bright as the cytoplasm fade until nothing tells them from it, and come back."""
    course = {"ratio_before": 4.0, "ratio_after": 1.0, "stimulus_frame": 5, "export_frames": 1.0}
    course |= {"recovery_frame": 13, "recovery_frames": 2.0}
    return TranslocationMovie(_settings(seed, frames, size, course))


def _settings(seed: int, frames: int, size: int, course: dict[str, Any]) -> TranslocationSettings:
    values = {"frames": frames, "height_px": size, "width_px": size, "seed": seed, "course": course}
    moving = {"speed_px": 0.9, "drift_px": 0.4}
    return TranslocationSettings.parse({**values, "nuclei": {"coverage": 0.12}, "deformation": moving})


def flickering(seed: int) -> tuple[Movie, Labels]:
    """A translocation movie at rest in which two frames of every seven are hidden."""
    made = TranslocationMovie(_settings(seed, 22, 256, {"ratio_before": 4.0, "stimulus_frame": "never"}))
    return hidden(made.movie().window(0, 22), 0, 7, 2, 1.0, 0.08), made.labels()


def hidden(movie: Movie, channel: int, period: int, length: int, blur_px: float, keep: float) -> Movie:
    """`length` frames of every `period` are blurred and `keep` so much of their light; noise stays as it was."""

    def read(t: int) -> np.ndarray:
        frame = np.asarray(movie.frame(t, channel), np.float32)
        if not period - length <= t % period < period:
            return frame[None]
        rng = np.random.default_rng((7, t))
        low = np.percentile(frame, 5)
        noise = np.std(frame - ndimage.median_filter(frame, 3))
        dim = low + keep * (ndimage.gaussian_filter(frame, blur_px) - low)
        return np.asarray(dim + rng.normal(0, noise, frame.shape), np.float32)[None]

    shape = (len(movie), 1, *movie.shape[2:])
    return Movie(shape, np.dtype(np.float32), ("hidden",), read, movie.calibration)


def simulated(frames: int | None) -> tuple[Movie, Labels]:
    """Fluo-N2DH-SIM+ 01 with two frames of every eight hidden."""
    folder = DATA / "ctc" / "Fluo-N2DH-SIM+"
    movie = api.open_movie(folder / "01")
    movie = movie if frames is None else movie.window(0, frames)
    files = sorted((folder / "01_GT" / "SEG").glob("man_seg*.tif"))[: len(movie)]
    import tifffile

    truth = Labels.of(np.stack([tifffile.imread(f) for f in files]))
    return hidden(movie, 0, 8, 2, 6.0, 0.15), truth


def segmented(
    name: str,
    movie: Movie,
    truth: Labels,
    diameter: float,
    system: SystemSettings,
    predict: dict[str, Any] | None = None,
) -> Case:
    """Objects, tracks and uncertainties of a movie as a system sees them."""
    how = PredictSettings.parse({"diameter": diameter} | (predict or {}))
    engine = segmenting.open_predictor(*segmenting.open_system(system), how)
    stage = segmenting.open_stage(engine, movie, 0, segmenting.find_diameter(engine, movie, 0, how).zoom)
    began = time.process_time()
    found = list(segmenting.found_in(movie, stage))
    seconds = time.process_time() - began
    count = len(movie)
    lineage = linking.link_frames((f.labels()[-1] for f in found), count, LinkSettings())
    labels = Labels.of(np.stack(list(linking.as_tracks((f.labels()[-1] for f in found), lineage, count))))
    known = [dict(zip(f.id.tolist(), f.u_total.tolist(), strict=True)) for f in found]
    of = linking.by_frame(lineage, count)

    def uncertainty(t: int) -> dict[int, float]:
        return {int(k): known[t][int(n)] for n, k in zip(*of[t], strict=True)}

    return Case(name, repairing.Material(movie, 0, labels, lineage, uncertainty), truth, seconds)


def repaired(case: Case, settings: RepairSettings, scratch: Path) -> tuple[list[Any], float]:
    """Repaired frames in the order of time, and the seconds of processor time that they took."""
    began = time.process_time()
    repairer = repairing.begin(case.material, settings)
    frames = list(repairing.repaired_frames(case.material, repairer, scratch))[::-1]
    return frames, time.process_time() - began


def treated(case: Case, frames: Sequence[Any]) -> list[Nuclei]:
    """IoU before and after of every true nucleus."""
    seen = case.material.labels
    return [
        nuclei(seen.frame(f.t), f.labels, case.truth.frame(f.t), {o.track: o.origin for o in f.objects}) for f in frames
    ]


def f1(images: Iterator[np.ndarray], truth: Labels) -> float:
    """F1 at IoU 0.5 over all frames."""
    counts = [count_objects(image, truth.frame(t), 0.5, strict=True) for t, image in enumerate(images)]
    tp, fp, fn = (sum(getattr(c, name) for c in counts) for name in ("tp", "fp", "fn"))
    return round(2 * tp / max(2 * tp + fp + fn, 1), 4)


def figures(parts: Sequence[Nuclei], plan: Plan | None = None) -> dict[str, Any]:
    """Mean IoU and counts of the four columns, before and after."""
    scores = score_repair(parts, plan).figures
    out = {}
    for name in ("all", "updated", "interpolated", "non-updated"):
        before, after = scores[f"IoU {name} before"], scores[f"IoU {name}"]
        out[name] = {"n": after.count, "before": round(before.value, 4), "after": round(after.value, 4)}
    return out


def run_fading(seeds: Sequence[int], system: SystemSettings, scratch: Path, motions: Sequence[str]) -> None:
    cases = [
        segmented(str(seed), made.movie(), made.labels(), DIAMETER_PX, system)
        for seed, made in ((s, fading(s)) for s in seeds)
    ]
    for motion in motions:
        warp, _, flow = motion.partition(":")
        settings = RepairSettings.parse({"motion": warp, **({"flow": flow} if flow else {})})
        parts, took, scores = [], 0.0, []
        for case in cases:
            frames, seconds = repaired(case, settings, scratch)
            parts += treated(case, frames)
            took += seconds
            seen = case.material.labels
            before, after = f1(seen.frames(), case.truth), f1((f.labels for f in frames), case.truth)
            gain = float(np.mean(np.concatenate([p.after - p.before for p in parts[-len(frames) :]])))
            scores.append({"seed": case.name, "F1 before": before, "F1 after": after, "IoU gain": round(gain, 4)})
        whole = {"repair_s": round(took, 2), "segment_s": round(sum(c.seconds for c in cases), 2)}
        print(json.dumps({"protocol": "fading", "motion": motion, **figures(parts), **whole, "movies": scores}))


def run_table2(cases: Sequence[Case], name: str, scratch: Path, uncertainty: str) -> None:
    groups: list[Nuclei] | None = None
    for row, how in (ROWS[2], *ROWS):
        if how is None:
            parts = [] if groups is None else [Nuclei(g.before, g.before, g.origin) for g in groups]
        else:
            settings = RepairSettings.parse({"policy": "printed", "uncertainty": uncertainty, **how})
            parts = [p for case in cases for p in treated(case, repaired(case, settings, scratch)[0])]
            if groups is None:
                groups = parts  # which nuclei count as updated is the same in every row
                continue
            parts = [Nuclei(p.before, p.after, g.origin) for p, g in zip(parts, groups, strict=True)]
        found = figures(parts)
        print(json.dumps({"protocol": name, "row": row, **{k: (v["after"], v["n"]) for k, v in found.items()}}))


def reporter_case(system: SystemSettings, rows: slice = slice(None)) -> Case:
    """Some rows of the ERK channel of the reporter movie, 27 frames, as a system sees them; without truth."""
    movie = api.open_movie(DATA / "ktr" / "ktr_left.ome.tif")
    size = (len(movie), len(range(*rows.indices(movie.shape[2]))), movie.shape[3])
    read = lambda t: np.ascontiguousarray(movie.frame(t)[1:2, rows])  # noqa: E731
    one = Movie((size[0], 1, *size[1:]), movie.dtype, ("ERK",), read, movie.calibration)
    blank = Labels.of(np.zeros(size, np.int32))
    return segmented("ktr", one, blank, DIAMETER_PX, system)


def run_speed(system: SystemSettings, scratch: Path) -> None:
    case = reporter_case(system)
    _, seconds = repaired(case, RepairSettings(), scratch)
    took = {"segment_s": round(case.seconds, 2), "repair_s": round(seconds, 2)}
    print(json.dumps({"speed": "27 frames", **took, "ratio": round(seconds / case.seconds, 3)}), flush=True)


def run_memory(system: SystemSettings, scratch: Path, lengths: Sequence[int]) -> None:
    """Peak memory of a process that does nothing but repair, for the movie there and back again several times."""
    case = reporter_case(system, slice(640, 768))
    scratch.mkdir(parents=True, exist_ok=True)
    kept = scratch / "material.pkl"
    m, times = case.material, range(len(case.material.movie))
    images, labels = (np.stack([f(t) for t in times]) for f in (lambda t: m.movie.frame(t, 0), m.labels.frame))
    np.save(scratch / "images.npy", images)
    np.save(scratch / "labels.npy", labels)
    kept.write_bytes(pickle.dumps((m.lineage, [m.uncertainty(t) for t in times])))
    for length in lengths:
        command = [sys.executable, __file__, "peak", "--times", str(length), "--scratch", str(scratch)]
        peak = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(json.dumps({"memory": f"{length * len(m.movie)} frames", **peak}), flush=True)


def run_peak(scratch: Path, times: int) -> None:
    """What `run_memory` starts: one repair of the movie that it left on disk."""
    images, labels = (np.load(scratch / f"{name}.npy", mmap_mode="r") for name in ("images", "labels"))
    lineage, known = pickle.loads((scratch / "material.pkl").read_bytes())
    one = Movie((len(images), 1, *images.shape[1:]), images.dtype, ("ERK",), lambda t: np.array(images[t])[None])
    seen = Labels(labels.shape, lambda t: np.array(labels[t]))
    case = Case("ktr", repairing.Material(one, 0, seen, lineage, lambda t: known[t]), seen, 0.0)
    longer = _repeated(case, times)
    before = peak_mib()
    repairer = repairing.begin(longer, RepairSettings())
    objects = sum(len(frame.objects) for frame in repairing.repaired_frames(longer, repairer, scratch / "carried"))
    print(json.dumps({"objects": objects, "start_MiB": before, "peak_MiB": peak_mib()}))


def peak_mib() -> int:
    """Most memory that this process has held so far, MiB; of Linux, whose `getrusage` would count the parent's."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return round(int(status["VmHWM"].split()[0]) / 1024)


def _repeated(case: Case, times: int) -> repairing.Material:
    """The movie there and back again, several times, so that tracks go on."""
    count = len(case.material.movie)
    order = [t if k % 2 == 0 else count - 1 - t for k in range(times) for t in range(count)]
    m = case.material
    movie = Movie((len(order), *m.movie.shape[1:]), m.movie.dtype, m.movie.channels, lambda t: m.movie.read(order[t]))
    labels = Labels((len(order), *m.labels.shape[1:]), lambda t: m.labels.read(order[t]))
    none = replace(m.lineage, parents=m.lineage.parents[:0])
    return repairing.Material(movie, 0, labels, none, lambda t: m.uncertainty(order[t]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fading", "table2", "speed", "memory", "peak"))
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--system", default="nuclei-unet")
    parser.add_argument("--weights")
    parser.add_argument("--motions", nargs="+", default=("none", "shift", "mean-flow", "flow"))
    parser.add_argument("--sim", action="store_true", help="Fluo-N2DH-SIM+ instead of synthetic movies")
    parser.add_argument("--frames", type=int, help="only so many frames of it")
    parser.add_argument("--uncertainty", default="both")
    parser.add_argument("--times", type=int, nargs="+", default=(1, 4), help="lengths of the movie, for memory")
    parser.add_argument("--scratch", type=Path, default=Path("scratch-repair"))
    args = parser.parse_args()
    system = SystemSettings(name=args.system, weights=args.weights)
    if args.what == "fading":
        run_fading(args.seeds, system, args.scratch, args.motions)
    elif args.what == "speed":
        run_speed(system, args.scratch)
    elif args.what == "memory":
        run_memory(system, args.scratch, args.times)
    elif args.what == "peak":
        run_peak(args.scratch, args.times[0])
    elif args.sim:
        case = segmented("SIM+", *simulated(args.frames), 40.0, system)
        run_table2([case], "SIM+", args.scratch, args.uncertainty)
    else:
        cases = [segmented(str(s), *flickering(s), DIAMETER_PX, system) for s in args.seeds]
        run_table2(cases, "flickering", args.scratch, args.uncertainty)


if __name__ == "__main__":
    main()
