"""The guide does what it says: its blocks run in order, each page in an empty folder of its own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
FENCE = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A piece of code on a page."""

    language: str
    code: str
    line: int

    def command(self) -> list[str]:
        """How to run it: Python as it stands."""
        return [sys.executable, "-W", "error", "-c", self.code]

    def lines(self) -> Iterator[list[str]]:
        """Commands of a console block that belong to unfade."""
        for text in self.code.splitlines():
            words = shlex.split(text.removeprefix("$ "))
            assert words[0] == "unfade", f"line {self.line}: only unfade is run here, not {words[0]}"
            yield [sys.executable, "-c", "from unfade.cli import main; main()", *words[1:]]


def blocks(page: Path) -> list[Block]:
    """Blocks of a page; the Python ones are joined, as they share their names."""
    text = page.read_text(encoding="utf-8")
    found = [Block(m[1], m[2], text[: m.start()].count("\n") + 1) for m in FENCE.finditer(text)]
    joined: list[Block] = []
    for block in found:
        if block.language == "python" and joined and joined[-1].language == "python":
            joined[-1] = Block("python", joined[-1].code + block.code, joined[-1].line)
        else:
            joined.append(block)
    return joined


def run(command: list[str], folder: Path, where: str) -> None:
    """Run a command, and show what it said if it fails."""
    environment = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{where}: {' '.join(command[3:])}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.stem)
def test_the_page_runs(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.language == "python":
            run(block.command(), tmp_path, where)
        else:
            for command in block.lines():
                run(command, tmp_path, where)


def test_every_page_of_the_guide_is_in_the_index() -> None:
    index = (GUIDE.parent / "index.md").read_text(encoding="utf-8")
    assert {f"guide/{p.stem}" for p in PAGES} == set(re.findall(r"^guide/[\w-]+$", index, re.MULTILINE))


def test_options_on_the_pages_exist() -> None:
    """Options named in running text, which no block executes."""
    known = subprocess.run(
        [sys.executable, "-c", ALL_OPTIONS], capture_output=True, text=True, check=True
    ).stdout.split()
    named = {o for p in PAGES for o in re.findall(r"`(?:unfade [^`]*?)?(--[a-z-]+)", p.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert named <= set(known)


ALL_OPTIONS = """
import typer
from unfade.cli.app import app

group = typer.main.get_command(app)
for command in group.commands.values():
    for parameter in command.params:
        print(*parameter.opts)
"""
