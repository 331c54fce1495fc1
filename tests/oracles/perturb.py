"""Results with known faults, made from the truth of a sequence in seven ways; numpy and scipy only.

Shared by the scripts that ask other implementations (each in its own environment) and by the tests, so that both score
the same pixels. The same sequence, way and seed give the same result on every machine.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage


@dataclass
class Tracked:
    """Label images (T, Y, X) whose values are track ids, and the parent of each track that has one."""

    frames: np.ndarray
    parents: dict[int, int]


@dataclass(frozen=True)
class Excerpt:
    """Some frames of a challenge sequence."""

    dataset: str
    sequence: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"{self.dataset} {self.sequence} {self.start}:{self.stop}"


EXCERPTS = (  # quick to score: compared by the tests
    Excerpt("Fluo-N2DH-SIM+", "01", 0, 65),
    Excerpt("DIC-C2DH-HeLa", "01", 0, 40),
    Excerpt("DIC-C2DH-HeLa", "02", 40, 84),
    Excerpt("PhC-C2DH-U373", "01", 0, 30),
    Excerpt("Fluo-N2DH-GOWT1", "01", 0, 14),
)
COMPLETE = (  # every frame of every sequence: minutes, so compared by benchmarks/score_oracles.py
    EXCERPTS[0],
    Excerpt("DIC-C2DH-HeLa", "01", 0, 84),
    Excerpt("DIC-C2DH-HeLa", "02", 0, 84),
    Excerpt("PhC-C2DH-U373", "01", 0, 115),
    Excerpt("PhC-C2DH-U373", "02", 0, 115),
    Excerpt("Fluo-N2DH-GOWT1", "01", 0, 92),
)


@dataclass
class Sequence:
    """What is known of an excerpt, frames counted from 0."""

    truth: Tracked  # markers
    outlines: Tracked  # whole cells under the same ids, where the silver truth has them; otherwise the markers
    seg: dict[int, np.ndarray]  # gold segmentation of some frames


def load(root: Path, excerpt: Excerpt) -> Sequence:
    """Read an excerpt of the challenge's training data."""
    base = root / "ctc" / excerpt.dataset
    folder, silver = base / f"{excerpt.sequence}_GT", base / f"{excerpt.sequence}_ST" / "SEG"
    numbers = range(excerpt.start, excerpt.stop)
    frames = np.stack([tifffile.imread(folder / "TRA" / f"man_track{t:03d}.tif") for t in numbers]).astype(np.int32)
    table = np.loadtxt(folder / "TRA" / "man_track.txt", dtype=int, ndmin=2)
    parents = {int(c): int(p) for c, _, _, p in table if p}
    whole = frames.copy()
    for image, t in zip(whole, numbers, strict=True):
        if silver.is_dir():
            cells = tifffile.imread(silver / f"man_seg{t:03d}.tif")
            cells[~np.isin(cells, image)] = 0
            image[np.isin(image, cells) | (cells > 0)] = 0
            image[:] = np.where(cells > 0, cells, image)
    paths = {t - excerpt.start: folder / "SEG" / f"man_seg{t:03d}.tif" for t in numbers}
    seg = {t: tifffile.imread(path) for t, path in paths.items() if path.is_file()}
    return Sequence(tidy(Tracked(frames, dict(parents))), tidy(Tracked(whole, dict(parents))), seg)


def perturbed(truth: Tracked, way: str, name: str) -> Tracked:
    """The outlines of a sequence with one kind of fault; `name` of the sequence and way make the seed."""
    random = np.random.default_rng(zlib.crc32(f"{name} {way}".encode()))
    copy = Tracked(truth.frames.copy(), dict(truth.parents))
    WAYS[way](copy, random)
    return tidy(copy)


def tidy(tracked: Tracked) -> Tracked:
    """Cut every track at its gaps: the rest gets a new id, the old one is its parent; drop pairs that make no sense."""
    spans = presence(tracked.frames)
    fresh = max(spans, default=0) + 1
    last_part = {}
    for track, seen in sorted(spans.items()):
        breaks = np.flatnonzero(np.diff(seen) > 1)
        part = track
        for k in breaks:
            begin, end = seen[k + 1], seen[breaks[breaks > k][0]] if np.any(breaks > k) else seen[-1]
            block = tracked.frames[begin : end + 1]
            block[block == track] = fresh
            tracked.parents[fresh] = part
            part, fresh = fresh, fresh + 1
        last_part[track] = part
    spans = presence(tracked.frames)
    kept = {}
    for child, parent in tracked.parents.items():
        source = parent if child > max(last_part, default=0) else last_part.get(parent, parent)
        if child in spans and source in spans and spans[source][-1] < spans[child][0]:
            kept[child] = source
    tracked.parents = kept
    return tracked


