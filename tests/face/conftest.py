"""The command line as a person uses it, and one finished run that tests look at."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from unfade import api
from unfade.cli import main
from unfade.data.tiff_writer import write_ome_tiff
from unfade.pipeline.settings import RunSettings
from unfade.testing.movies import tiny


@dataclass(frozen=True)
class Said:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    def sentence(self) -> str:
        """The one sentence of a refusal, its form checked: exit code 2, one line, nothing on standard output.

        Lines before it may say why a stage was begun again.
        """
        lines = [x for x in self.err.splitlines() if not re.match(r"\w+ (is done again: |goes on where ).*\.$", x)]
        assert (self.code, self.out, len(lines)) == (2, "", 1), (self.code, self.out, self.err)
        assert lines[0].startswith("Error: ")
        assert lines[0].endswith(".")
        return lines[0].removeprefix("Error: ")


Command = Callable[..., Said]


@pytest.fixture
def unfade(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Calls the command line with words."""

    def call(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["unfade", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Said(int(end.value.code or 0), said.out, said.err)

    return call


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of 64 x 64 pixels with nuclei of 12 px."""
    path = tmp_path_factory.mktemp("movie") / "cells.ome.tif"
    write_ome_tiff(path, tiny().movie())
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, movie: Path) -> Path:
    """A finished run of the movie with `--diameter 12`; copy it before changing anything."""
    settings = RunSettings.parse({"predict": {"diameter": 12.0}})
    return api.run(movie, tmp_path_factory.mktemp("run") / "out", settings).root
