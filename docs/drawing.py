"""How cases are drawn as SVG: masks of a frame, tracks over time, panels side by side."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.cases.bestiary import SIZE
from tests.cases.lineages import Row

PIXEL, GAP, TITLE = 5, 10, 16  # px of the drawing: a pixel of the case, between frames, above a frame
COLOURS = ("#3b82c4", "#e08a2e", "#4fa35a", "#c9504f", "#8d6cc0", "#2fa3a3", "#c15f9c", "#9a8b3c")
STEP, LANE, ROOM = 26, 14, 12  # px of a lineage: between frames, between places, around it
BACK = "#20262e"
STYLE = "text{font:11px sans-serif;text-anchor:middle;fill:#fff}.t{fill:#888}.s{text-anchor:start;fill:#888}"

Labels = NDArray[np.int32]


def masks(labels: np.ndarray, size: tuple[int, int] = SIZE) -> str:
    """The objects of a frame, each with its id if there is room."""
    parts = [f'<rect width="{size[1] * PIXEL}" height="{size[0] * PIXEL}" fill="{BACK}"/>']
    ids = np.unique(labels[labels > 0])
    parts += [f'<path d="{path(labels == i)}" fill="{COLOURS[int(i) % len(COLOURS)]}"/>' for i in ids]
    for i in ids:
        y, x = (np.mean(axis) + 0.5 for axis in np.nonzero(labels == i))
        if (labels == i).sum() >= 12:
            parts.append(f'<text x="{x * PIXEL:.0f}" y="{y * PIXEL + 4:.0f}">{i}</text>')
    return "".join(parts)


def path(mask: np.ndarray) -> str:
    """Horizontal runs of a mask as one path."""
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return "".join(
        f"M{x * PIXEL} {y * PIXEL}h{(end - x) * PIXEL}v{PIXEL}h{(x - end) * PIXEL}z"
        for (y, x), (_, end) in zip(starts.tolist(), ends.tolist(), strict=True)
    )


def edges(labels: Labels) -> str:
    """Borders between labels as a thin white line."""
    padded = np.pad(labels, 1)
    across, down = padded[1:-1, 1:] != padded[1:-1, :-1], padded[1:, 1:-1] != padded[:-1, 1:-1]
    path = "".join(f"M{x * PIXEL} {y * PIXEL}v{PIXEL}" for y, x in np.argwhere(across).tolist())
    path += "".join(f"M{x * PIXEL} {y * PIXEL}h{PIXEL}" for y, x in np.argwhere(down).tolist())
    return f'<path d="{path}" stroke="#fff" stroke-width="1.2" fill="none"/>'


def panels(rows: list[list[tuple[str, str]]], size: tuple[int, int]) -> str:
    """Rows of panels, each with a title."""
    width, height = size
    body = []
    for y, row in enumerate(rows):
        top = y * (height + TITLE + GAP // 2)
        for x, (title, inside) in enumerate(row):
            left = x * (width + GAP)
            body.append(f'<text x="{left}" y="{top + TITLE - 5}" class="s">{title}</text>')
            body.append(f'<g transform="translate({left} {top + TITLE})">{inside}</g>')
    total = (len(rows[0]) * (width + GAP) - GAP, len(rows) * (height + TITLE + GAP // 2) - GAP // 2)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" width="{total[0]}">'
        f"<style>{STYLE}</style>{''.join(body)}</svg>\n"
    )


def film(truth: tuple[Row, ...], result: tuple[Row, ...], frames: int, places: int) -> str:
    """Truth and result over time, side by side."""
    both = [(name, lineage(rows, frames, places)) for name, rows in (("truth", truth), ("result", result))]
    return panels([both], ((frames - 1) * STEP + 2 * ROOM, (places - 1) * LANE + 2 * ROOM))


def lineage(rows: tuple[Row, ...], frames: int, places: int) -> str:
    """Tracks over time: a bar per row, a thin line from parent to child or from one row of a track to the next."""
    width, height = (frames - 1) * STEP + 2 * ROOM, (places - 1) * LANE + 2 * ROOM
    parts = [f'<rect width="{width}" height="{height}" fill="{BACK}"/>']
    ends = {row[0]: row for row in rows}
    lines, bars, seen = [], [], {}
    for row in rows:
        label, first, last, parent, place = row
        colour = COLOURS[label % len(COLOURS)]
        low, high = place if isinstance(place, tuple) else (place, place)
        before = seen.get(label) or ends.get(parent)
        if before is not None:
            stroke = colour if label in seen else "#fff"
            lines.append(
                f'<line x1="{ROOM + before[2] * STEP}" y1="{_height(before)}" x2="{ROOM + first * STEP}" '
                f'y2="{_height(row)}" stroke="{stroke}" stroke-width="1.5"/>'
            )
        seen[label] = row
        bars.append(
            f'<rect x="{ROOM + first * STEP - 5}" y="{ROOM + low * LANE - 5}" width="{(last - first) * STEP + 10}" '
            f'height="{(high - low) * LANE + 10}" rx="5" fill="{colour}"/>'
        )
        bars.append(f'<text x="{ROOM + first * STEP + 1}" y="{_height(row) + 4:.0f}">{label}</text>')
    return "".join([*parts, *lines, *bars])


def _height(row: Row) -> float:
    """Where a track lies, in px."""
    place = row[4]
    return ROOM + LANE * (sum(place) / 2 if isinstance(place, tuple) else place)


def put(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
