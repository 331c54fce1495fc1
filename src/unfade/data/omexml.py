"""What OME-XML says of an image: sizes, channel names, pixel size and times.

Source: Goldberg et al., Genome Biology 6, R47 (2005); schema 2016-06. Parsed without entities.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import ParseError, fromstring

from unfade.data.frames import within
from unfade.data.units import length_um, spacing, time_s
from unfade.errors import UnreadableFileError
from unfade.records import Calibration

MOST_PLANES = 10_000_000  # more than this in one file is damage, not a movie


@dataclass(frozen=True)
class OmeImage:
    """The first image of an OME-XML text."""

    sizes: dict[str, int]  # letter of TCZYX to length
    channels: tuple[str, ...]
    calibration: Calibration
    images: int
    notes: tuple[str, ...]


def parse_ome(text: str, path: Path) -> OmeImage | None:
    """The first image of an OME-XML text; None if it holds no image.

    Raises
    ------
    UnreadableFileError
        If it is no XML, defines entities, or claims absurd sizes.
    """
    try:
        root = fromstring(text)
    except (ParseError, ValueError, LookupError, RecursionError) as error:  # entities are among the ValueErrors
        raise UnreadableFileError(
            f"The OME-XML of {path} cannot be read ({error}); save the file again or give it without OME-XML."
        ) from None
    images = [e for e in root if _tag(e) == "Image"]
    pixels = next((p for image in images for p in image if _tag(p) == "Pixels"), None)
    if pixels is None:
        return None
    sizes = {letter: _whole(pixels, f"Size{letter}", path) for letter in "TCZYX"}
    claimed = [sizes["T"] * sizes["C"] * sizes["Z"]]
    claimed += [_whole(e, "PlaneCount", path) for e in pixels if _tag(e) == "TiffData"]
    if max(claimed) > MOST_PLANES:
        raise UnreadableFileError(f"The OME-XML of {path} claims {max(claimed)} planes; the file is damaged.")
    for place in (e for e in root.iter() if _tag(e) == "UUID" and e.get("FileName")):
        within(path.parent, str(place.get("FileName")))
    calibration, notes = _calibration(pixels, sizes["T"])
    return OmeImage(sizes, _names(pixels, sizes["C"]), calibration, len(images), notes)


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _whole(element: Element, name: str, path: Path) -> int:
    text = element.get(name, "1")
    if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) < 1:
        raise UnreadableFileError(f"The OME-XML of {path} says {name}={text!r}; the file is damaged.")
    return int(text)


def _names(pixels: Element, count: int) -> tuple[str, ...]:
    """One name per channel; a channel of several samples counts as its samples."""
    names: list[str] = []
    for channel in (e for e in pixels if _tag(e) == "Channel"):
        samples = channel.get("SamplesPerPixel", "1")
        name = channel.get("Name") or f"channel {len(names)}"
        many = int(samples) if samples.isdigit() and int(samples) <= 8 else 1
        names += [name] if many == 1 else [f"{name} {i}" for i in range(many)]
    return tuple(names) if len(names) == count else tuple(f"channel {i}" for i in range(count))


def _calibration(pixels: Element, frames: int) -> tuple[Calibration, tuple[str, ...]]:
    notes: list[str] = []
    x = length_um(pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit", "µm"))
    y = length_um(pixels.get("PhysicalSizeY"), pixels.get("PhysicalSizeYUnit", "µm"))
    if x and y and abs(x - y) > 0.01 * x:
        notes.append(f"pixels are not square ({x:g} x {y:g} µm); the width is taken as pixel size")
    interval = time_s(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    stamps = _stamps(pixels, frames)
    measured, times = spacing(stamps) if stamps else (None, None)
    if stamps and len(stamps) > 1 and measured is None:
        notes.append("the time stamps of the planes do not rise and are ignored")
    if times is not None:
        notes.append("the frames are not evenly spaced in time; their time stamps are kept")
    if interval and measured and abs(interval - measured) > 0.01 * interval:
        notes.append(
            f"the file says {interval:g} s between frames, its time stamps {measured:g} s; the stamps are taken"
        )
    return Calibration(x or y, measured or interval, times), tuple(notes)


def _stamps(pixels: Element, frames: int) -> list[float] | None:
    """Seconds of each frame from its first plane, None unless every frame has one."""
    found: dict[int, tuple[tuple[int, int], float]] = {}
    for plane in (e for e in pixels if _tag(e) == "Plane"):
        try:
            t, c, z = (int(plane.get(f"The{axis}", "0")) for axis in "TCZ")
            delta = float(plane.get("DeltaT", "nan"))
        except ValueError:
            return None
        if t not in found or (c, z) < found[t][0]:
            found[t] = ((c, z), delta)
    unit = pixels.find("{*}Plane[@DeltaTUnit]")
    factor = time_s(1.0, unit.get("DeltaTUnit") if unit is not None else "s")
    if factor is None or sorted(found) != list(range(frames)):
        return None
    stamps = [found[t][1] * factor for t in range(frames)]
    return stamps if all(s == s for s in stamps) else None
