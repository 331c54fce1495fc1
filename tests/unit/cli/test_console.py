"""Messages keep the text of files as it is, and progress is silent where nobody looks."""

from __future__ import annotations

import json
import math

import pytest

from unfade.cli import console


def test_brackets_in_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        console.fail("There is no file [bold]movie[/] [1].tif.")
    assert end.value.code == 2
    assert capsys.readouterr().err == "Error: There is no file [bold]movie[/] [1].tif.\n"


def test_long_sentences_stay_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        console.fail("word " * 100 + "end.", code=3)
    assert capsys.readouterr().err.count("\n") == 1


def test_json_keeps_letters(capsys: pytest.CaptureFixture[str]) -> None:
    console.say_json({"unit": "µm²", "value": 1.5})
    out = capsys.readouterr().out
    assert "µm²" in out
    assert json.loads(out) == {"unit": "µm²", "value": 1.5}


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress() as draw:
        assert draw is None
    assert capsys.readouterr() == ("", "")


def test_progress_draws_in_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console, "messages", console.Console(stderr=True, force_terminal=True, width=80))
    with console.progress() as draw:
        assert draw is not None
        for done in range(1, 4):
            draw("segment", done, 3)
    shown = capsys.readouterr()
    assert "segment" in shown.err
    assert "3/3" in shown.err
    assert shown.out == ""
    with console.progress(quiet=True) as draw:
        assert draw is None


def test_what_is_no_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    console.say_json({"a": [math.nan, 1.5, (math.inf,)], "b": {"c": -math.inf}, "d": "nan"})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5, [None]], "b": {"c": None}, "d": "nan"}
