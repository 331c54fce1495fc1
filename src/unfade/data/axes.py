"""Which dimension of a file is time, channel, z, row and column; never guessed where it matters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from math import prod

from unfade.errors import AmbiguousAxesError, AxisError

LETTERS = "TCZYX"
SAMPLES = "S"  # colours of one pixel, stored side by side: a minor channel axis
UNKNOWN = "?"
DROPPED = "_"  # a dimension of size 1 that carries nothing
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """One letter per dimension: `T C Z Y X`, `S` for samples, `_` for a dimension of size 1 that carries nothing."""

    axes: str
    shape: Shape

    def size(self, letter: str) -> int:
        """Length along a letter, 1 where the file has no such axis."""
        return prod(n for axis, n in zip(self.axes, self.shape, strict=True) if axis == letter)

    @property
    def channels(self) -> int:
        """Number of channels, samples included."""
        return self.size("C") * self.size(SAMPLES)


def resolve(found: str, shape: Shape, given: str | None, name: str) -> Layout:
    """Letters of all dimensions from what the file says (`?` = nothing) or what the user gave.

    Raises
    ------
    AmbiguousAxesError
        Where a dimension longer than 1 could be more than one thing; the text shows the shape and the choices.
    AxisError
        Where `given` does not fit the shape.
    """
    if given is not None:
        return Layout(_fitted(given, found, shape, name), shape)
    axes = "".join(DROPPED if a == UNKNOWN and n == 1 else a for a, n in zip(found, shape, strict=True))
    if UNKNOWN in axes:
        choices = _choices(axes)
        raise AmbiguousAxesError(
            f"The axes of {name} cannot be told: {shape} could be {_listed(choices)}; "
            f"give one of them, for example --axes {choices[0]}."
        )
    return Layout(axes, shape)


def _fitted(given: str, found: str, shape: Shape, name: str) -> str:
    axes = given
    long = [i for i, n in enumerate(shape) if n != 1]
    if len(given) == len(long) < len(shape):
        letters = dict(zip(long, given, strict=True))
        axes = "".join(letters.get(i, DROPPED) for i in range(len(shape)))
    if len(axes) != len(shape):
        raise AxisError(
            f"--axes {given} names {len(given)} axes, but {name} has {len(shape)}, its shape is {shape}; "
            f"give one letter of {LETTERS} for each."
        )
    if any(said in "YX" and letter not in "YX" for said, letter in zip(found, axes, strict=True)):
        height, width = shape[found.find("Y")], shape[found.find("X")]
        raise AxisError(
            f"--axes {given} cannot be right for {name} of shape {shape}: its images are {height} x {width} pixels, "
            "and these must be Y and X."
        )
    return axes


def _choices(axes: str) -> list[str]:
    """Readings of the unknown axes, the likely ones first."""
    taken = {("C" if a == SAMPLES else a) for a in axes}
    free = [letter for letter in "TCZ" if letter not in taken]
    kept = [a for a in axes if a != DROPPED]
    found = []
    for pick in permutations(free, kept.count(UNKNOWN)):
        letters = iter(pick)
        found.append("".join(next(letters) if a == UNKNOWN else "C" if a == SAMPLES else a for a in kept))
    return sorted(found, key=lambda text: "T" not in text)[:4] or ["".join(LETTERS)]


def _listed(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def depth(layout: Layout, project: str | None, z: int | None, name: str) -> tuple[int, ...]:
    """The z planes that make up one frame.

    Raises
    ------
    AxisError
        For a z axis without a choice, or a plane that is not there.
    """
    planes = layout.size("Z")
    if z is not None:
        if not 0 <= z < planes:
            raise AxisError(f"There is no z plane {z} in {name}; it has {planes}, counted from 0.")
        return (z,)
    if planes == 1 or project is not None:
        return tuple(range(planes))
    ways = f"--project max, or --z N for one of its {planes} planes"
    if layout.size("T") == 1:
        axes = "".join(a for a in layout.axes if a != DROPPED).replace("T", "").replace("Z", "T").replace(SAMPLES, "C")
        raise AxisError(
            f"{name} is one z stack and no time series (Z = {planes}, T = 1): give --axes {axes} if its planes are "
            f"time points, else {ways}."
        )
    raise AxisError(f"{name} has a z axis, and frames must be flat: give {ways}.")
