"""The tree of exceptions: what stands in the docstring is what there is."""

from __future__ import annotations

import inspect
import re

import pytest

from unfade import errors

CLASSES = {n: c for n, c in vars(errors).items() if inspect.isclass(c) and c.__module__ == errors.__name__}


def drawn() -> dict[str, str | None]:
    """Child to parent as drawn at the top of the module."""
    stack: list[tuple[int, str]] = []
    parents: dict[str, str | None] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^[│├└─ ]*(\w+Error)\b", line)
        if found is None:
            continue
        depth = found.start(1)
        while stack and stack[-1][0] >= depth:
            stack.pop()
        parents[found[1]] = stack[-1][1] if stack else None
        stack.append((depth, found[1]))
    return parents


def test_the_drawn_tree_is_the_tree() -> None:
    real = {n: None if c is errors.UnfadeError else c.__bases__[0].__name__ for n, c in CLASSES.items()}
    assert drawn() == real


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_is_one_that_the_command_line_prints(name: str) -> None:
    with pytest.raises(errors.UnfadeError, match=r"^What to do\.$"):
        raise CLASSES[name]("What to do.")


def test_a_programming_error_is_none_of_them() -> None:
    assert not any(issubclass(cls, (ValueError, TypeError, KeyError, OSError)) for cls in CLASSES.values())
