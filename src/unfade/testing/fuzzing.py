"""Every reader against damaged files, each in a process of its own that is watched: result or error, time, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unfade.data import ReadSettings, ctc, open_labels, open_movie
from unfade.data.ctc_faults import validate
from unfade.data.describing import describe
from unfade.data.geff import read_geff
from unfade.data.instancestore import read_overlapping
from unfade.data.omexml import parse_ome
from unfade.data.positions import list_positions
from unfade.data.table import read_table
from unfade.errors import UnfadeError
from unfade.pipeline.settings import RunSettings
from unfade.settings import read_toml

FRAMES = 3  # that are read of each movie
LIMIT_S = 60.0  # after which a process that answers nothing is ended


def movie(path: Path) -> None:
    """Look at a movie and read its first frames, whole and by rows."""
    describe(path)
    opened = open_movie(path, ReadSettings(project="max"))
    for t in range(min(len(opened), FRAMES)):
        opened.frame(t)
        opened.rows(t).read(0, 1)


def labels(path: Path) -> None:
    """Read the first frames of label images, whole and by rows."""
    opened = open_labels(path)
    for t in range(min(len(opened), FRAMES)):
        opened.frame(t)
        opened.rows(t).read(0, 1)


def challenge(path: Path) -> None:
    """Read a challenge folder whole, and list its faults."""
    validate(path)
    opened = ctc.read(path)
    _ = opened.lineage
    for t in range(min(len(opened.labels), FRAMES)):
        opened.labels.frame(t)


def settings(path: Path) -> None:
    """Read a settings file of a run."""
    RunSettings.parse(read_toml(path))


def xml(path: Path) -> None:
    """Parse OME-XML by itself."""
    parse_ome(path.read_text(encoding="utf-8", errors="replace"), path)


def positions(path: Path) -> None:
    """List the movies of a plate, folder or list, without opening them."""
    list_positions(path)


def table(path: Path) -> None:
    """Read a table."""
    read_table(path)


def graph(path: Path) -> None:
    """Read a lineage."""
    read_geff(path)


def instances(path: Path) -> None:
    """Read masks that may overlap."""
    for _ in read_overlapping(path):
        pass


READERS: dict[str, Callable[[Path], None]] = {
    f.__name__: f for f in (movie, labels, challenge, settings, xml, positions, table, graph, instances)
}


@dataclass(frozen=True)
class Answer:
    """What a reader made of a file."""

    reader: str
    file: str
    kind: str  # "result", "refused", or what went wrong
    text: str
    seconds: float  # on the clock
    peak_mib: float  # of the process, the library imports included
    busy_s: float = 0.0  # of the processor, which a busy machine does not stretch


def answers(work: Iterator[tuple[str, Path]]) -> Iterator[Answer]:
    """Each reader's answer to a file, by one watched process after the other; one that dies or hangs is an answer."""
    process = _start()
    try:
        for reader, path in work:
            began = time.monotonic()
            said = _asked(process, reader, path)
            if said is None:
                code = _end(process)
                yield Answer(reader, str(path), f"ended with {code}", "", time.monotonic() - began, 0.0)
                process = _start()
            else:
                yield Answer(reader, str(path), **said)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> int:
    """Exit code of a process that is ended now."""
    process.kill()
    with suppress(BrokenPipeError), process:
        process.wait()
    return process.returncode


def _start() -> subprocess.Popen[str]:
    code = "from unfade.testing.fuzzing import serve; serve()"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _asked(process: subprocess.Popen[str], reader: str, path: Path) -> dict[str, Any] | None:
    import select

    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps([reader, str(path)]) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], LIMIT_S)
        line = process.stdout.readline() if ready else ""
    except OSError:
        return None
    return dict(json.loads(line)) if line else None


def serve() -> None:
    """Answer requests of `answers` on standard input until it closes."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes elsewhere
    out.write("ready\n")
    out.flush()
    for line in sys.stdin:
        reader, path = json.loads(line)
        out.write(json.dumps(_answer(READERS[reader], Path(path))) + "\n")
        out.flush()


def _answer(read: Callable[[Path], None], path: Path) -> dict[str, object]:
    began, used = time.perf_counter(), time.process_time()
    try:
        read(path)
        kind, text = "result", ""
    except UnfadeError as error:
        kind, text = "refused", str(error)
    except BaseException as error:
        kind, text = f"error {type(error).__name__}", str(error)[:300]
    busy = time.process_time() - used
    return {
        "kind": kind,
        "text": text,
        "seconds": time.perf_counter() - began,
        "peak_mib": _peak_mib(),
        "busy_s": busy,
    }


def _peak_mib() -> float:
    import resource  # not on every system

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
