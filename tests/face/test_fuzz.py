"""Damaged files of every kind end in a result or one sentence; benchmarks/fuzz.py tries many hundreds."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import fuzz
from unfade.data.omexml import parse_ome
from unfade.data.positions import safe_name
from unfade.errors import UnfadeError
from unfade.pipeline.settings import RunSettings
from unfade.settings import read_toml
from unfade.testing.fuzzing import READERS, Answer, answers
from unfade.testing.mutations import mutated

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are watched by select and getrusage")


def test_a_few_damaged_files_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "elsewhere").mkdir()
    good = fuzz.corpus(tmp_path / "good")
    assert {reader for reader, _ in good} == set(READERS)
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = list(answers(chain(good, fuzz.work(good, tmp_path / "damaged", 3, seed=5))))
    start, tried = found[: len(good)], found[len(good) :]
    assert {a.kind for a in start} == {"result"}
    assert len(tried) == 3 * len(good) > 60
    assert [a for a in tried if fuzz.wrong(a, start[0].peak_mib)] == []
    assert {a.kind for a in tried} == {"result", "refused"}
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_wrong_is_seen() -> None:
    good = Answer("movie", "a", "refused", "", 1.0, 500.0)
    assert not fuzz.wrong(good, 300.0)
    for values in ({"kind": "error KeyError"}, {"kind": "ended with -11"}, {"busy_s": 11.0}, {"peak_mib": 1400.0}):
        assert fuzz.wrong(Answer(**{**vars(good), **values}), 300.0), values


def test_damage_is_the_same_again_and_mostly_damage() -> None:
    data = bytes(range(256)) * 4
    copies = [mutated(data, random.Random(n)) for n in range(50)]
    assert copies == [mutated(data, random.Random(n)) for n in range(50)]
    assert sum(c != data for c in copies) > 40


def refusal(read: Callable[[], object]) -> str | None:
    """What a reader says against its file; any other error is none of its answers."""
    try:
        read()
    except UnfadeError as error:
        return str(error)
    return None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda t: ("schema = 1\n" + t).encode())))
def test_any_settings_file_is_settings_or_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(data)
    said = refusal(lambda: RunSettings.parse(read_toml(path)))
    assert said is None or said.endswith(".")


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "schema = 1\nx = " + "9" * 5000, "schema = 1\n#" + "x" * 2_000_000]
)
def test_settings_files_without_end(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(UnfadeError, match=r"is not valid TOML|larger than any settings file"):
        read_toml(tmp_path / "s.toml")


VALUES = st.one_of(st.text(max_size=30), st.integers().map(str), st.floats().map(str))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["SizeT", "SizeC", "SizeX", "PhysicalSizeX", "TimeIncrement"]), VALUES), VALUES)
def test_any_ome_xml_is_an_image_or_one_sentence(values: dict[str, str], delta: str) -> None:
    from xml.sax.saxutils import quoteattr

    clean = {k: "".join(c for c in v if c.isprintable()) for k, v in values.items()}
    pixels = " ".join(f"{k}={quoteattr(v)}" for k, v in clean.items())
    time = quoteattr("".join(c for c in delta if c.isprintable()))
    text = f"<OME><Image><Pixels {pixels}><Plane DeltaT={time}/></Pixels></Image></OME>"
    said = refusal(lambda: parse_ome(text, Path("m.ome.tif")))
    assert said is None or "m.ome.tif" in said or "must be a positive number" in said


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.tif", "a/../../b.tif", "C:\\x.tif", "\\\\host\\x.tif"])
def test_a_set_of_files_does_not_lead_outside_its_folder(name: str) -> None:
    data = f'<OME><Image><Pixels><TiffData><UUID FileName="{name}">u</UUID></TiffData></Pixels></Image></OME>'
    with pytest.raises(UnfadeError, match="refers to a place outside itself"):
        parse_ome(data, Path("m.ome.tif"))


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text_is_a_safe_name(text: str) -> None:
    name = safe_name(text)
    assert Path(name).name == name
    assert name not in ("", ".", "..")
    assert len(name) <= 81
    assert name.isascii()