def presence(frames: np.ndarray) -> dict[int, np.ndarray]:
    """Frames in which each id stands."""
    seen: dict[int, list[int]] = {}
    for t, image in enumerate(frames):
        for track in np.flatnonzero(np.bincount(image.ravel())):
            if track:
                seen.setdefault(int(track), []).append(t)
    return {track: np.array(times) for track, times in seen.items()}


def rows(tracked: Tracked) -> np.ndarray:
    """Rows `L B E P` (R, 4), ascending by label."""
    spans = presence(tracked.frames)
    table = [(k, v[0], v[-1], tracked.parents.get(k, 0)) for k, v in sorted(spans.items())]
    return np.array(table, int).reshape(-1, 4)


def digest(tracked: Tracked) -> int:
    """A number that tells whether two machines made the same result."""
    return zlib.crc32(rows(tracked).astype(np.int64).tobytes(), zlib.crc32(tracked.frames.astype(np.uint16).tobytes()))


def write(tracked: Tracked, folder: Path, stem: str = "mask", table: str = "res_track.txt") -> None:
    """Write as the challenge wants it."""
    folder.mkdir(parents=True)
    for t, image in enumerate(tracked.frames):
        tifffile.imwrite(folder / f"{stem}{t:03d}.tif", image.astype(np.uint16), compression="zlib")
    np.savetxt(folder / table, rows(tracked), fmt="%d")


def write_truth(tracked: Tracked, seg: dict[int, np.ndarray], folder: Path) -> None:
    """Write tracking and segmentation truth as the challenge gives them."""
    write(tracked, folder / "TRA", "man_track", "man_track.txt")
    (folder / "SEG").mkdir()
    for t, image in seg.items():
        tifffile.imwrite(folder / "SEG" / f"man_seg{t:03d}.tif", image.astype(np.uint16), compression="zlib")


def _objects(image: np.ndarray) -> list[tuple[int, tuple[slice, slice]]]:
    return [(k + 1, box) for k, box in enumerate(ndimage.find_objects(image)) if box is not None]


def _shift(tracked: Tracked, random: np.random.Generator) -> None:
    """Move every object by a few pixels; some reach too far to match."""
    for image in tracked.frames:
        moved = np.zeros_like(image)
        for track, (ys, xs) in _objects(image):
            y, x = np.nonzero(image[ys, xs] == track)
            reach = 0.35 * min(ys.stop - ys.start, xs.stop - xs.start)
            dy, dx = np.rint(random.normal(0, reach / 2 + 0.5, 2)).astype(int)
            y, x = y + ys.start + dy, x + xs.start + dx
            inside = (y >= 0) & (x >= 0) & (y < image.shape[0]) & (x < image.shape[1])
            moved[y[inside], x[inside]] = track
        image[:] = moved


def _erode(tracked: Tracked, random: np.random.Generator) -> None:
    """Make objects smaller by 0 to 4 pixels on every side; small ones vanish."""
    for image in tracked.frames:
        for track, box in _objects(image):
            mask = np.pad(image[box] == track, 1)
            depth = int(random.integers(0, 5))
            if depth:
                kept = ndimage.binary_erosion(mask, iterations=depth)
                image[box][(mask & ~kept)[1:-1, 1:-1]] = 0


