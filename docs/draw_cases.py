"""The page of the bestiary: every named case drawn frame by frame, with its tracks and parents."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from drawing import GAP, PIXEL, TITLE, edges, film, masks, panels, path, put

from tests.cases import lineages, stills
from tests.cases.bestiary import BESTIARY, SIZE, Case

INTRO = """# The bestiary

Tiny label movies that every part of the program is tested on. A number is the id of an object and of its track; a frame
is {width} by {height} pixels. They live in `tests/cases/bestiary.py`.
"""


WRONG = """## Results with one thing wrong

A truth and a result as lineages, and what the measures make of it. Time goes from left to right; a bar is a track, a
thin line joins parent and child, a wide bar is one mask over several cells. Where other implementations give another
number, the text says which one, with its version, and why this side was taken. They live in `tests/cases/lineages.py`,
and a test holds the other implementations against each of them.
"""
STILLS = """## Single frames on which implementations differ

White lines on the result are the outlines of the truth. They live in `tests/cases/stills.py`.
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
    parts.append(WRONG)
    for name, film_case in lineages.CASES.items():
        picture = f"film-{name.replace(' ', '-').replace(',', '')}.svg"
        put(folder / picture, film(film_case.truth, film_case.result, film_case.frames, film_case.places))
        parts += [f"### {name}\n", f"{film_case.why}\n", f"![{name}]({picture})\n", expected(film_case.expect)]
    parts.append(STILLS)
    for name, still in stills.CASES.items():
        picture = f"still-{name.replace(' ', '-').replace(',', '')}.svg"
        shown = [("truth", masks(still.truth)), ("result", masks(still.result) + edges(still.truth))]
        put(folder / picture, panels([shown], (SIZE[1] * PIXEL, SIZE[0] * PIXEL)))
        parts += [f"### {name}\n", f"{still.why}\n", f"![{name}]({picture})\n", expected(still.expect)]
    put(folder / "cases.md", "\n".join(parts))


def expected(figures: Mapping[str, float | None]) -> str:
    """Figures that the tests expect, as a line; None is not defined."""
    told = (
        f"{k} **{'–' if v is None else format(v, 'g') if v == int(v) else format(v, '.3f')}**"
        for k, v in figures.items()
    )
    return " · ".join(told) + "\n"


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


def _greys(image: np.ndarray, t: int) -> str:
    low, high = int(image.min()), int(image.max())
    parts = []
    for value in np.unique(image[t]):
        grey = round(255 * ((int(value) - low) / max(high - low, 1)) ** 0.6)
        parts.append(f'<path d="{path(image[t] == value)}" fill="rgb({grey},{grey},{grey})"/>')
    return "".join(parts)
