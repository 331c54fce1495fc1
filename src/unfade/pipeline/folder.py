"""The run folder: where things lie, who owns it, which stages are complete."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import unfade
from unfade.data.outputs import write_json
from unfade.errors import OutputError

MANIFEST = 1  # version of the manifest's layout
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
            If it is damaged.
        """
        if not self.manifest.is_file():
            return {}
        try:
            found = json.loads(self.manifest.read_text(encoding="utf-8"))
        except ValueError:
            raise OutputError(f"{self.manifest} is damaged; delete the folder or choose another one.") from None
        return found if isinstance(found, dict) else {}

    def write_manifest(self, values: Mapping[str, Any]) -> None:
        """Replace the manifest."""
        write_json(self.manifest, dict(values))

    def claim(self, input_hash: str) -> dict[str, Any]:
        """Take the folder for an input, and give the manifest of an earlier run of the same input.

        Raises
        ------
        OutputError
            If the folder belongs to another movie or holds something that is no run.
        """
        found = self.read_manifest()
        if found:
            if found.get("input", {}).get("hash") != input_hash:
                source = found.get("input", {}).get("path", "another movie")
                raise OutputError(f"{self.root} holds the run of another movie ({source}); choose another folder.")
            return found
        if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise OutputError(f"{self.root} is not empty and holds no run; choose another folder.")
        return {}


def content_hash(path: Path) -> str:
    """BLAKE2b of a file, or of all files below a folder with their names.

    Of files over 256 MiB, 64 evenly spaced blocks of 1 MiB and the size are taken.
    """
    digest = hashlib.blake2b(digest_size=20)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(path).as_posix() if path.is_dir() else ''}:{size};".encode())
        with file.open("rb") as stream:
            if size <= WHOLE:
                while block := stream.read(SAMPLE):
                    digest.update(block)
            else:
                for k in range(BLOCKS):
                    stream.seek(k * (size - SAMPLE) // (BLOCKS - 1))
                    digest.update(stream.read(SAMPLE))
    return digest.hexdigest()


def key_of(*parts: Any) -> str:
    """A short key of plain values: equal values give equal keys."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def versions() -> dict[str, str]:
    """Versions of everything that takes part in a result."""
    out = {"unfade": unfade.__version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in ("torch", "torchvision", "numpy", "scipy", "scikit-image", "pandas", "zarr", "tifffile"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "unknown"
    return out
