"""The shape of the package: rooms, lengths, and no two files that must not meet."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "unfade"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST_FILE, LONGEST_BODY, MOST_ARGUMENTS = 600, 80, 7
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    """All functions and methods of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def body_lines(node: Function) -> int:
    """Lines of a function from its name to its end, without its docstring."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def arguments(node: Function) -> int:
    """Arguments that a caller gives by name or place."""
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([n for n in names if n not in ("self", "cls")])


def contracts() -> dict[str, dict[str, object]]:
    """The import contracts by their id."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {c["id"]: c for c in settings["tool"]["importlinter"]["contracts"]}


def rooms() -> set[str]:
    """Modules and packages directly under the root."""
    found = {p.stem for p in SOURCE.glob("*.py")} | {p.parent.name for p in SOURCE.glob("*/__init__.py")}
    return found - {"__init__"}


def test_files_and_functions_stay_short() -> None:
    long_files = [p.name for p in FILES if len(p.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE]
    bodies = [f"{p.name}:{f.name}" for p in FILES for f in functions(p) if body_lines(f) > LONGEST_BODY]
    outside = [p for p in FILES if p.parent.name != "cli"]
    greedy = [f"{p.name}:{f.name}" for p in outside for f in functions(p) if arguments(f) > MOST_ARGUMENTS]
    assert (long_files, bodies, greedy) == ([], [], [])


def test_files_are_named_for_what_they_hold() -> None:
    assert not {p.stem for p in FILES} & EMPTY_NAMES


def test_no_name_is_refused_by_windows() -> None:
    places = [p for folder in ("src", "tests", "docs") for p in (ROOT / folder).rglob("*")]
    bad = [p.name for p in places if re.search(r'[<>:"|?*\\]|[. ]$', p.name) or p.stem.lower() in RESERVED]
    assert bad == []
    assert not [p.name for p in places if p.is_symlink()]


def test_only_the_command_line_prints() -> None:
    calls = [
        p.relative_to(SOURCE).as_posix()
        for p in FILES
        for node in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert [c for c in calls if not c.startswith("cli/")] == []


def test_every_room_has_its_layer() -> None:
    layers = contracts()["layers"]["layers"]
    assert isinstance(layers, list)
    named = set(re.findall(r"\w+", " ".join(layers)))
    assert rooms() <= named


@pytest.mark.parametrize("room", ["records", "errors", "settings", "data", "measure", "score", "link", "report"])
def test_the_contract_keeps_torch_out_of(room: str) -> None:
    sources = contracts()["no-torch"]["source_modules"]
    assert isinstance(sources, list)
    assert f"unfade.{room}" in sources


def test_pins_hold_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 50
    assert [x for x in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.+!]*( ; .+)?", x) or "+" in x] == []


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {re.split(r"[\[<>=~! ;]", d, maxsplit=1)[0].lower() for d in wanted} - {"unfade"}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert names <= {line.partition("==")[0] for line in pins.splitlines()}
