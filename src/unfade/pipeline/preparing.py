"""Stills prepared for training, on disk: a user's own data sets become `images/`, `masks/` and `split.csv`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from unfade.data.outputs import replacing, write_json
from unfade.datasets import hpa, kromp
from unfade.datasets.preparation import PreparationSettings, Tally, for_sequences, prepare
from unfade.datasets.stills import Still, read_stills, write_stills
from unfade.errors import MissingInputError, OutputError, SettingsError
from unfade.pipeline.masking import masks_by

Progress = Callable[[str, int, int], None]
MASKS = "nuclei-unet"  # what makes the masks of an atlas download unless another way is chosen


class PrepareSettings(PreparationSettings):
    """Where the stills come from and what is made of them."""

    kind: Literal["stills", "hpa", "kromp"] = Field("stills", description="layout of the source")
    crops: Literal["none", "nuclei", "sequences"] = Field(
        "nuclei", description="whole stills, a crop centred on each nucleus, or those crops that suit sequences"
    )
    masks: str | None = Field(
        None, description="how the atlas' DNA channel becomes masks, see pipeline.masking; unset = nuclei-unet"
    )
    seed: int = Field(0, ge=0, description="draws which images are validation and test where no split is given")


class _Source(NamedTuple):
    """Stills to prepare, their number, and what is known of them beforehand."""

    stills: Iterable[Still]
    total: int
    facts: dict[str, Any]


def prepare_folder(
    source: Path, out: Path, settings: PrepareSettings | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Write the stills of `source` as a training folder, whole, as crops on their nuclei, or as crops for sequences.

    Gives what was counted, which also stands in `prepared.json`: images, what was dropped and why, what was kept by
    part; of an atlas download its images by location beside those of paper lexy.

    Raises
    ------
    OutputError
        If the place is taken or cannot be written to.
    MissingInputError
        If nothing of the source is left after what is dropped; nothing is written then.
    SettingsError, MissingInputError, TruthError, ShapeError, MissingExtraError
        If the source cannot be read, or the masks cannot be made.
    """
    s = settings or PrepareSettings()
    if out.exists():
        raise OutputError(f"{out} is there already; choose another place or remove it.")
    read = _read(source, s)
    tally, made = Tally(), _told(read.stills, read.total, progress)
    if s.crops != "none":
        made = prepare(made, s, tally)
    if s.crops == "sequences":
        made = for_sequences(made, s, tally)
    kept: Counter[str] = Counter()
    with replacing(out) as part:
        written = write_stills(part, _counted(made, kept))
        if not written:
            raise MissingInputError(_nothing_left(source, tally))
        dropped = {} if s.crops == "none" else asdict(tally)
        facts: dict[str, Any] = {
            "settings": s.plain(),
            **read.facts,
            **dropped,
            "kept": dict(kept),
            "written": written,
        }
        write_json(part / "prepared.json", facts)
    return facts


def _read(source: Path, s: PrepareSettings) -> _Source:
    if s.masks is not None and s.kind != "hpa":
        raise SettingsError(
            f"Masks are made for downloads of the Human Protein Atlas alone, and {source} is read as '{s.kind}', which "
            "has its own; leave --masks out or choose --kind hpa."
        )
    if s.kind == "hpa":
        entries = hpa.read_entries(source, s.seed)
        counted = {"locations": hpa.counts(entries), "locations in the paper": hpa.EXPECTED}
        return _Source(hpa.read_stills(entries, masks_by(s.masks or MASKS)), len(entries), counted)
    found = kromp.read_kromp(source, seed=s.seed) if s.kind == "kromp" else read_stills(source, seed=s.seed)
    return _Source(found, len(found), {})


def _counted(stills: Iterable[Still], kept: Counter[str]) -> Iterator[Still]:
    """The same stills, counted by part as they pass."""
    for still in stills:
        kept[still.part] += 1
        yield still


def _nothing_left(source: Path, tally: Tally) -> str:
    reasons = {
        "images without a nucleus": tally.empty,
        "images with too many nuclei": tally.crowded,
        "crops with a nucleus at their border": tally.cut,
        "crops whose nuclei stand out": tally.dissimilar,
    }
    told = ", ".join(f"{count} {what}" for what, count in reasons.items() if count)
    why = f" ({told})" if told else " (every nucleus touches the border)"
    return f"Nothing of {source} is left after what is dropped{why}; choose other --crops or other images."


def _told(stills: Iterable[Still], total: int, progress: Progress | None) -> Iterator[Still]:
    for n, still in enumerate(stills, start=1):
        yield still
        if progress is not None:
            progress("prepare", n, total)
