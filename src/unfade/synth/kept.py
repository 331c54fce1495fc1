"""The last few painted frames of a movie.

`functools.lru_cache` of a bound method would tie a movie to itself: it would stay in memory, pictures and all, until
the garbage collector happens to look, and a training that draws thousands of movies would fill the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by frame number, the `most` that were asked for last."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: dict[int, T] = {}

    def get(self, t: int, make: Callable[[int], T]) -> T:
        """The value of frame `t`, made if it is not there."""
        value = self._values.pop(t) if t in self._values else make(t)
        self._values[t] = value
        while len(self._values) > self.most:
            del self._values[next(iter(self._values))]
        return value
