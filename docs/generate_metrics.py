"""The page of the metrics: texts of metrics.toml, drawings of examples, and figures computed as the page is built."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from drawing import PIXEL, edges, film, masks, panels, put
from metric_examples import Example, Film, Repaired, Still, examples

INTRO = """# The metrics

What `unfade score` and `unfade.score` compute: what each figure means, its formula, where it comes from, what it sees
and what it cannot see. The drawings are cases that the program is tested on; the numbers beside them were computed by
the program while this page was built. A figure that would be 0/0 is not defined: it is shown as –, and means leave it
out. White lines on a result are the outlines of the truth.

`unfade score` shows a choice of them; `--metrics all`, or the name of a group, gives the others. Intervals are 95 %
percentile bootstraps: of several sequences over sequences; of one sequence over its images (objects, pixels,
boundaries, ranking), its objects (SEG, uncertainty, repair), or its clusters of tracks (figures over time). A cluster
holds the tracks of truth and result that descend from or match each other, directly or over others (Field and Welsh,
Bootstrapping clustered data, JRSS B 69, 2007).

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
        return film(example.truth, example.result, example.frames, example.places)
    if isinstance(example, Repaired):
        rows = [("truth", example.truth), ("before", example.before), ("after", example.after)]
        height, width = example.truth.shape[1:]
        drawn = [
            [
                (f"{name}, frame {t}", masks(frame) + ("" if name == "truth" else edges(true)))
                for t, (frame, true) in enumerate(zip(movie, example.truth, strict=True))
                if t >= 2
            ]
            for name, movie in rows
        ]
        return panels(drawn, (width * PIXEL, height * PIXEL))
    assert isinstance(example, Still)
    height, width = example.truth.shape
    result = _sure(example) if example.sure else masks(example.result)
    both = [("truth", masks(example.truth)), ("result", result + edges(example.truth))]
    return panels([both], (width * PIXEL, height * PIXEL))


def _sure(example: Still) -> str:
    """The result with the confidence in or beside each object."""
    plain = masks(np.where(example.result > 0, example.result, 0))
    parts = [plain.partition("<text")[0]]
    for label, value in zip(np.unique(example.result[example.result > 0]), example.sure, strict=True):
        y, x = (float(np.mean(axis)) + 0.5 for axis in np.nonzero(example.result == label))
        parts.append(f'<text x="{x * PIXEL:.0f}" y="{y * PIXEL + 4:.0f}">{value:g}</text>')
    return "".join(parts)
