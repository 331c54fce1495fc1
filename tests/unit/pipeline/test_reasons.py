"""Why a stage is done again, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from unfade.pipeline.reasons import changed, why_again

BEFORE = {
    "settings": {"link": {"gap": 2}, "predict": {"tile_px": 1024}, "input": {"path": "/a", "read": {}}},
    "weights": {"name": "w", "sha256": "1"},
    "device": "cpu",
}


def after(**values: object) -> dict[str, object]:
    return {**BEFORE, **values}


def test_changes_carry_both_values_and_leave_out_what_moves_no_pixel() -> None:
    settings = {"link": {"gap": 0}, "predict": {}, "input": {"path": "/b", "read": {"z": 1}}}
    found = changed(BEFORE, after(settings=settings, device="cuda", weights={"name": "v", "sha256": "2"}))
    assert found == [
        "input.read.z was unset, is 1",
        "link.gap was 2, is 0",
        "predict.tile_px was 1024, is unset",
        "weights were w, are v",
        "device was cpu, is cuda",
    ]
    assert changed(BEFORE, after(weights={"name": "w", "sha256": "2"})) == ["weights differ"]
    assert changed(BEFORE, BEFORE) == []


CHANGES = ["input.read.z was 0, is 1", "link.gap was 2, is 0", "device was cpu, is cuda"]


@pytest.mark.parametrize(
    ("name", "known", "missing", "changes", "expected"),
    [
        ("link", None, [], CHANGES, None),
        ("link", {"key": "b", "complete": True}, [], CHANGES, "link is done again: link.gap was 2, is 0"),
        (
            "segment",
            {"key": "b", "complete": True},
            [],
            CHANGES,
            "segment is done again: input.read.z was 0, is 1, device was cpu, is cuda",
        ),
        (
            "measure",
            {"key": "b", "complete": True},
            [],
            CHANGES,
            "measure is done again: what it starts from has changed",
        ),
        ("link", {"key": "a", "complete": False}, [], [], "link goes on where it was interrupted"),
        (
            "link",
            {"key": "a", "complete": True},
            [Path("x/tracks.csv")],
            [],
            "link is done again: tracks.csv is missing",
        ),
        (
            "link",
            {"key": "b", "complete": True},
            [],
            [f"link.{c} was 1, is 2" for c in "abcde"],
            "link is done again: link.a was 1, is 2, link.b was 1, is 2, link.c was 1, is 2 and 2 more",
        ),
    ],
)
def test_one_sentence_per_stage(
    name: str, known: dict[str, object] | None, missing: list[Path], changes: list[str], expected: str | None
) -> None:
    assert why_again(name, known, "a", missing, changes) == expected
