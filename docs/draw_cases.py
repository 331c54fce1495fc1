"""The page of the bestiary: every named case drawn frame by frame, with its tracks and parents."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.cases.bestiary import BESTIARY, SIZE, Case

PIXEL, GAP, TITLE = 5, 10, 16  # px of the drawing: a pixel of the case, between frames, above a frame
COLOURS = ("#3b82c4", "#e08a2e", "#4fa35a", "#c9504f", "#8d6cc0", "#2fa3a3", "#c15f9c", "#9a8b3c")
INTRO = """# The bestiary

Tiny label movies that every part of the program is tested on. A number is the id of an object and of its track; a frame
is {width} by {height} pixels. They live in `tests/cases/bestiary.py`.
"""


def write(folder: Path) -> None:
    """Write `cases.md` and one drawing per case to `folder`; files that did not change keep their time stamp."""
    folder.mkdir(exist_ok=True)
    parts = [INTRO.format(height=SIZE[0], width=SIZE[1])]
    for name, make in BESTIARY.items():
        case = make()
        picture = f"case-{name.replace(' ', '-')}.svg"
        put(folder / picture, drawing(case))
        parts += [f"## {name}\n", f"{inspect.getdoc(make)}\n", f"![{name}]({picture})\n", facts(case)]
    put(folder / "cases.md", "\n".join(parts))


def facts(case: Case) -> str:
    """The tracks of a case in a line: `1: frames 0-5 (2 missing)`, then who descends from whom."""
    tracks = []
    for row in case.lineage.tracks().itertuples():
        lost = int(row.last - row.first + 1 - row.frames)
        tracks.append(f"{row.track}: {row.first}–{row.last}" + (f" ({lost} missing)" if lost else ""))
    text = "Tracks: " + ("; ".join(tracks) or "none") + "."
    if case.parents:
        text += " Parents: " + ", ".join(f"{child} from {parent}" for child, parent in case.parents) + "."
    return text + "\n"


def drawing(case: Case) -> str:
    """All frames of a case in a row as SVG; where the picture says more than the masks, it stands beneath them."""
    height, width = SIZE[0] * PIXEL, SIZE[1] * PIXEL
    plain = np.unique(case.image[case.labels > 0]).size <= 1
    rows = 1 if plain else 2
    total = (len(case.labels) * (width + GAP) - GAP, rows * (height + GAP) - GAP + TITLE)
    body = []
    for t, labels in enumerate(case.labels):
        left = t * (width + GAP)
        body.append(f'<text x="{left + width / 2}" y="{TITLE - 5}" class="t">{t}</text>')
        body.append(f'<g transform="translate({left} {TITLE})">{masks(labels)}</g>')
        if not plain:
            body.append(f'<g transform="translate({left} {TITLE + height + GAP})">{_greys(case.image, t)}</g>')
    style = "text{font:11px sans-serif;text-anchor:middle;fill:#fff}.t{fill:#888}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" width="{total[0]}">'
        f"<style>{style}</style>{''.join(body)}</svg>\n"
    )


def masks(labels: np.ndarray) -> str:
    parts = [f'<rect width="{SIZE[1] * PIXEL}" height="{SIZE[0] * PIXEL}" fill="#20262e"/>']
    ids = np.unique(labels[labels > 0])
    parts += [f'<path d="{_path(labels == i)}" fill="{COLOURS[int(i) % len(COLOURS)]}"/>' for i in ids]
    for i in ids:
        y, x = (np.mean(axis) + 0.5 for axis in np.nonzero(labels == i))
        if (labels == i).sum() >= 12:
            parts.append(f'<text x="{x * PIXEL:.0f}" y="{y * PIXEL + 4:.0f}">{i}</text>')
    return "".join(parts)


def _greys(image: np.ndarray, t: int) -> str:
    low, high = int(image.min()), int(image.max())
    parts = []
    for value in np.unique(image[t]):
        grey = round(255 * ((int(value) - low) / max(high - low, 1)) ** 0.6)
        parts.append(f'<path d="{_path(image[t] == value)}" fill="rgb({grey},{grey},{grey})"/>')
    return "".join(parts)


def _path(mask: np.ndarray) -> str:
    """Horizontal runs of a mask as one path."""
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return "".join(
        f"M{x * PIXEL} {y * PIXEL}h{(end - x) * PIXEL}v{PIXEL}h{(x - end) * PIXEL}z"
        for (y, x), (_, end) in zip(starts.tolist(), ends.tolist(), strict=True)
    )


def put(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
