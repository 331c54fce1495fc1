"""The guide does what it says: its blocks run in order, each page in an empty folder of its own."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from unfade.cli import main
from unfade.cli.app import app

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
FENCE = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A piece of code on a page."""

    language: str
    code: str
    line: int  # of its first line of code, from 1


def blocks(page: Path) -> list[Block]:
    """Blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(m[1], m[2], text[: m.start()].count("\n") + 2) for m in FENCE.finditer(text)]


def run_command(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of one line of a console block."""
    words = shlex.split(line)
    assert words[:2] == ["$", "unfade"], f"only unfade is run here, not: {line}"
    monkeypatch.setattr(sys, "argv", words[1:])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.stem)
def test_the_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks(page):
        if block.language == "python":
            code = "\n" * (block.line - 1) + block.code  # so that a traceback names the line of the page
            exec(compile(code, page.name, "exec"), names)
            continue
        for line in block.code.splitlines():
            assert run_command(line, monkeypatch) == 0, f"{page.name}: {line}\n{capsys.readouterr().err}"


def test_every_page_of_the_guide_is_in_the_index() -> None:
    index = (GUIDE.parent / "index.md").read_text(encoding="utf-8")
    assert {f"guide/{p.stem}" for p in PAGES} == set(re.findall(r"^guide/[\w-]+$", index, re.MULTILINE))


def test_options_on_the_pages_exist() -> None:
    """Options named in running text, which no block executes."""
    group: Any = typer.main.get_command(app)
    known = {option for command in group.commands.values() for p in command.params for option in p.opts}
    named = {o for p in PAGES for o in re.findall(r"`(?:unfade [^`]*?)?(--[a-z-]+)", p.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert named <= known