def _drop(tracked: Tracked, random: np.random.Generator) -> None:
    """Remove one object in fifteen and one track in twenty; add a few that are not there."""
    tracks = sorted(presence(tracked.frames))
    gone = random.choice(tracks, max(1, len(tracks) // 20), replace=False)
    fresh = max(tracks) + 1
    for image in tracked.frames:
        image[np.isin(image, gone)] = 0
        for track, box in _objects(image):
            if random.random() < 1 / 15:
                image[box][image[box] == track] = 0
        if random.random() < 0.3:
            y, x = random.integers(0, np.array(image.shape) - 12)
            spot = image[y : y + 9, x : x + 11]
            spot[spot == 0] = fresh
            fresh += int(np.any(spot == fresh))


def _merge(tracked: Tracked, random: np.random.Generator, together: int) -> None:
    """In half of the frames one mask covers the `together` objects nearest to a chosen one."""
    for image in tracked.frames:
        found = _objects(image)
        if len(found) < together or random.random() < 0.5:
            continue
        ids = np.array([k for k, _ in found])
        middle = np.array([[(ys.start + ys.stop) / 2, (xs.start + xs.stop) / 2] for _, (ys, xs) in found])
        chosen = int(random.integers(len(ids)))
        near = np.argsort(((middle - middle[chosen]) ** 2).sum(axis=1), kind="stable")[:together]
        image[np.isin(image, ids[near])] = ids[near[int(random.integers(together))]]


def _swap(tracked: Tracked, random: np.random.Generator) -> None:
    """At some frames two tracks exchange their ids, and what follows from them."""
    now = np.arange(int(tracked.frames.max()) + 1)  # what each id of the truth is called at this time
    before = np.zeros(0, int)
    for t, image in enumerate(tracked.frames):
        here = np.flatnonzero(np.bincount(image.ravel()))
        ids = np.intersect1d(now[before], now[here])
        ids, before = ids[ids > 0], here
        if t >= 2 and len(ids) >= 2 and random.random() >= 0.6:
            a, b = (int(k) for k in random.choice(ids, 2, replace=False))
            first, second = now == a, now == b
            now[first], now[second] = b, a
            other = {a: b, b: a}
            tracked.parents = {c: other.get(p, p) for c, p in tracked.parents.items()}
        image[:] = now[image]


def _miss(tracked: Tracked, random: np.random.Generator) -> None:
    """Forget divisions, let the mother live on as a daughter, see them late or early, and invent some."""
    spans = presence(tracked.frames)
    families: dict[int, list[int]] = {}
    for child, parent in tracked.parents.items():
        families.setdefault(parent, []).append(child)
    for mother, daughters in sorted(families.items()):
        if len(daughters) < 2:
            continue
        kind = random.choice(["keep", "forget", "goes on", "late", "early"])
        one, other = daughters[0], daughters[1]
        if kind == "forget":
            del tracked.parents[one], tracked.parents[other]
        elif kind == "goes on":
            tracked.frames[tracked.frames == one] = mother
            tracked.parents = {c: (mother if p == one else p) for c, p in tracked.parents.items()}
            tracked.parents.pop(one, None)
            tracked.parents.pop(other, None)
        elif kind == "late":
            wait = int(random.integers(1, 4))
            if min(spans[one][-1], spans[other][-1]) - max(spans[one][0], spans[other][0]) > wait:
                begin = min(spans[one][0], spans[other][0])
                early = tracked.frames[begin : max(spans[one][0], spans[other][0]) + wait]
                early[early == one] = mother
                early[early == other] = 0
        elif kind == "early" and len(spans[mother]) > 3:
            back = int(random.integers(1, 3))
            late = tracked.frames[spans[mother][-1] + 1 - back : spans[mother][-1] + 1]
            for image in late:
                y, _ = np.nonzero(image == mother)
                mask = image == mother
                upper = np.arange(image.shape[0])[:, None] <= np.median(y)
                image[mask & upper], image[mask & ~upper] = one, other
    _invent(tracked, random)


def _invent(tracked: Tracked, random: np.random.Generator) -> None:
    """Give tracks that appear a parent that ended just before."""
    spans = presence(tracked.frames)
    for child, seen in sorted(spans.items()):
        before = [k for k, v in spans.items() if v[-1] == seen[0] - 1]
        if child not in tracked.parents and before and random.random() < 0.5:
            tracked.parents[child] = int(random.choice(before))


WAYS: dict[str, Callable[[Tracked, np.random.Generator], None]] = {
    "shift": _shift,
    "erode": _erode,
    "drop": _drop,
    "merge two": lambda tracked, random: _merge(tracked, random, 2),
    "merge three": lambda tracked, random: _merge(tracked, random, 3),
    "swap ids": _swap,
    "miss divisions": _miss,
}
