"""What maps functions over units of work: one process here, many in `unfade.scale.cluster`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Pool(Protocol):
    """Workers that take units in any order; results come in the order of the units.

    Functions and units are sent by pickle, so both must be importable and small. A unit may be done twice, when a
    worker died: functions write whole files and give the same result each time.
    """

    workers: int  # that work at the same time

    def map(self, function: Callable[[Unit], Result], units: Sequence[Unit]) -> Iterator[Result]:
        """Results of the function for every unit, each as soon as those before it are there.

        The first error that a unit raises is raised here; what has not begun by then is not done.
        """
        ...


class Here:
    """The pool that is no pool: unit after unit in this process."""

    workers = 1

    def map(self, function: Callable[[Unit], Result], units: Sequence[Unit]) -> Iterator[Result]:
        """Results of the function for every unit, in order."""
        return map(function, units)
