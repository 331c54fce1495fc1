"""The help: every verb is listed, every option explained, nothing swallowed by markup."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

import unfade as package
from tests.face.conftest import Command
from unfade.cli.app import app

GROUP: Any = typer.main.get_command(app)
VERBS = sorted(GROUP.commands)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 200)


def test_the_first_page_lists_every_verb_with_one_line(unfade: Command) -> None:
    said = unfade("--help")
    assert (said.code, said.err) == (0, "")
    assert {"run", "info", "models", "train", "score", "validate", "export", "synthesize"} <= set(VERBS)
    for verb in VERBS:
        assert re.search(rf"{verb} +[A-Z]\w+ .*\.", said.out), verb


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_explained(unfade: Command, verb: str) -> None:
    said = unfade(verb, "--help")
    assert (said.code, said.err) == (0, "")
    for parameter in GROUP.commands[verb].params:
        text = parameter.help
        assert text, parameter.name
        assert text.endswith("."), parameter.name
        assert text in said.out, f"{parameter.name}: markup has swallowed a part of '{text}'"
        assert all(option in said.out for option in parameter.opts)


def test_the_help_of_run_is_in_groups(unfade: Command) -> None:
    out = unfade("run", "--help").out
    places = [out.index(f" {title} ─") for title in ("Options", "Movie", "Cells and tracks", "Measurements")]
    assert places == sorted(places)
    assert re.search(r"--segment-channel +CHANNEL", out)
    assert re.search(r"--diameter +PX", out)
    assert re.search(r"--frames +A:B", out)


def test_version_and_no_words(unfade: Command) -> None:
    assert unfade("--version").out == f"{package.__version__}\n"
    said = unfade()
    assert said.code == 2
    assert re.search(r"Usage: unfade \[OPTIONS\] COMMAND", said.out + said.err)


def test_the_keyboard_interrupts_with_a_sentence(
    unfade: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unfade.api.run", interrupted)
    said = unfade("run", "m.tif", "-o", tmp_path / "out")
    assert (said.code, said.out) == (130, "")
    assert said.err.strip() == (
        "Error: Interrupted; a run or a training goes on where it stopped when it is started again."
    )
