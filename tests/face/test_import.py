"""What starting costs: `import unfade` and the help of the command line are quick and need no torch."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib import metadata

import pytest

import unfade

LIMIT_S = 0.3
HEAVY = ("torch", "torchvision", "matplotlib", "skimage", "pandas", "zarr", "tifffile")

TIME = "import time; start = time.perf_counter(); import unfade; print(time.perf_counter() - start)"
LOADED = """
import json, sys
sys.argv = ["unfade", *sys.argv[1:]]
try:
    {action}
except SystemExit as end:
    assert not end.code, end.code
sys.stderr.write(json.dumps(sorted(sys.modules)))
"""


def fresh(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)


def loaded(action: str, *arguments: str) -> set[str]:
    """Top-level modules that are loaded after an action in a fresh interpreter."""
    modules = json.loads(fresh(LOADED.format(action=action), *arguments).stderr)
    return {name.partition(".")[0] for name in modules}


def test_import_takes_under_a_third_of_a_second() -> None:
    best = min(float(fresh(TIME).stdout) for _ in range(5))
    assert best < LIMIT_S


def test_import_loads_nothing_heavy() -> None:
    modules = loaded("import unfade")
    assert "unfade" in modules
    assert not modules.intersection(HEAVY)


@pytest.mark.parametrize("verb", ["", "run", "train"])
def test_help_loads_no_torch(verb: str) -> None:
    modules = loaded("import unfade.cli; unfade.cli.main()", *verb.split(), "--help")
    assert "typer" in modules
    assert not modules.intersection(("torch", "torchvision", "matplotlib"))


def test_every_public_name_is_there_when_asked_for() -> None:
    for name in unfade.__all__:
        assert getattr(unfade, name) is not None
    assert set(dir(unfade)) == set(unfade.__all__)
    with pytest.raises(AttributeError, match="no attribute 'helpers'"):
        unfade.helpers  # noqa: B018


def test_a_verb_stays_a_verb_beside_a_room_of_its_name() -> None:
    rooms = [importlib.import_module(f"unfade.{name}") for name in ("measure", "score", "train")]
    assert [room.__name__ for room in rooms] == ["unfade.measure", "unfade.score", "unfade.train"]
    assert [verb.__module__ for verb in (unfade.measure, unfade.score, unfade.train)] == ["unfade.api"] * 3


def test_the_version_is_that_of_the_package() -> None:
    assert unfade.__version__ == metadata.version("unfade")
