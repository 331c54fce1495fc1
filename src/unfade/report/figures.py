"""Figures for publication as SVG, PDF or PNG; the only importer of matplotlib.

Sizes and letters follow what journals ask for: one column is 89 mm wide, letters are 7 points, texts stay texts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from unfade.errors import OutputError
from unfade.report import charts
from unfade.report.axes import around, clock
from unfade.report.content import ReportContent

COLUMN_MM, HEIGHT_MM = 89.0, 60.0
DPI = 600  # of what is drawn as pixels
INK, BLUE, GREY = "#1b1f23", "#0b62a4", "#55616c"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 7.0,
    "axes.titlesize": 8.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "unfade",
    "pdf.fonttype": 42,
    "text.parse_math": False,
}
FORMATS = (".svg", ".pdf", ".png")


def ratios(content: ReportContent, column: str, title: str) -> Figure:
    """Curves of one column of the objects table: every track, the median and the quartiles, n in the legend."""
    time = clock(content.shape[0], content.calibration)
    tracks, values = charts.per_track(content.main_objects(), column, len(time.values))
    low, middle, high = charts.spread_of(values)
    with matplotlib.rc_context(STYLE):
        figure, plot = _figure(title, time.title, "nucleus / ring ratio")
        lines = [np.column_stack([time.values, row]) for row in values]
        faint = float(np.clip(2.2 / np.sqrt(max(len(tracks), 1)), 0.06, 0.6))
        plot.add_collection(LineCollection(lines, colors=GREY, linewidths=0.4, alpha=faint, rasterized=True))
        plot.fill_between(time.values, low, high, color=BLUE, alpha=0.3, linewidth=0, label="quartiles")
        median = f"median, n = {len(tracks):,} tracks"
        plot.plot(time.values, middle, color=BLUE, linewidth=1.3, marker="o", markersize=1.8, label=median)
        limits, span = around(values, ""), time.axis()
        plot.set(xlim=(span.low, span.high), ylim=(limits.low, limits.high))
        plot.legend(loc="upper right")
    return figure


def counts(content: ReportContent) -> Figure:
    """Objects of every frame."""
    time = clock(content.shape[0], content.calibration)
    frames = content.main_objects()["frame"].to_numpy(np.int64)
    with matplotlib.rc_context(STYLE):
        figure, plot = _figure("Objects per frame", time.title, f"objects (n = {len(frames):,})")
        number = np.bincount(frames, minlength=len(time.values))[: len(time.values)]
        plot.plot(time.values, number, color=BLUE, linewidth=1.2, marker="o", markersize=2)
        plot.set_ylim(bottom=0)
    return figure


def lengths(content: ReportContent) -> Figure:
    """How many tracks have how many frames."""
    frames = content.tracks["frames"].to_numpy(np.int64)
    edges = np.arange(0.5, max(content.shape[0], int(frames.max(initial=1))) + 1.0)
    with matplotlib.rc_context(STYLE):
        figure, plot = _figure("Lengths of the tracks", "frames in the track", f"tracks (n = {len(frames):,})")
        plot.hist(frames, bins=edges.tolist(), color=BLUE, rwidth=0.9)
    return figure


def save(figure: Figure, path: Path | str, dpi: int = DPI) -> None:
    """Write a figure as `.svg`, `.pdf` or `.png` of `dpi` points per inch, in one step.

    Raises
    ------
    OutputError
        For another ending, and if the place cannot be written to.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise OutputError(f"A figure ends in {', '.join(FORMATS)}, got '{target.name}'; choose one of these.")
    part = target.with_name(f".{target.stem}.{os.getpid()}.tmp{target.suffix}")
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(target.suffix.lower())
    try:
        with matplotlib.rc_context(STYLE):
            figure.savefig(part, dpi=dpi, metadata=undated)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(
            f"The figure cannot be written to {target} ({error.strerror}); choose another place."
        ) from error


def _figure(title: str, x: str, y: str) -> tuple[Figure, matplotlib.axes.Axes]:
    figure = Figure(figsize=(COLUMN_MM / 25.4, HEIGHT_MM / 25.4), layout="constrained")
    plot = figure.add_subplot()
    plot.set(title=title, xlabel=x, ylabel=y)
    return figure, plot


def reach(weight: np.ndarray, shares: np.ndarray, limits: dict[str, float], title: str) -> Figure:
    """An effective receptive field `(Y, X)` beside the share of its weight within each radius `(R,)`, in px from 0.

    `limits` are named radii that are drawn as lines.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2 * COLUMN_MM / 25.4, HEIGHT_MM / 25.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.imshow(np.sqrt(weight), cmap="magma", interpolation="nearest")
        left.set(title=title, xlabel="px", ylabel="px")
        right.plot(np.arange(len(shares)), 100 * shares, color=BLUE, linewidth=1.2)
        for n, (name, radius) in enumerate(limits.items()):
            right.axvline(radius, color=GREY, linewidth=0.8, linestyle=("--", ":", "-.", "-")[n % 4], label=name)
        right.set(xlabel="distance from the output pixel, px", ylabel="weight within, %", ylim=(0, 101))
        right.legend(loc="lower right")
    return figure


def pictures(rows: Sequence[Sequence[np.ndarray]], columns: Sequence[str], title: str) -> Figure:
    """Images `(Y, X)` in rows, one title per column; each is drawn from its least to its largest value."""
    with matplotlib.rc_context(STYLE):
        side = 2 * COLUMN_MM / 25.4 / max(len(columns), 3)
        figure = Figure(figsize=(side * len(columns), side * len(rows) + 0.4), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=8, fontweight="bold")
        plots = figure.subplots(len(rows), len(columns), squeeze=False)
        for line, row in zip(plots, rows, strict=True):
            for plot, image in zip(line, row, strict=True):
                plot.imshow(image, cmap="gray", interpolation="nearest")
                plot.set_axis_off()
        for plot, name in zip(plots[0], columns, strict=True):
            plot.set_title(name, loc="center", fontweight="normal", fontsize=7)
    return figure
