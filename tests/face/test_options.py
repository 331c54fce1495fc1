"""Options of the command line: what is asked for arrives, what cannot be done is told in their words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.face.conftest import Command
from unfade.errors import OutputError
from unfade.pipeline.settings import RunSettings, SystemSettings

SMALL = ("--frames", 1, "--height", 32, "--width", 32)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--kind", "translocation", "--cells", 5), "--cells is for --kind cells; leave it out"),
        (("--coverage", 0.2), "--coverage is for --kind translocation; leave"),
        (("--stimulus", "soon"), "--stimulus takes the number of a frame, counted from 0, or 'never', not 'soon'"),
        (("--recovery", 1.5), "--recovery takes the number of a frame, counted from 0, or 'never', not '1.5'"),
        (("--stimulus", -1), "--stimulus takes .*, not '-1'"),
        (("--kind", "translocation", "--stimulus", "soon"), "--stimulus takes the number of a frame or 'never', not"),
        (("--kind", "translocation", "--recovery", "inf"), "--recovery takes .*, not 'inf'"),
        (("--diameter", 200), r"Nuclei of 200 px do not fit .* \(--height, --width\)"),
        (("--still", "a"), "--still is for --kind still"),
        (("--kind", "still"), r"name it \(--stills\)"),
        (("--kind", "still", "--division-rate", 0.1), "leave --diameter and --division-rate"),
    ],
)
def test_what_cannot_be_made_is_told_by_its_option(
    unfade: Command, tmp_path: Path, words: tuple[object, ...], told: str
) -> None:
    said = unfade("synthesize", tmp_path / "m.ome.tif", *SMALL, *words)
    assert re.search(told, said.sentence()), said.err
    assert list(tmp_path.iterdir()) == []


def test_times_are_frames_or_never(unfade: Command, tmp_path: Path) -> None:
    from unfade.settings import read_toml

    for kind, table, stimulus in (("cells", "reporter", 0), ("translocation", "course", -1.5)):
        truth = tmp_path / kind
        said = unfade(
            "synthesize", tmp_path / f"{kind}.ome.tif", "--kind", kind, *SMALL,
            "--truth", truth, "--stimulus", stimulus, "--recovery", "never",
        )  # fmt: skip
        assert said.code == 0, said.err
        made = read_toml(truth / "synth.toml")[table]
        assert (made["stimulus_frame"], made["recovery_frame"]) == (stimulus, "never")


def test_a_still_becomes_a_movie_with_its_truth(unfade: Command, tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :48]
    for name, where in (("a", 10), ("b", 30)):
        nucleus = np.hypot(y - 20, x - where) < 6
        for folder, picture in (("images", 50 + 150 * nucleus), ("masks", nucleus)):
            (tmp_path / "in" / folder).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / "in" / folder / f"{name}.tif", picture.astype(np.uint16))
    words = ("synthesize", tmp_path / "m.ome.tif", "--kind", "still", "--stills", tmp_path / "in", "--frames", 3)
    assert "no still 'c'" in unfade(*words, "--still", "c").sentence()
    assert "--cytoplasm drawn" in unfade(*words, "--still", "b").sentence()
    said = unfade(*words, "--still", "b", "--cytoplasm", "drawn", "--truth", tmp_path / "truth", "--json")
    assert json.loads(said.out)["shape"] == [3, 2, 40, 48]
    first = tifffile.imread(tmp_path / "truth" / "01_GT" / "TRA" / "man_track000.tif")
    assert np.array_equal(first > 0, np.hypot(y - 20, x - 30) < 6)
    again = (*words[:1], tmp_path / "again.ome.tif", *words[2:6], "--settings", tmp_path / "truth" / "synth.toml")
    assert unfade(*again).code == 0
    assert np.array_equal(tifffile.imread(tmp_path / "m.ome.tif"), tifffile.imread(tmp_path / "again.ome.tif"))


def test_positions_of_the_doctor_are_shares(unfade: Command) -> None:
    for text in ("middle", "0.5", "0.5,1.5", "0.1,0.2,0.3"):
        said = unfade("doctor", "--at", "0.5,0.5", "--at", text)
        assert f"--at takes shares of height and width from 0 to 1, such as 0.25,0.5, not '{text}'" in said.sentence()


def test_a_run_can_be_online_and_have_a_starter(
    unfade: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def stop(source: object, target: object, chosen: RunSettings, *_: object) -> None:
        asked.append(chosen)
        raise OutputError("That is enough.")

    monkeypatch.setattr("unfade.api.run", stop)
    movie = tmp_path / "m.tif"
    tifffile.imwrite(movie, np.zeros((2, 8, 8), np.uint8))
    words = ("run", movie, "-o", tmp_path / "out")
    assert unfade(*words, "--system", "lexy", "--online").sentence() == "That is enough."
    assert asked[-1].system.settings == {"online": True}
    assert unfade(*words, "--system", "track-net", "--starter", "lexy-unet=w").sentence() == "That is enough."
    assert asked[-1].predict.starter == SystemSettings(name="lexy-unet", weights="w")
    assert asked[-1].system.settings == {}
    assert unfade(*words, "--system", "track-net", "--follow", "whole").sentence() == "That is enough."
    assert asked[-1].predict.follow == "whole"
    assert "follow" in unfade(*words, "--follow", "anything").sentence()
    assert "leave it out for nuclei-unet" in unfade(*words, "--online").sentence()
    assert len(asked) == 3


def test_a_movie_is_replaced_only_when_asked(unfade: Command, tmp_path: Path) -> None:
    assert unfade("synthesize", tmp_path / "m.ome.tif", *SMALL).code == 0
    assert "is there already" in unfade("synthesize", tmp_path / "m.ome.tif", *SMALL).sentence()
    assert unfade("synthesize", tmp_path / "m.ome.tif", *SMALL, "--overwrite").code == 0


def test_preparing_nothing_is_an_error_and_leaves_nothing(unfade: Command, tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "in" / name).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "in" / name / "a.tif", np.zeros((16, 16), np.uint8))
    words = ("prepare", tmp_path / "in", "-o", tmp_path / "out")
    assert "(1 images without a nucleus)" in unfade(*words).sentence()
    assert "leave --masks out" in unfade(*words, "--masks", "foo").sentence()
    assert [p.name for p in tmp_path.iterdir()] == ["in"]
    said = unfade(*words, "--crops", "none", "--json")
    assert (said.code, json.loads(said.out)["kept"]) == (0, {"train": 1})
