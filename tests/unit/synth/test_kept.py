"""Painted frames are kept a while, and a movie that nobody holds is gone at once."""

from __future__ import annotations

import gc
import weakref

import pytest

from unfade.synth import CellMovie, CellMovieSettings, NucleusShapes, TranslocationMovie, TranslocationSettings
from unfade.synth.kept import Kept

SMALL = {"frames": 1, "height_px": 64, "width_px": 64}


def test_the_values_asked_for_last_stay() -> None:
    made: list[int] = []

    def make(t: int) -> str:
        made.append(t)
        return str(t)

    kept: Kept[str] = Kept(2)
    assert [kept.get(t, make) for t in (0, 1, 0, 2, 0, 1)] == ["0", "1", "0", "2", "0", "1"]
    assert made == [0, 1, 2, 1]


@pytest.mark.parametrize("kind", ["cells", "translocation"])
def test_a_movie_that_nobody_holds_leaves_memory_without_the_collector(kind: str) -> None:
    movie: CellMovie | TranslocationMovie
    if kind == "cells":
        movie = CellMovie(CellMovieSettings.parse(SMALL))
    else:
        movie = TranslocationMovie(TranslocationSettings.parse(SMALL), NucleusShapes.drawn(4))
    gc.disable()
    try:
        movie.frame(0)
        gone = weakref.ref(movie)
        del movie
        assert gone() is None
    finally:
        gc.enable()
