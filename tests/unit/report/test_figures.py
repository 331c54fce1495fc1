"""Figures for publication."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from tests.unit.report.small import HOSTILE, content
from unfade.errors import OutputError
from unfade.report import figures


def test_curves_show_every_track_and_n() -> None:
    plot = figures.ratios(content(), "ratio_a", "reporter").axes[0]
    (lines,) = (c for c in plot.collections if isinstance(c, LineCollection))
    assert len(lines.get_segments()) == 6
    assert (plot.get_xlabel(), plot.get_ylabel()) == ("time (min)", "nucleus / ring ratio")
    assert np.allclose(
        plot.lines[0].get_ydata(), [2.15, 2.15, 2.15, 2.175, 2.125, 1.15, 1.15, 1.15, 1.15, 1.175][:10], atol=0.03
    )
    legend = plot.get_legend()
    assert legend is not None
    assert "median, n = 6 tracks" in [text.get_text() for text in legend.get_texts()]


def test_counts_and_lengths() -> None:
    line = figures.counts(content()).axes[0].lines[0]
    assert np.asarray(line.get_ydata()).tolist() == [5, 5, 5, 5, 4, 5, 5, 5, 5, 6]
    bars = figures.lengths(content()).axes[0].patches
    assert [bar.get_height() for bar in bars] == [1, 0, 0, 0, 0, 0, 0, 0, 1, 4]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("ending", "start"), [(".svg", b"<?xml"), (".pdf", b"%PDF"), (".png", b"\x89PNG")])
def test_saved_in_one_step(tmp_path: Path, ending: str, start: bytes) -> None:
    figures.save(figures.ratios(content(), "ratio_a", "$a$ <b>"), tmp_path / f"a{ending}")
    assert (tmp_path / f"a{ending}").read_bytes().startswith(start)
    assert len(list(tmp_path.iterdir())) == 1


def test_texts_stay_texts_and_the_file_is_the_same_again(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        figures.save(figures.counts(content()), tmp_path / name)
    text = (tmp_path / "a.svg").read_text("utf-8")
    assert ">Objects per frame</text>" in text
    assert text == (tmp_path / "b.svg").read_text("utf-8")


@pytest.mark.filterwarnings("ignore:Glyph")
def test_odd_titles_and_empty_movies(tmp_path: Path) -> None:
    figures.save(figures.ratios(content(), "ratio_a", f"$x_a$ {HOSTILE}"), tmp_path / "a.svg")
    figures.save(figures.ratios(content(empty=True), "ratio_a", "none"), tmp_path / "b.svg")
    assert ">$x_a$ &lt;img" in (tmp_path / "a.svg").read_text("utf-8")
    assert "n = 0 tracks" in (tmp_path / "b.svg").read_text("utf-8")


def test_bad_places_are_errors(tmp_path: Path) -> None:
    figure = figures.counts(content())
    with pytest.raises(OutputError, match=r"\.svg, \.pdf, \.png"):
        figures.save(figure, tmp_path / "a.jpg")
    with pytest.raises(OutputError, match="cannot be written"):
        figures.save(figure, tmp_path / "missing" / "a.svg")
