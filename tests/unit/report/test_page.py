"""The page as a file: self-contained, escaped, honest in odd cases, written in one step."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.report.small import HOSTILE, content
from unfade.errors import OutputError, ShapeError
from unfade.records import Calibration
from unfade.report.content import Rescaling, Snapshot
from unfade.report.page import html, plain, write

SECTIONS = ("frames", "ratios", "counts", "tracks", "attention", "scale", "manifest")


class Reader(HTMLParser):
    """Elements, attributes and text of a page, section by section."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self._section = ""
        self._hidden = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag == "section":
            self._section = given.get("id") or ""
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._section = ""
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text[self._section] = f"{self.text.get(self._section, '')} {' '.join(data.split())}".strip()

    def ids(self) -> list[str]:
        return [given["id"] for _, given in self.elements if given.get("id")]  # type: ignore[misc]


def test_every_section_stands_once_with_a_heading() -> None:
    page = Reader(html(content()))
    sections = [given["id"] for tag, given in page.elements if tag == "section"]
    assert sections == ["notes", *SECTIONS]
    assert len(page.ids()) == len(set(page.ids()))
    titles = [given["aria-labelledby"] for tag, given in page.elements if tag == "section"]
    assert set(titles) <= set(page.ids())
    assert {given["href"] for tag, given in page.elements if tag == "a"} == {"#main", *(f"#{s}" for s in SECTIONS)}


def test_the_page_says_what_was_found() -> None:
    text = Reader(html(content())).text
    assert "10 every 5 min, over 45 min" in text[""]
    assert "24 × 40 µm, 0.5 µm per pixel" in text[""]
    assert "Divisions 1" in text[""]
    assert "Frame 9 · 45 min · 6 objects" in text["frames"]
    assert "n = 6 tracks, 49 values." in text["ratios"]
    assert "1 object has no ratio (empty ring)." in text["ratios"]
    assert "n = 50 objects in 10 frames." in text["counts"]
    assert "n = 6 tracks." in text["tracks"]
    assert "touches border 2" in text["attention"]
    assert "y (px) x (px) area (px²)" in text["attention"]
    assert "150 % of their size, so that objects of 14 px were 21 px wide" in text["scale"]
    assert "The objects are smaller than those it knows." in text["scale"]
    assert "gap 2 names a, b" in text["manifest"]
    assert text["notes"] == "Notes One ring was empty."


def test_nothing_comes_from_outside_and_only_the_own_script_runs() -> None:
    page = html(content())
    for _, given in Reader(page).elements:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            value = given.get(name) or ""
            assert value.startswith(("data:image/png;base64,", "#")) or value in ("", "data:,")
    assert "://" not in page
    assert "@import" not in page
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in page or f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page
    assert not [name for _, given in Reader(page).elements for name in given if name.startswith("on")]


def test_hostile_names_stay_text() -> None:
    run = content()
    looks = run.attention.assign(reason=HOSTILE, **{HOSTILE: HOSTILE})
    objects = run.objects.rename(columns={"ratio_a": HOSTILE})
    hostile = content(
        title=HOSTILE,
        source=HOSTILE,
        channels=(HOSTILE, "b"),
        objects=objects,
        ratios=((HOSTILE, HOSTILE),),
        snapshot_channel=HOSTILE,
        attention=looks,
        rescaling=Rescaling(2.0, reason=HOSTILE),
        manifest={HOSTILE: HOSTILE, "a": {HOSTILE: [HOSTILE, {HOSTILE: 1}]}, "b": [{HOSTILE: HOSTILE}]},
        notes=(HOSTILE,),
    )
    page = html(hostile)
    assert "<img" not in page
    assert page.count("<script") == html(run).count("<script") == 2
    plainly = [(tag, sorted(given)) for tag, given in Reader(html(run)).elements if tag == "svg"]
    assert [(tag, sorted(given)) for tag, given in Reader(page).elements if tag == "svg"] == plainly
    text = Reader(page).text
    for part in ("", "notes", "frames", "ratios", "attention", "scale", "manifest"):
        assert " ".join(HOSTILE.split()) in text[part]


def test_names_that_are_no_unicode_can_be_written(tmp_path: Path) -> None:
    write(tmp_path / "report.html", content(title="odd \udcff name"))
    assert "odd \\udcff name" in (tmp_path / "report.html").read_text("utf-8")


def test_one_frame_has_nothing_to_link() -> None:
    text = Reader(html(content(1))).text
    assert "nothing to link" in text["tracks"]
    assert text["counts"] == "Objects per frame 6 objects in the only frame."
    assert "n = 6 objects of one frame." in text["ratios"]
    assert "nothing to link" in text[""]


