"""Human Protein Atlas images of proteins in the cytosol and the nucleoplasm, as stills with masks from the DNA channel.

Layout of a user's own download: `NAME_green.*` (the protein) and `NAME_blue.*` (DNA) side by side, other colours are
left alone, and a table `.csv` or `.tsv` with the image's name and its locations: columns `Id, Target` with numbers, as
in the atlas' image classification challenge of 2018 (0 is the nucleoplasm, 25 the cytosol), or a column of names
(`Image`, `Id` or `name`) and one of words (`Label` or `locations`), split at commas or semicolons.

Thul et al., "A subcellular map of the human proteome", Science 356 (2017); images CC BY-SA. Paper lexy, section 2.1.2:
of 79,408 images the 23,512 whose protein is in the cytosol (5,936), the nucleoplasm (12,457) or both (5,119) and
nowhere else; 80/10/10 by image.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unfade.datasets.stills import Still, read_pixels
from unfade.errors import MissingInputError, ShapeError, TruthError

EXPECTED = {"cytosol": 5_936, "nucleoplasm": 12_457, "both": 5_119}  # paper lexy, 2.1.2
NUMBERS = {"0": "nucleoplasm", "25": "cytosol"}  # of the challenge of 2018
SHARES = (0.8, 0.1, 0.1)  # train, val, test
_WANTED = frozenset({"cytosol", "nucleoplasm"})
_NAMES, _LABELS = ("id", "image", "name"), ("target", "label", "locations")
_ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg")

Masks = Callable[[NDArray[np.float32]], NDArray[np.int32]]


@dataclass(frozen=True)
class Entry:
    """One image of the atlas that is used."""

    name: str
    protein: Path
    dna: Path
    location: str  # cytosol | nucleoplasm | both
    part: str  # train | val | test


def read_entries(folder: Path, seed: int = 0) -> list[Entry]:
    """Images whose protein is in the cytosol, the nucleoplasm or both and nowhere else, by name, with their part.

    Raises
    ------
    MissingInputError
        If there is no table, no image of such a protein, or a channel is missing.
    TruthError
        If there are several such tables or two files of the same name, or no table has a column of names and one of
        locations.
    """
    locations = _locations(folder)
    files = _files(folder)
    wanted = sorted(name for name, where in locations.items() if where and where <= _WANTED)
    found = [name for name in wanted if f"{name}_green".lower() in files]
    if not found:
        raise MissingInputError(
            f"{folder} holds no image of a protein of the cytosol or nucleoplasm that its table names."
        )
    part = _parts(len(found), seed)
    out = []
    for n, name in enumerate(found):
        dna = files.get(f"{name}_blue".lower())
        if dna is None:
            raise MissingInputError(f"{name} has a green channel but no blue one; download both.")
        where = "both" if len(locations[name]) == 2 else next(iter(locations[name]))
        out.append(Entry(name, files[f"{name}_green".lower()], dna, where, part[n]))
    return out


def counts(entries: list[Entry]) -> dict[str, int]:
    """Images by location, to compare with `EXPECTED`."""
    found = Counter(e.location for e in entries)
    return {name: found[name] for name in EXPECTED}


def read_stills(entries: list[Entry], masks: Masks) -> Iterator[Still]:
    """The protein's channel of every image with the masks that `masks` makes of its DNA channel, one at a time.

    Raises
    ------
    ShapeError
        If the two channels differ in size.
    """
    for entry in entries:
        protein, dna = read_pixels(entry.protein), read_pixels(entry.dna)
        protein, dna = (c.max(axis=-1) if c.ndim == 3 else c for c in (protein, dna))  # colour pictures of one colour
        if protein.shape != dna.shape:
            raise ShapeError(f"{entry.protein.name} is {protein.shape} but {entry.dna.name} is {dna.shape}.")
        labels = masks(dna.astype(np.float32))
        yield Still(entry.name, protein[None, None], labels[None].astype(np.int32), entry.part)


def _files(folder: Path) -> dict[str, Path]:
    """The green and blue images of a folder and all below it, by their names in lower case and without ending."""
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = path.stem.lower()
        if path.suffix.lower() not in _ENDINGS or not name.endswith(("_green", "_blue")):
            continue
        if name in files:
            raise TruthError(
                f"{files[name].relative_to(folder)} and {path.relative_to(folder)} have the same name, so it is not "
                "clear which one the table means; keep one of them, or prepare their folders one by one."
            )
        files[name] = path
    return files


def _locations(folder: Path) -> dict[str, frozenset[str]]:
    tables = sorted(p for p in folder.glob("*") if p.suffix.lower() in {".csv", ".tsv"}) if folder.is_dir() else []
    if not tables:
        raise MissingInputError(f"{folder} has no table (.csv or .tsv) that says where each image's protein is.")
    fitting = {path: found for path in tables if (found := _read_table(path)) is not None}
    if not fitting:
        raise TruthError(
            f"{tables[0]} needs a column of names (Id, Image) and one of locations (Target, Label, locations)."
        )
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        raise TruthError(f"{folder} has several tables of locations ({names}); leave only the one to go by.")
    return next(iter(fitting.values()))


def _read_table(path: Path) -> dict[str, frozenset[str]] | None:
    """Locations by image; None if it lacks a column of names or of locations."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        columns = {c.lower(): c for c in rows.fieldnames or ()}
        name = next((columns[c] for c in _NAMES if c in columns), None)
        label = next((columns[c] for c in _LABELS if c in columns), None)
        if name is None or label is None:
            return None
        return {_stem(row[name]): _words(row[label]) for row in rows}


def _stem(name: str) -> str:
    """Name of the image without folders, addresses and colours."""
    stem = name.rsplit("/", 1)[-1]
    for ending in _ENDINGS:
        stem = stem.removesuffix(ending)
    for colour in ("_blue_red_green", "_green", "_blue", "_"):
        stem = stem.removesuffix(colour)
    return stem


def _words(text: str) -> frozenset[str]:
    parts = text.replace(";", ",").split(",") if not text.replace(" ", "").isdigit() else text.split()
    return frozenset(NUMBERS.get(p.strip(), p.strip().lower()) for p in parts if p.strip())


def _parts(count: int, seed: int) -> list[str]:
    """A part for each image: the shares are exact up to rounding."""
    order = np.random.default_rng(seed).permutation(count)
    train, val = round(count * SHARES[0]), round(count * SHARES[1])
    out = np.full(count, "test", dtype=object)
    out[order[:train]], out[order[train : train + val]] = "train", "val"
    return [str(p) for p in out]
