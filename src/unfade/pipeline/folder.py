"""The run folder: where things lie, who owns it, which stages are complete."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import unfade
from unfade.data.outputs import PART, guarded, remove, write_json
from unfade.data.reading import is_zarr
from unfade.errors import OutputError, UnfadeError, UnreadableFileError
from unfade.pipeline.locking import NAME as LOCK

MANIFEST = 1  # version of the manifest's layout
STAGES = ("segment", "link", "measure", "report")
SAMPLE = 1 << 20  # bytes per sampled block of large inputs
WHOLE = 256 << 20  # inputs up to this many bytes are hashed whole
BLOCKS = 64


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run."""

    root: Path

    @property
    def settings(self) -> Path:
        """Settings that repeat the run."""
        return self.root / "run.toml"

    @property
    def manifest(self) -> Path:
        """Versions, settings, hashes, timings."""
        return self.root / "manifest.json"

    @property
    def labels(self) -> Path:
        """Label images holding track ids."""
        return self.root / "labels.ome.zarr"

    @property
    def overlapping(self) -> Path:
        """Masks as runs, where some overlap; a label image gives a pixel to one of them."""
        return self.root / "instances.zarr"

    @property
    def objects(self) -> Path:
        """One row per object and frame; the CSV beside it has the same stem."""
        return self.root / "objects.parquet"

    @property
    def tracks(self) -> Path:
        """One row per track: track, first, last, parent and what was measured over its life."""
        return self.root / "tracks.csv"

    def tables(self) -> tuple[Path, ...]:
        """All tables of a complete run."""
        return (self.objects, self.objects.with_suffix(".csv"), self.tracks)

    @property
    def uncertainty(self) -> Path:
        """Uncertainty of every pixel, where asked for: total, data part, model part."""
        return self.root / "uncertainty.ome.zarr"

    @property
    def repaired(self) -> Path:
        """Label images after repair, where asked for; those that were seen stay beside it."""
        return self.root / "repaired.ome.zarr"

    @property
    def provenance(self) -> Path:
        """Lineage after repair, and what became of every object."""
        return self.work / "provenance.npz"

    def is_repaired(self) -> bool:
        """Whether the tables of the run are those of its repaired labels."""
        found = self.read_manifest()
        return _wants_repair(found) and bool(found["stages"].get("repair", {}).get("complete", False))

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.root / "report.html"

    @property
    def work(self) -> Path:
        """What stages leave for a later run to go on from."""
        return self.root / ".unfade"

    @property
    def instances(self) -> Path:
        """Objects of every segmented frame, one file each."""
        return self.work / "instances"

    @property
    def lineage(self) -> Path:
        """Nodes, tracks and parents."""
        return self.work / "lineage.npz"

    def read_manifest(self) -> dict[str, Any]:
        """The manifest, or an empty one.

        Raises
        ------
        OutputError
            If it is damaged, or was written by something else.
        """
        if not self.manifest.is_file():
            return {}
        try:
            found = json.loads(self.manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise OutputError(f"{self.manifest} is damaged; delete the folder {self.root} or choose another.") from None
        if not isinstance(found, dict) or not isinstance(found.get("input"), dict) or "stages" not in found:
            raise OutputError(f"{self.manifest} was not written by a run; choose another folder.")
        return found

    def write_manifest(self, values: Mapping[str, Any]) -> None:
        """Replace the manifest."""
        write_json(self.manifest, dict(values))

    def complete(self, repaired: bool = True) -> bool:
        """Whether every stage of the run is complete; one that makes no report has a stage less.

        Without `repaired` a repair that was asked for may be missing.
        """
        found = self.read_manifest()
        stages = found.get("stages", {})
        wanted = [name for name in STAGES if name != "report" or found.get("reported", True)]
        wanted += ["repair"] if repaired and _wants_repair(found) else []
        return all(stages.get(name, {}).get("complete", False) for name in wanted)

    def check_place(self) -> None:
        """Refuse a place that is a file.

        Raises
        ------
        OutputError
            If it is one.
        """
        if self.root.exists() and not self.root.is_dir():
            raise OutputError(f"{self.root} is a file; give the name of a folder.")

    def claim(self, input_hash: str) -> dict[str, Any]:
        """Give the manifest of an earlier run of the same input, or an empty one if the folder is free.

        Raises
        ------
        OutputError
            If the folder belongs to another movie, or holds something that is no run.
        """
        found = self.read_manifest()
        if found:
            if found["input"].get("hash") != input_hash:
                source = found["input"].get("path", "unknown")
                raise OutputError(f"{self.root} holds the run of another movie ({source}); choose another folder.")
            return found
        with guarded(self.root):
            inside = {p.name for p in self.root.iterdir()} if self.root.is_dir() else set()
            if {p.name for p in self.work.glob("*")} <= {LOCK}:
                inside -= {self.work.name}
        if inside - {self.manifest.name + PART}:  # a start that was killed leaves that name alone
            raise OutputError(f"{self.root} is not empty and holds no run; choose another folder.")
        return {}

    @contextmanager
    def undone(self) -> Iterator[None]:
        """A new run that fails inside the block, before any stage is complete, leaves nothing of itself.

        Neither do folders that were made for it. A run that has completed a stage stays, and so does an earlier one.
        """
        if self.manifest.is_file():
            yield
            return
        made = [p for p in (self.root, *self.root.parents) if not p.exists()]
        try:
            yield
        except UnfadeError:
            stages = self.read_manifest().get("stages", {})
            if not any(stage.get("complete") for stage in stages.values()):
                self._remove(made)
            raise

    def clear(self) -> None:
        """Empty the folder, but for the lock of who is in it."""
        with guarded(self.root):
            for path in (*self.root.iterdir(), *self.work.iterdir()):
                if path.name not in (self.work.name, LOCK):
                    remove(path)

    def _remove(self, made: list[Path]) -> None:
        """Remove the run and the empty folders made for it, or empty the folder that was there."""
        with suppress(OSError):  # what resists is left
            for path in [self.root] if self.root in made else list(self.root.iterdir()):
                remove(path)
            for path in made[1:]:
                path.rmdir()


def _wants_repair(manifest: Mapping[str, Any]) -> bool:
    return bool(manifest.get("settings", {}).get("repair", {}).get("enabled", False))


def content_hash(path: Path) -> str:
    """BLAKE2b of a file, of all files of a zarr store, or of the visible files in a folder of frames, with their names.

    Of files over 256 MiB, 64 evenly spaced blocks of 1 MiB and the size are taken.

    Raises
    ------
    UnreadableFileError
        If a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=20)
    for file in _files(path):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(path).as_posix() if path.is_dir() else ''}:{size};".encode())
        try:
            _feed(digest, file, size)
        except OSError as error:
            raise UnreadableFileError(f"{file} cannot be read: {error.strerror or error}; copy it again.") from None
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """What makes up an input; folders inside a folder of frames are none of it, and may be the run itself."""
    if path.is_file():
        return [path]
    if is_zarr(path):
        return sorted(p for p in path.rglob("*") if p.is_file())
    return sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))


def _feed(digest: Any, file: Path, size: int) -> None:
    with file.open("rb") as stream:
        if size <= WHOLE:
            while block := stream.read(SAMPLE):
                digest.update(block)
            return
        for k in range(BLOCKS):
            stream.seek(k * (size - SAMPLE) // (BLOCKS - 1))
            digest.update(stream.read(SAMPLE))


def key_of(*parts: Any) -> str:
    """A short key of plain values: equal values give equal keys."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def versions() -> dict[str, str]:
    """Versions of everything that takes part in a result."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    out = {"unfade": unfade.__version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in ("torch", "torchvision", "numpy", "scipy", "scikit-image", "pandas", "zarr", "tifffile"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "unknown"
    return out
