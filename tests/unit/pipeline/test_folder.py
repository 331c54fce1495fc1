"""Who owns a run folder, what is one movie, and what a failed start takes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from unfade.errors import InputError, OutputError, UnreadableFileError
from unfade.pipeline import folder as rooms
from unfade.pipeline.folder import STAGES, RunFolder, content_hash, key_of

MANIFEST = {"input": {"hash": "abc", "path": "a.tif"}, "stages": {}}


def test_a_run_belongs_to_its_movie(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out")
    assert run.claim("abc") == {}
    run.write_manifest(MANIFEST)
    assert run.claim("abc") == MANIFEST
    with pytest.raises(OutputError, match=r"holds the run of another movie \(a.tif\)"):
        run.claim("xyz")


def test_a_run_is_complete_when_every_stage_is(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not run.complete()
    stages = {name: {"complete": True} for name in STAGES}
    run.write_manifest({**MANIFEST, "stages": stages})
    assert run.complete()
    run.write_manifest({**MANIFEST, "stages": {**stages, "report": {"complete": False}}})
    assert not run.complete()


def fail(run: RunFolder, error: Exception, stages: dict[str, object] | None = None) -> None:
    """Begin a run, and fail."""
    with run.undone():
        run.instances.mkdir(parents=True)
        run.write_manifest({**MANIFEST, "stages": stages or {}})
        raise error


@pytest.mark.parametrize("deep", ["out", "a/b/out"])
def test_a_new_run_that_fails_takes_back_what_it_made(tmp_path: Path, deep: str) -> None:
    run = RunFolder(tmp_path / deep)
    with pytest.raises(InputError, match="bad"):
        fail(run, InputError("bad"))
    assert list(tmp_path.iterdir()) == []


def test_folders_that_others_use_by_now_stay(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "a")

    def both() -> None:
        with run.undone():
            run.work.mkdir(parents=True)
            (tmp_path / "runs" / "b").mkdir()
            raise InputError("bad")

    with pytest.raises(InputError):
        both()
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["b"]


@pytest.mark.parametrize("complete", [True, False])
def test_a_run_with_a_complete_stage_stays(tmp_path: Path, complete: bool) -> None:
    run = RunFolder(tmp_path / "out")
    with pytest.raises(OutputError):
        fail(run, OutputError("full"), {"segment": {"complete": complete}})
    assert run.manifest.is_file() == complete


def test_an_earlier_run_stays(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_manifest(MANIFEST)
    with pytest.raises(OutputError), run.undone():
        raise OutputError("full")
    assert run.read_manifest() == MANIFEST


def test_faults_of_the_program_keep_the_evidence(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out")
    with pytest.raises(ZeroDivisionError):
        fail(run, ZeroDivisionError())
    assert run.manifest.is_file()


def test_one_byte_makes_another_movie(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    path.write_bytes(b"0123456789")
    first = content_hash(path)
    assert content_hash(path) == first
    path.write_bytes(b"0123456780")
    assert content_hash(path) != first


def test_names_and_order_of_frames_count(tmp_path: Path) -> None:
    for name, content in (("a.tif", b"1"), ("b.tif", b"2")):
        (tmp_path / name).write_bytes(content)
    first = content_hash(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_bytes(b"a result")
    (tmp_path / ".hidden").write_bytes(b"")
    assert content_hash(tmp_path) == first
    (tmp_path / "a.tif").rename(tmp_path / "c.tif")
    assert content_hash(tmp_path) != first


def test_all_of_a_zarr_store_counts(tmp_path: Path) -> None:
    (tmp_path / "0" / "c").mkdir(parents=True)
    (tmp_path / "zarr.json").write_text("{}")
    (tmp_path / "0" / "c" / "0").write_bytes(b"1")
    first = content_hash(tmp_path)
    (tmp_path / "0" / "c" / "0").write_bytes(b"2")
    assert content_hash(tmp_path) != first


def test_large_files_are_sampled_to_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "WHOLE", 1000)
    monkeypatch.setattr(rooms, "SAMPLE", 10)
    path, found = tmp_path / "m.tif", set()
    data = bytearray(5000)
    for changed in (None, 0, 4999):
        if changed is not None:
            data[changed] ^= 1
        path.write_bytes(data)
        found.add(content_hash(path))
    path.write_bytes(data + b"1")
    assert len({*found, content_hash(path)}) == 4


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    (tmp_path / "m.tif").touch()
    monkeypatch.setattr(rooms, "_feed", refuse)
    with pytest.raises(UnreadableFileError, match=r"m.tif cannot be read: Input/output error; copy it again\."):
        content_hash(tmp_path / "m.tif")


def test_keys_follow_values_and_not_their_order() -> None:
    assert key_of({"a": 1, "b": 2}, 3) == key_of({"b": 2, "a": 1}, 3)
    assert len({key_of(1), key_of("1"), key_of(1, None), key_of([1])}) == 4


def test_a_run_that_was_killed_while_it_was_repaired_is_neither_complete_nor_repaired(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    stages = {name: {"complete": True} for name in ("segment", "link", "measure", "report")}
    plain = {"input": {}, "settings": {"repair": {"enabled": False}}, "stages": stages}
    folder.write_manifest(plain)
    assert (folder.complete(), folder.is_repaired()) == (True, False)
    wanted = {**plain, "settings": {"repair": {"enabled": True}}}
    for done in (None, False, True):
        repair = {} if done is None else {"repair": {"complete": done}}
        folder.write_manifest({**wanted, "stages": {**stages, **repair}})
        assert (folder.complete(), folder.is_repaired()) == (bool(done), bool(done))
        assert folder.complete(repaired=False)
