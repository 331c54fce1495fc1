from __future__ import annotations

import errno
import json
import threading
from pathlib import Path

import pytest

from unfade.data.outputs import guarded, move, recover, replacing, write_json, write_text
from unfade.errors import OutputError


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as part:
        part.write_text("one")
        assert not path.exists()
        assert part.parent == path.parent
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError), replacing(path) as part:
        raise KeyError(part.write_text("half"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for name in ("a", "b"):
        with replacing(path) as part:
            part.mkdir()
            (part / name).touch()
    assert [p.name for p in path.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "junk").touch()
    with replacing(tmp_path / "out") as part:
        part.mkdir()
    assert list((tmp_path / "out").iterdir()) == []


class Killed(BaseException):
    pass


def folder(path: Path, name: str) -> Path:
    path.mkdir()
    (path / name).touch()
    return path


def test_a_folder_set_aside_by_a_kill_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, part, rename = folder(tmp_path / "out", "old"), folder(tmp_path / "out.part", "new"), Path.rename
    with monkeypatch.context() as dies:

        def once(place: Path, target: Path) -> Path:
            if place != path:
                raise Killed
            return rename(place, target)

        dies.setattr(Path, "rename", once)
        with pytest.raises(Killed):
            move(part, path)
    assert not path.exists()
    recover(path)
    assert [p.name for p in path.iterdir()] == ["old"]
    move(part, path)
    assert [p.name for p in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_take_the_name_leaves_the_old_one(tmp_path: Path) -> None:
    path = folder(tmp_path / "out", "old")
    with pytest.raises(FileNotFoundError):
        move(tmp_path / "none.part", path)
    assert [p.name for p in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_of_the_user_beside_it_stays(tmp_path: Path) -> None:
    path, mine = folder(tmp_path / "out", "old"), folder(tmp_path / "out.old", "thesis")
    with replacing(path) as part:
        part.mkdir()
    assert [p.name for p in mine.iterdir()] == ["thesis"]
    assert list(path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "not allowed"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_reasons_in_one_sentence(tmp_path: Path, code: int, text: str) -> None:
    import os

    with (
        pytest.raises(OutputError, match=rf"a\.txt cannot be written: .*{text}.*choose another place\.$"),
        guarded(tmp_path / "a.txt"),
    ):
        raise OSError(code, os.strerror(code))


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(tmp_path / "a" / "b.txt", "x")


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"µm": [1, None, True]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"µm": [1, None, True]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert "µm" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_what_threads_write_after_a_failure_is_cleared_too(tmp_path: Path) -> None:
    late = threading.Timer(0.02, lambda: (tmp_path / "a.part" / "c").mkdir(parents=True))

    def fail() -> None:
        with replacing(tmp_path / "a") as part:
            part.mkdir()
            late.start()
            raise ValueError("it failed")

    with pytest.raises(ValueError, match="failed"):
        fail()
    late.join()
    assert list(tmp_path.iterdir()) == []
