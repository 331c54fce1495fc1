"""The page of the metrics: texts of metrics.toml, drawings of examples, and figures computed as the page is built."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from draw_cases import COLOURS, GAP, PIXEL, TITLE, masks, put
from metric_examples import Example, Film, Labels, Repaired, Still, examples

from tests.cases.lineages import Row

STEP, LANE, ROOM = 26, 14, 12  # px of a lineage: between frames, between places, around it
BACK = "#20262e"
STYLE = "text{font:11px sans-serif;text-anchor:middle;fill:#fff}.t{fill:#888}.s{text-anchor:start;fill:#888}"
INTRO = """# The metrics

What `unfade score` and `unfade.score` compute: what each figure means, its formula, where it comes from, what it sees
and what it cannot see. The drawings are cases that the program is tested on; the numbers beside them were computed by
the program while this page was built. A figure that would be 0/0 is not defined: it is shown as –, and means leave it
out. White lines on a result are the outlines of the truth.

The papers: *nuclei-unet* is Beker, Zhen and Zhang, Cell Nuclei Segmentation in 2D Fluorescence Microscopy Images;
*lexy* is Bosboom, Automated Deep Learning Approach for Nucleus Segmentation in Fluorescence LEXY Videos, 2024;
*imperfect* is Çiçek, Marrakchi et al., Recovering the Imperfect: Cell Segmentation in the Presence of Dynamically
Localized Proteins.
"""


def write(folder: Path) -> None:
    """Write `metrics.md` and its drawings to `folder`; files that did not change keep their time stamp."""
    folder.mkdir(exist_ok=True)
    drawn = examples()
    for number, example in enumerate(drawn):
        put(folder / picture(number), drawing(example))
    put(folder / "metrics.md", page(drawn))


def texts() -> list[dict[str, Any]]:
    """Groups of metrics with their texts."""
    found: list[dict[str, Any]] = tomllib.loads((Path(__file__).with_name("metrics.toml")).read_text(encoding="utf-8"))[
        "group"
    ]
    return found


def page(drawn: list[Example]) -> str:
    """The page as Markdown."""
    parts = [INTRO]
    for group in texts():
        parts += [f"## {group['name']}\n", f"{group['intro'].strip()}\n"]
        for metric in group["metric"]:
            parts.append(entry(metric))
            parts += [shown(number, e) for number, e in enumerate(drawn) if e.metric == metric["name"]]
    return "\n".join(parts)


def entry(metric: dict[str, Any]) -> str:
    """One metric."""
    return (
        f"### {metric['name']}\n\n{metric['meaning']}\n\n```text\n{metric['formula']}\n```\n\n"
        f"- Sees: {metric['sees']}.\n- Cannot see: {metric['blind']}.\n- Source: {metric['source']}.\n"
    )


def shown(number: int, example: Example) -> str:
    """One example: picture, figures, sentence."""
    figures = " · ".join(f"{name} **{told(example.scores[name])}**" for name in example.shown)
    title = example.name[0].upper() + example.name[1:]
    return f"*{title}.* {example.text}\n\n![{example.name}]({picture(number)})\n\n{figures}\n"


def told(value: float | None) -> str:
    """A figure as the page shows it."""
    if value is None:
        return "–"
    return f"{value:.0f}" if value == int(value) else f"{value:.3f}"


def picture(number: int) -> str:
    """Name of a drawing."""
    return f"metric-{number + 1:02}.svg"


def drawing(example: Example) -> str:
    """An example as SVG."""
    if isinstance(example, Film):
        sides = [("truth", example.truth), ("result", example.result)]
        panels = [(name, _lineage(rows, example.frames, example.places)) for name, rows in sides]
        size = ((example.frames - 1) * STEP + 2 * ROOM, (example.places - 1) * LANE + 2 * ROOM)
        return _svg([panels], size)
    if isinstance(example, Repaired):
        rows = [("truth", example.truth), ("before", example.before), ("after", example.after)]
        height, width = example.truth.shape[1:]
        panels_of = [
            [
                (f"{name}, frame {t}", masks(frame) + ("" if name == "truth" else _edges(true)))
                for t, (frame, true) in enumerate(zip(movie, example.truth, strict=True))
                if t >= 2
            ]
            for name, movie in rows
        ]
        return _svg(panels_of, (width * PIXEL, height * PIXEL))
    assert isinstance(example, Still)
    height, width = example.truth.shape
    result = _sure(example) if example.sure else masks(example.result)
    panels = [("truth", masks(example.truth)), ("result", result + _edges(example.truth))]
    return _svg([panels], (width * PIXEL, height * PIXEL))


def _svg(rows: list[list[tuple[str, str]]], size: tuple[int, int]) -> str:
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


def _lineage(rows: tuple[Row, ...], frames: int, places: int) -> str:
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


def _sure(example: Still) -> str:
    """The result with the confidence in or beside each object."""
    plain = masks(np.where(example.result > 0, example.result, 0))
    parts = [plain.partition("<text")[0]]
    for label, value in zip(np.unique(example.result[example.result > 0]), example.sure, strict=True):
        y, x = (float(np.mean(axis)) + 0.5 for axis in np.nonzero(example.result == label))
        parts.append(f'<text x="{x * PIXEL:.0f}" y="{y * PIXEL + 4:.0f}">{value:g}</text>')
    return "".join(parts)


def _edges(labels: Labels) -> str:
    """Borders between labels as a thin white line."""
    padded = np.pad(labels, 1)
    across, down = padded[1:-1, 1:] != padded[1:-1, :-1], padded[1:, 1:-1] != padded[:-1, 1:-1]
    path = "".join(f"M{x * PIXEL} {y * PIXEL}v{PIXEL}" for y, x in np.argwhere(across).tolist())
    path += "".join(f"M{x * PIXEL} {y * PIXEL}h{PIXEL}" for y, x in np.argwhere(down).tolist())
    return f'<path d="{path}" stroke="#fff" stroke-width="1.2" fill="none"/>'
