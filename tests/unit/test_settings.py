"""Settings refuse what they do not know, say so in one sentence, and survive TOML."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from unfade.errors import SettingsError
from unfade.settings import SCHEMA, Settings, read_toml, write_toml


class Ring(Settings):
    """A group inside a group."""

    width_um: float = Field(2.0, gt=0, description="width, µm")
    name: str | None = None


class Sample(Settings):
    """Settings as a stage has them."""

    gap: int = Field(2, ge=0, le=50, description="frames")
    channels: tuple[str, ...] = ()
    ring: Ring = Ring()


def test_defaults_are_kept_and_what_is_given_replaces_them() -> None:
    got = Sample.parse({"gap": 5, "ring": {"width_um": 3}})
    assert (got.gap, got.ring.width_um, got.channels) == (5, 3.0, ())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"gab": 1}, "'gab' is not a known setting"),
        ({"ring": {"wide": 1}}, "'ring.wide' is not a known setting"),
        ({"gap": -1}, "'gap': input should be greater than or equal to 0, got -1"),
        ({"gap": "many"}, "'gap': input should be a valid integer"),
        ({"ring": {"width_um": float("nan")}}, "'ring.width_um': input should be a finite number"),
        ({"ring": {"width_um": float("inf")}}, "'ring.width_um': input should be a finite number"),
        ({"channels": "red"}, "'channels': input should be a valid tuple"),
    ],
)
def test_what_cannot_be_used_is_named(values: dict[str, object], text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Sample.parse(values)
    assert text in str(caught.value)
    assert str(caught.value).startswith("Settings cannot be used: ")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"'gap'.*; 'gab' is not a known setting, remove it or correct its name\.$"):
        Sample.parse({"gap": 99, "gab": 1})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Sample().gap = 3  # type: ignore[misc]


def test_a_changed_copy_is_checked_again_and_leaves_the_first_alone() -> None:
    first = Sample(gap=4, channels=("red",))
    assert first.changed(gap=6) == Sample(gap=6, channels=("red",))
    assert first.gap == 4
    with pytest.raises(SettingsError, match="'gap'"):
        first.changed(gap=51)


def test_what_is_laid_over_leaves_the_rest_of_a_group_alone() -> None:
    first = Sample(gap=4, ring=Ring(width_um=5.0, name="wide"))
    assert first.overlaid({"ring": {"width_um": 3}}) == Sample(gap=4, ring=Ring(width_um=3.0, name="wide"))
    assert first.overlaid({}) == first
    with pytest.raises(SettingsError, match=r"'ring\.wide' is not a known setting"):
        first.overlaid({"ring": {"wide": 1}})
    with pytest.raises(SettingsError, match="'plain' is not a known setting"):
        first.overlaid({"plain": {"gap": 1}})
    with pytest.raises(SettingsError, match="'ring'"):
        first.overlaid({"ring": 3})


def test_a_wrong_default_is_found_when_it_is_used() -> None:
    class Wrong(Settings):
        gap: int = Field(-1, ge=0)

    with pytest.raises(SettingsError, match="'gap'"):
        Wrong.parse({})


def test_unset_entries_do_not_reach_the_file() -> None:
    assert Sample().plain() == {"gap": 2, "channels": [], "ring": {"width_um": 2.0}}
    assert Sample(ring=Ring(name="outer")).plain()["ring"] == {"width_um": 2.0, "name": "outer"}


def test_settings_can_be_sent_to_another_process() -> None:
    settings = Sample(gap=7, channels=("red", "far red"))
    assert pickle.loads(pickle.dumps(settings)) == settings


@given(
    gap=st.integers(0, 50),
    width=st.floats(min_value=1e-300, allow_nan=False, allow_infinity=False),
    channels=st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=8), max_size=4),
    name=st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
)
def test_toml_keeps_every_value(
    tmp_path_factory: pytest.TempPathFactory, gap: int, width: float, channels: list[str], name: str | None
) -> None:
    settings = Sample(gap=gap, channels=tuple(channels), ring=Ring(width_um=width, name=name))
    path = tmp_path_factory.getbasetemp() / "settings.toml"
    write_toml(path, settings.plain())
    assert Sample.parse(read_toml(path)) == settings


def test_the_file_names_its_schema_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_toml(tmp_path / "run.toml", {"link": {"gap": 3}})
    assert (tmp_path / "run.toml").read_text().startswith(f"schema = {SCHEMA}\n")
    assert [p.name for p in tmp_path.iterdir()] == ["run.toml"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    write_toml(path, {"gap": 3})
    with pytest.raises(TypeError):
        write_toml(path, {"gap": object()})
    assert read_toml(path) == {"gap": 3}


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(place: Path, text: str, **_: object) -> int:
        with place.open("w") as file:
            file.write(text[: len(text) // 2])
        raise OSError(28, "No space left on device")

    path = tmp_path / "run.toml"
    write_toml(path, {"gap": 3})
    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(OSError, match="No space left"):
        write_toml(path, {"gap": 4})
    assert read_toml(path) == {"gap": 3}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "There is no settings file"),
        (b"gap = ", "is not valid TOML"),
        (b"\xff\xfe\x00", "is not valid TOML"),
        (b"gap = 3\n", "must start with 'schema = 1'."),
        (b"schema = 2\n", "must start with 'schema = 1', not 2"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes | None, text: str) -> None:
    path = tmp_path / "other.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_toml(path)
    assert text in str(caught.value)
    assert "other.toml" in str(caught.value)
