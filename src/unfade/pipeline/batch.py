"""Many movies with one set of settings: a run folder each, a summary over all, and a log of what happened to whom."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from unfade.data.outputs import guarded
from unfade.data.positions import Position
from unfade.data.table import write_table
from unfade.errors import OutputError, UnfadeError
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.locking import locked
from unfade.pipeline.measuring import read_summary
from unfade.pipeline.running import Way, run
from unfade.pipeline.settings import RunSettings
from unfade.records import Table
from unfade.settings import write_toml

Progress = Callable[[str, int, int], None]
OnError = Literal["continue", "stop"]
SUMMARY, LOG, SETTINGS = "summary.csv", "log.jsonl", "batch.toml"
KEPT = " is kept"  # ends what a run says of a stage that is not done again
UNITS = {"median_area_px": "px²", "seconds": "s"}


@dataclass(frozen=True)
class Outcome:
    """What became of one position."""

    name: str
    condition: str
    well: str
    position: str
    path: str
    status: Literal["done", "failed"]
    error: str = ""
    seconds: float = 0.0
    frames: int = 0
    tracks: int = 0
    objects: int = 0
    median_area_px: float = float("nan")
    ratios: tuple[tuple[str, float], ...] = ()  # mean nucleus/ring ratio of each channel
    reasons: tuple[str, ...] = ()  # which stages were kept, and why others were done again


@dataclass(frozen=True)
class Screen:
    """A finished batch."""

    root: Path
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> int:
        """How many positions failed."""
        return sum(o.status == "failed" for o in self.outcomes)

    @property
    def summary(self) -> Path:
        """One row per position."""
        return self.root / SUMMARY


def run_batch(
    positions: Sequence[Position],
    out: Path,
    settings: RunSettings,
    progress: Progress | None = None,
    way: Way = Way(report=False),
    on_error: OnError = "continue",
) -> Screen:
    """Run every position into a folder of its name inside `out`; what is complete and unchanged is not done again.

    `summary.csv` has one row per position (its condition, well, position, state and figures), `log.jsonl` a line for
    every position when it ends, `batch.toml` the settings. With enough positions a pool takes whole positions, else
    it takes the frames of one after the other.

    Raises
    ------
    UnfadeError
        With `on_error` "stop", that of the first position that fails; the summary has all up to it.
    OutputError
        If the folder is something else, in use, or cannot be written.
    """
    _check_place(out)
    outcomes: list[Outcome] = []
    with locked(out, out / ".unfade"):
        with guarded(out):
            write_toml(out / SETTINGS, settings.changed(input=settings.input.changed(path=None).plain()).plain())
        try:
            for outcome in _outcomes(positions, out, settings, way):
                outcomes.append(outcome)
                _log(out / LOG, outcome)
                if way.tell is not None and outcome.reasons:
                    way.tell(f"{outcome.name}: {reasoned(outcome.reasons)}.")
                if progress is not None:
                    progress("positions", len(outcomes), len(positions))
                if outcome.status == "failed" and on_error == "stop":
                    raise UnfadeError(f"{outcome.name} failed: {outcome.error}")
        finally:
            write_table(out / SUMMARY, summarised(outcomes))
    return Screen(out, tuple(outcomes))


def _check_place(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; give the name of a folder.")
    if RunFolder(out).manifest.is_file():
        raise OutputError(f"{out} is the folder of one run; choose another folder for many.")
    with suppress(OSError):
        inside = {p.name for p in out.iterdir()} - {".unfade"} if out.is_dir() else set()
        if inside and SETTINGS not in inside:
            raise OutputError(f"{out} is not empty and holds no batch; choose another folder.")


def _outcomes(positions: Sequence[Position], out: Path, settings: RunSettings, way: Way) -> Iterator[Outcome]:
    if way.pool is not None and len(positions) >= way.pool.workers:
        alone = replace(way, pool=None, tell=None)
        yield from way.pool.map(partial(run_position, out=out.resolve(), settings=settings, way=alone), positions)
        return
    for position in positions:
        yield run_position(position, out, settings, way)


def run_position(position: Position, out: Path, settings: RunSettings, way: Way) -> Outcome:
    """Run one position; whatever goes wrong with it is told in its outcome, and so is why stages were done again."""
    known = Outcome(position.name, position.condition, position.well, position.position, str(position.path), "failed")
    began, said = time.perf_counter(), list[str]()
    try:
        folder = run(position.path, out / position.name, settings, None, replace(way, tell=said.append))
        return replace(_figures(known, folder), status="done", **_spent(began, said))
    except UnfadeError as error:
        text = str(error)
    except Exception as error:  # a movie that trips the program must not end the others' night
        text = f"unexpected {type(error).__name__}: {error}"
    return replace(known, error=" ".join(text.split()), **_spent(began, said))


def _spent(began: float, said: Sequence[str]) -> dict[str, Any]:
    return {"seconds": round(time.perf_counter() - began, 3), "reasons": tuple(text.rstrip(".") for text in said)}


def reasoned(reasons: Sequence[str]) -> str:
    """What became of the stages of a position in one line: `segment, link are kept; measure is done again: …`."""
    kept = [text.removesuffix(KEPT) for text in reasons if text.endswith(KEPT)]
    others = [text for text in reasons if not text.endswith(KEPT)]
    if kept and not others:
        return "nothing is to be done"
    return "; ".join([*([f"{', '.join(kept)} {'are' if len(kept) > 1 else 'is'} kept"] if kept else []), *others])


def _figures(known: Outcome, folder: RunFolder) -> Outcome:
    """The outcome with what the run's tables say."""
    facts = folder.read_manifest()
    rows = read_summary(folder)
    known_ratios = [n for n in map(str, rows) if n.startswith("ratio_") and rows[n].notna().any()]
    return replace(
        known,
        frames=int(facts["input"]["shape"][0]),
        tracks=int(facts["stages"]["measure"]["tracks"]),
        objects=len(rows),
        median_area_px=float(rows["area_px"].median()) if len(rows) else float("nan"),
        ratios=tuple((name, float(rows[name].mean())) for name in known_ratios),
    )


def _log(path: Path, outcome: Outcome) -> None:
    """One line more in the log."""
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(outcome), "ratios": dict(outcome.ratios)}
    text = json.dumps({k: v for k, v in line.items() if v == v}, ensure_ascii=False)
    with guarded(path), path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(text + "\n")


def summarised(outcomes: Sequence[Outcome]) -> Table:
    """One row per position: where it belongs, what became of it, its figures."""
    rows = pd.DataFrame(
        [{k: v for k, v in asdict(o).items() if k not in ("ratios", "error", "reasons")} for o in outcomes]
    )
    columns = sorted({name for o in outcomes for name, _ in o.ratios})
    for name in columns:
        rows[f"mean_{name}"] = [dict(o.ratios).get(name, np.nan) for o in outcomes]
    rows["error"] = [o.error for o in outcomes]
    return Table(rows, {name: unit for name, unit in UNITS.items() if name in rows})
