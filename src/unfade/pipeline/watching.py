"""A folder or OME-Zarr that is still being written, worked through frame by frame as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from unfade.data.arriving import Arrival, Arrivals, open_arrivals
from unfade.data.outputs import guarded, remove, write_text
from unfade.errors import MissingInputError, OutputError
from unfade.pipeline import segmenting, units
from unfade.pipeline.folder import MANIFEST, RunFolder, content_hash, key_of, versions
from unfade.pipeline.locking import locked
from unfade.pipeline.opening import open_model
from unfade.pipeline.running import run, seen_key
from unfade.pipeline.session import FrameResult, Session
from unfade.pipeline.settings import RunSettings
from unfade.report.content import ReportContent, Snapshot
from unfade.report.page import write as write_page

LIVE = "live.csv"  # objects of the frames so far; the tables of a finished run replace it
STOP = "stop"  # a file of this name in the run folder ends the watch
RESTS = 20  # times as long as a report took nothing is done for the next one
KEPT = ("frame", "track", "kind", "y_px", "x_px", "area_px", "touches_border")  # columns held for the page


@dataclass(frozen=True)
class Vigil:
    """When a watch looks, waits and ends."""

    timeout_s: float | None = None  # without a new frame; None = for ever
    stop_file: Path | None = None  # ends it when it appears; the default is `stop` in the run folder
    patience_s: float = 10.0  # that a half-written file may stay as it is before it is left out
    poll_s: float = 0.02  # between two looks
    report_s: float = 30.0  # between two reports, made when no frame waits; more where they take long


@dataclass(frozen=True)
class Seen:
    """A frame that was worked through."""

    result: FrameResult
    name: str
    latency_s: float  # from the end of its writing to its last result on disk


def watch(
    source: Path,
    out: Path,
    settings: RunSettings,
    tell: Callable[[Seen], None] | None = None,
    vigil: Vigil = Vigil(),
) -> RunFolder:
    """Follow `source` while it fills and leave a run folder in `out`, as `run` would have made of the same frames.

    Every frame is segmented, linked and measured as it comes; `live.csv` grows by its objects. The watch ends at the
    stop file, after `timeout_s` without a frame, or by an interruption (KeyboardInterrupt), and then finishes the
    folder. A watch that was killed goes on in the same folder.

    Raises
    ------
    InputError
        If there is no such folder, no frame came, or frames cannot be read as asked.
    SettingsError
        If the system or linker has to see later frames.
    OutputError
        If `out` is something else, in use, or cannot be written.
    """
    arrivals = open_arrivals(source, settings.input.read, vigil.patience_s)
    folder = RunFolder(out)
    folder.check_place()
    with locked(folder.root, folder.work):
        work = _Watch(source, folder, settings, arrivals)
        work.claim()
        with suppress(KeyboardInterrupt):
            work.follow(vigil, tell)
        if work.session is None or work.session.count == 0:
            folder.clear()
            raise MissingInputError(f"No frame came to {source}; nothing is left in {out}.")
        chosen = work.settled()
    finished = run(source, out, chosen)
    remove(out / LIVE)
    return finished


class _Watch:
    """A watch under way."""

    def __init__(self, source: Path, folder: RunFolder, settings: RunSettings, arrivals: Arrivals) -> None:
        self.source, self.folder, self.settings, self.arrivals = source, folder, settings, arrivals
        self.session: Session | None = None
        self.rows: list[pd.DataFrame] = []
        self.key = key_of("watch", segmenting.VERSION, settings.predict.plain(), settings.system.plain())

    def claim(self) -> None:
        """Take the folder, or go on in that of a killed watch of the same source."""
        mark = f"watch of {self.source.resolve()}"
        before = self.folder.read_manifest().get("input", {})
        if before.get("path") == str(self.source) and before.get("hash") != mark:
            raise OutputError(
                f"{self.folder.root} holds a run of {self.source} whose frames had all come; go on with unfade run, or "
                "choose another folder."
            )
        known = self.folder.claim(mark)
        if not known:
            with guarded(self.folder.root):
                self.folder.write_manifest(
                    {
                        "manifest": MANIFEST,
                        "input": {"path": str(self.source), "hash": mark},
                        "versions": versions(),
                        "settings": self.settings.plain(),
                        "stages": {},
                    }
                )
        segmenting.begin(self.folder.instances, self.key)
        with guarded(self.folder.root):
            remove(self.folder.root / LIVE)

    def follow(self, vigil: Vigil, tell: Callable[[Seen], None] | None) -> None:
        """Take frames until the end."""
        stop = vigil.stop_file or self.folder.root / STOP
        last = time.monotonic()
        due, fresh = last + vigil.report_s, False
        while True:
            arrival = self.arrivals.next()
            now = time.monotonic()
            if arrival is not None:
                seen = self.take(arrival)
                last, fresh = time.monotonic(), True
                if tell is not None:
                    tell(seen)
                continue
            if stop.exists() and not self.arrivals.waiting():
                with suppress(OSError):
                    stop.unlink()
                return
            if vigil.timeout_s is not None and now - last > vigil.timeout_s:
                return
            if fresh and now > due and not self.arrivals.waiting():
                self.report()
                done = time.monotonic()
                due, fresh = done + max(vigil.report_s, RESTS * (done - now)), False
            time.sleep(vigil.poll_s)

    def take(self, arrival: Arrival) -> Seen:
        """Work a frame through and put its results on disk."""
        if self.session is None:
            movie = self.arrivals.first
            assert movie is not None
            self.session = Session(self.settings, movie.channels, movie.calibration)
        path = segmenting.frame_path(self.folder.instances, self.session.count)
        known = segmenting.read_instances(path) if path.is_file() else None
        result = self.session.push(arrival.image, known)
        self.image = arrival.image
        if known is None:
            segmenting.write_instances(path, result.found)
        live = self.folder.root / LIVE
        with guarded(live), live.open("a", encoding="utf-8", newline="\n") as file:
            result.objects.to_csv(file, header=result.frame == 0, index=False)
        self.rows.append(result.objects[[c for c in result.objects if c in KEPT or str(c).startswith("ratio_")]])
        self.last = result
        return Seen(result, arrival.name, time.time() - arrival.written_s)

    def report(self) -> None:
        """The page as far as the frames have come."""
        session, movie = self.session, self.arrivals.first
        assert session is not None
        assert movie is not None
        channel = movie.channel(self.settings.input.segment_channel)
        frames = "1 frame" if session.count == 1 else f"{session.count} frames"
        write_page(
            self.folder.report,
            ReportContent(
                title=self.source.name,
                shape=(session.count, *movie.shape[1:]),
                channels=movie.channels,
                calibration=replace(movie.calibration, times_s=None),
                objects=pd.concat(self.rows, ignore_index=True),
                tracks=session.lineage().tracks(),
                source=str(self.source),
                ratios=session.ratios(),
                snapshots=[Snapshot(self.last.frame, self.image[channel], self.last.labels)],
                snapshot_channel=movie.channels[channel],
                notes=(f"This is a live view after {frames}.", *self.arrivals.notes),
            ),
        )

    def settled(self) -> RunSettings:
        """Settings that make of the frames taken what the watch made; the folder is left as an interrupted run."""
        session, settings = self.session, self.settings
        assert session is not None
        assert session.diameter is not None
        read = self.arrivals.settings()
        predict = settings.predict
        if session.diameter.px is not None:
            predict = predict.changed(diameter=min(max(session.diameter.px, 1e-3), 1e4))
        chosen = settings.changed(input=settings.input.changed(read=read.plain()).plain(), predict=predict.plain())
        unit = units.Run(self.source.resolve(), chosen, self.folder.root.resolve(), self._channel())
        diameter: dict[str, Any] = {**vars(session.diameter), "key": units.diameter_key(unit, open_model(chosen))}
        identity = content_hash(self.source)
        write_text(self.folder.instances / "key.txt", seen_key(identity, diameter["key"]))
        known = self.folder.read_manifest()
        known["input"]["hash"] = identity
        known["watched"] = list(self.arrivals.notes)
        self.folder.write_manifest({**known, "diameter": diameter})
        return chosen

    def _channel(self) -> int:
        movie = self.arrivals.first
        assert movie is not None
        return movie.channel(self.settings.input.segment_channel)
