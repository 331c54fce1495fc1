"""A run killed anywhere goes on to the same result: nothing half-written, nothing done twice that was complete."""

from __future__ import annotations

import builtins
import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.face.conftest import Command
from unfade import api
from unfade.pipeline.folder import STAGES
from unfade.pipeline.settings import RunSettings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills by signal")

# Runs in a process of its own, which imports everything once and forks for every point. A child counts what is written
# and kills itself at the n-th step of one kind; the next child runs the same command to its end.
MATRIX = r"""
import json, os, signal, sys, time
from pathlib import Path

import torch
import unfade.pipeline.running as running
from unfade.data import outputs, labelstore, table_writer
from unfade.pipeline import arrays, batch, folder, linking, reporting, segmenting, units
from unfade.pipeline.settings import RunSettings
from unfade.report import page
from unfade.predict.frames import FramePredictor
from unfade.records import Instances
from scipy import ndimage
import unfade.systems.nuclei_unet, skimage.segmentation, pyarrow.csv, pyarrow.parquet, zarr, matplotlib.figure

torch.set_num_threads(1)
movie, place = Path(sys.argv[1]), Path(sys.argv[2])
settings = RunSettings.parse({"predict": {"diameter": 12.0}, "input": {"read": {"frames": "0:3"}}})


def bright(engine, image, zoom=1.0, ends=None):
    "In place of the network, which takes no part in what is tried here."
    found = ndimage.label(image[0] > image[0].mean() + image[0].std())[0]
    return Instances.of(found.astype("i4"), u_total=[0.5] * found.max())


FramePredictor.instances = bright


def die_at(owner, name, count, before=True):
    known, seen = getattr(owner, name), [0]

    def step(*args, **kwargs):
        seen[0] += 1
        if seen[0] == count and before:
            os.kill(os.getpid(), signal.SIGKILL)
        value = known(*args, **kwargs)
        if seen[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    setattr(owner, name, step)


def half(owner, name, count):
    "Writes half of what it should into the path it is given, and dies."
    known, seen = getattr(owner, name), [0]

    def step(path, data, *args, **kwargs):
        seen[0] += 1
        if seen[0] == count:
            path.write_bytes(data[: len(data) // 2] if isinstance(data, bytes) else data[: len(data) // 2].encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return known(path, data, *args, **kwargs)

    setattr(owner, name, step)


POINTS = {
    "before the first manifest has its name": lambda: die_at(outputs, "move", 1),
    "after the first manifest": lambda: die_at(folder.RunFolder, "write_manifest", 1, before=False),
    "inside the file of a frame": lambda: die_at(arrays.np, "savez", 2),
    "between two frames": lambda: die_at(segmenting, "write_instances", 3, before=False),
    "after the last frame, before the stage is told complete": lambda: die_at(folder.RunFolder, "write_manifest", 2),
    "inside the label store": lambda: die_at(labelstore.LabelWriter, "write", 3),
    "while the label store gets its name": lambda: die_at(labelstore, "move", 1, before=False),
    "between label store and lineage": lambda: die_at(linking, "write_lineage", 1),
    "after linking": lambda: die_at(folder.RunFolder, "write_manifest", 4, before=False),
    "inside the table of objects": lambda: die_at(table_writer.csv, "write_csv", 1, before=False),
    "between the two forms of the table": lambda: die_at(table_writer, "move", 1, before=False),
    "inside the report": lambda: half(Path, "write_bytes", 1),
    "before the settings": lambda: die_at(running, "write_toml", 1),
    "after the last manifest": lambda: die_at(folder.RunFolder, "write_manifest", 8, before=False),
}


def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def one(out):
    running.run(movie, out, settings)


assert child(lambda: one(place / "whole")) == 0
result = {}
for n, (name, arm) in enumerate(POINTS.items()):
    out = place / str(n)
    killed = child(lambda: (arm(), one(out)))
    told = place / f"{n}.json"
    manifest = out / "manifest.json"
    before = json.loads(manifest.read_text())["stages"] if manifest.exists() else {}
    again = child(lambda: one(out))
    result[name] = {"out": str(out), "killed": killed, "again": again, "before": before}
print(json.dumps(result))
"""


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file; those with times or places inside by their names only."""
    inside = ("manifest.json", "report.html")
    return {
        p.relative_to(folder).as_posix(): "" if p.name in inside else hashlib.md5(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_a_kill_at_any_point_changes_nothing_in_the_end(movie: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MATRIX, str(movie), str(tmp_path)], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) >= 12
    reached, expected = set(), contents(tmp_path / "whole")
    for name, facts in found.items():
        assert (facts["killed"], facts["again"]) == (-9, 0), (name, done.stderr)
        out = Path(facts["out"])
        assert contents(out) == expected, name
        after = json.loads((out / "manifest.json").read_text())["stages"]
        complete = {s for s in STAGES if facts["before"].get(s, {}).get("complete")}
        assert all(after[s] == facts["before"][s] for s in complete), name  # with its time: not done again
        assert all(after[s]["complete"] for s in STAGES)
        reached.add(len(complete))
    assert reached == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("over", ["first", "second"])
def test_a_kill_between_the_names_of_two_label_stores(finished: Path, movie: Path, tmp_path: Path, over: str) -> None:
    """The one moment at which the old labels have no name: they come back, or the new ones take it."""
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    labels, aside = out / "labels.ome.zarr", out / "labels.ome.zarr.part.old"
    labels.rename(aside) if over == "first" else shutil.copytree(labels, aside)
    api.run(movie, out, RunSettings.parse({"predict": {"diameter": 12.0}}))
    assert contents(out) == contents(finished)


def test_a_disk_that_is_read_only_leaves_earlier_results_as_they_are(
    unfade: Command, finished: Path, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    words = ("run", movie, "-o", out, "--diameter", 12)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    opened, make = io.open, Path.mkdir

    def refuse(place: object) -> None:
        if str(place).startswith(str(out)):
            raise OSError(errno.EROFS, "Read-only file system", str(place))

    def read_only(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if set(mode) & set("wax+"):
            refuse(file)
        return opened(file, mode, *args, **kwargs)

    def no_folder(path: Path, *args: Any, **kwargs: Any) -> None:
        refuse(path)
        make(path, *args, **kwargs)

    with monkeypatch.context() as disk:
        for module in (builtins, io):
            disk.setattr(module, "open", read_only)
        disk.setattr(Path, "mkdir", no_folder)
        disk.setattr(os, "access", lambda place, mode, **_: mode != os.W_OK or not str(place).startswith(str(out)))
        assert unfade(*words).code == 0  # nothing is to be done
        sentence = unfade(*words, "--gap", 1).sentence()
    assert sentence.endswith("cannot be written: the disk is read-only, choose another place.")
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