def test_a_movie_without_objects_says_so_in_every_section() -> None:
    text = Reader(html(content(empty=True))).text
    assert "No object was found, so there is no ratio to show." in text["ratios"]
    assert "No object was found in 10 frames." in text["counts"]
    assert "There are no tracks." in text["tracks"]
    assert "There is no object to look at." in text["attention"]
    assert "Frame 0 · 0 min · 0 objects" in text["frames"]


def test_a_bare_run_without_scale_pictures_or_channels() -> None:
    bare = content(calibration=Calibration(), ratios=(), snapshots=(), rescaling=None, manifest={}, notes=(), crops=())
    text = Reader(html(bare)).text
    assert "interval unknown" in text[""]
    assert "pixel size unknown" in text[""]
    assert text["frames"] == "Frames No frame was kept for this report."
    assert "No channel was measured." in text["ratios"]
    assert "at their own size." in text["scale"]
    assert text["manifest"] == "Manifest This run kept no manifest."
    assert "notes" not in text


def test_a_clean_run_says_that_nothing_stood_out() -> None:
    run = content()
    text = Reader(html(content(attention=run.attention.head(0), crops=()))).text
    assert text["attention"] == "Objects worth a look Nothing stood out."


def test_all_values_missing() -> None:
    run = content()
    text = Reader(html(content(objects=run.objects.assign(ratio_a=np.nan)))).text
    assert "n = 0 tracks, 0 values." in text["ratios"]
    assert "50 objects have no ratio" in text["ratios"]


def test_thumbnails_come_from_crops_or_else_from_snapshots() -> None:
    crops = sum("thumb" in (g.get("class") or "") for _, g in Reader(html(content())).elements)
    assert crops == 6
    run = content(crops=())
    table = Reader(html(run)).elements
    pictures = [g["aria-label"] for t, g in table if t == "svg" and (g.get("aria-label") or "").startswith("Track")]
    shown = run.attention[run.attention["frame"].isin([0, 9])]
    assert pictures == [f"Track {r.track} in frame {r.frame}" for r in shown.itertuples()]
    assert pictures


def test_tracks_are_listed_for_the_search_field(monkeypatch: pytest.MonkeyPatch) -> None:
    def data(page: str) -> dict[str, list[int]]:
        found = re.search(r'id="tracks-data">(.*?)</script>', page)
        assert found
        return dict(json.loads(found[1]))

    assert data(html(content()))["5"] == [9, 9, 1, 1]
    monkeypatch.setattr("unfade.report.page.TRACKS_LISTED", 5)
    assert data(html(content())) == {}


def test_the_size_stays_small() -> None:
    tracks, frames = 600, 27
    rows = pd.DataFrame(
        {"frame": np.tile(np.arange(frames), tracks), "track": np.repeat(np.arange(tracks) + 1, frames)}
    )
    rng = np.random.default_rng(2)
    for name in ("a", "b"):
        rows[name] = rng.lognormal(0, 0.3, len(rows))
    ids = np.arange(tracks) + 1
    table = pd.DataFrame({"track": ids, "first": 0, "last": frames - 1, "frames": frames, "parent": 0})
    page = html(content(frames, objects=rows, tracks=table, ratios=(("a", "a"), ("b", "b")), snapshots=(), crops=()))
    assert page.count("data-t=") > 1200
    assert len(page) < 500_000


def test_written_in_one_step_and_replaced(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    write(target, content())
    assert target.read_text("utf-8").endswith("</html>")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_an_error_without_leftovers(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "report.html", content())
    with pytest.raises(OutputError, match="choose another"):
        write(tmp_path / "missing" / "report.html", content())
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"objects": pd.DataFrame({"frame": [0]})}, "'track'"),
        ({"ratios": (("nothing", "n"),)}, "'nothing'"),
        ({"tracks": pd.DataFrame({"track": [1]})}, "'first'"),
        ({"attention": pd.DataFrame({"frame": [1], "track": [1]})}, "'reason'"),
        ({"snapshots": [Snapshot(3, np.zeros((2, 2)), np.zeros((2, 3), int))]}, "Frame 3"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object], word: str) -> None:
    with pytest.raises(ShapeError, match=word):
        content(**changes)


def test_plain_values() -> None:
    given = [None, True, np.bool_(False), 0.1234567, 3, [1, "a"], (), "x"]
    assert [plain(v) for v in given] == ["none", "yes", "no", "0.123457", "3", "1, a", "none", "x"]


def test_the_page_needs_no_matplotlib() -> None:
    import subprocess

    code = "import sys, unfade.report.page; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
