"""The doctor's verdicts, figures and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from unfade.errors import MissingInputError, SettingsError
from unfade.pipeline import doctoring
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.diameter import Diameter
from unfade.predict.receptive_field import Field
from unfade.testing.movies import tiny

SMALL = SystemSettings(name="nuclei-unet", weights="none", settings={"width": 8, "levels": 2})


@pytest.fixture(scope="module")
def found() -> doctoring.Diagnosis:
    return doctoring.examine(SMALL, tiny().movie(), 0, PredictSettings(diameter=40.0), draws=1)


def test_the_build_is_examined_at_three_positions(found: doctoring.Diagnosis) -> None:
    assert found.weights is None
    assert set(found.fields) == {"middle", "edge", "corner"}
    assert 2 < found.half_px < found.most_px < 60
    assert found.diameter == Diameter(40.0, 0.8, "given")
    facts = found.facts()
    assert facts["positions"]["middle"]["radius_50_px"] == facts["radius_50_px"] == found.half_px
    assert (facts["radius_5_px"], facts["radius_95_px"]) == (found.near_px, found.most_px)
    assert found.near_px < found.half_px
    assert (facts["window_px"], facts["capped"]) == (256, False)
    layers = [row["layer"] for row in facts["layers"]]
    assert layers[0].startswith("encoder.")
    assert layers[-1] == "head"
    assert {row["stride"] for row in facts["layers"]} >= {1.0, 2.0, 4.0}
    wide = doctoring.examine(SMALL.changed(settings={"width": 8, "levels": 4}), draws=1)
    assert np.count_nonzero(wide.fields["middle"][0].weight) > 2 * np.count_nonzero(found.fields["middle"][0].weight)


def test_the_window_is_widened_once_and_what_it_cuts_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = []

    def seen(reach: float) -> Any:
        def fields(engine: Any, positions: Any, side: int, *_: Any) -> list[list[Field]]:
            sides.append(side)
            weight = np.zeros((side, side))
            weight[side // 2, side // 2], weight[side // 2, int(side // 2 + min(reach, side / 2 - 1))] = 0.9, 0.1
            return [[Field("input", (side / 2, side / 2), 1.0, weight)] for _ in positions]

        return fields

    for reach, widened, capped in ((60, [256], False), (100, [256, 512], False), (200, [256, 512], True)):
        sides.clear()
        monkeypatch.setattr(doctoring, "receptive_fields", seen(reach))
        found = doctoring.examine(SMALL)
        assert (sides, found.window_px, found.capped) == (widened, widened[-1], capped)
        assert ("at least so far" in " ".join(found.verdicts)) == capped
        assert found.most_px == reach


def test_positions_can_be_chosen(tmp_path: Path) -> None:
    settings = doctoring.DoctorSettings(at=((0.25, 0.75),))
    assert settings.positions == {"middle": (0.5, 0.5), "y0.25-x0.75": (0.25, 0.75)}
    assert doctoring.DoctorSettings().positions == doctoring.POSITIONS
    found = doctoring.examine(SMALL, draws=1, positions=settings.positions)
    assert found.fields["y0.25-x0.75"][0].at_px == (64, 192)
    names = {path.name for path in doctoring.write_diagnosis(tmp_path, found)}
    assert "receptive-field-y0.25-x0.75.svg" in names
    with pytest.raises(SettingsError, match=r"'at\.0\.1'"):
        doctoring.DoctorSettings.parse({"at": [[0.5, 1.5]]})


def test_figures_and_facts_are_written(found: doctoring.Diagnosis, tmp_path: Path) -> None:
    files = doctoring.write_diagnosis(tmp_path / "new", found)
    names = {path.name for path in files}
    assert names == {
        "receptive-field-middle.svg", "receptive-field-edge.svg", "receptive-field-corner.svg",
        "receptive-field-layers.svg", "doctor.json",
    }  # fmt: skip
    assert all(path.stat().st_size > 500 for path in files)
    text = (tmp_path / "new" / "receptive-field-middle.svg").read_text()
    assert "radius of the objects" in text
    assert json.loads((tmp_path / "new" / "doctor.json").read_text())["radius_95_px"] == pytest.approx(found.most_px)


@pytest.mark.parametrize(
    ("diameter", "words"),
    [(20.0, "sees the whole object"), (40.0, "does not see across"), (80.0, "does not see the rim")],
)
def test_the_verdict_follows_from_reach_and_diameter(diameter: float, words: str) -> None:
    sentences = doctoring.verdicts((2.0, 8.0, 25.0), (15.0, 32.0), Diameter(diameter, 1.0, "given"))
    assert "5 % lies within 2 px of it, 50 % within 8 px and 95 % within 25 px" in sentences[0]
    assert words in sentences[1]
    assert len(sentences) == (3 if diameter == 80 else 2)
    if diameter == 80:
        assert "Give --diameter 128" in sentences[2]  # a movie of 80 px called 128 is shrunk by the same factor


def test_verdicts_without_a_movie_or_without_objects() -> None:
    assert "trained for objects of 15 to 32 px" in doctoring.verdicts((2, 8, 25), (15.0, 32.0), None)[1]
    assert "No object was found" in doctoring.verdicts((2, 8, 25), (15.0, 32.0), Diameter(None, 1.0, "none found"))[1]


def test_shares_within_radii() -> None:
    weight = np.zeros((5, 5))
    weight[2, 2], weight[2, 4] = 0.25, 0.75
    shares = doctoring.shares_within(Field("input", (2.0, 2.0), 1.0, weight), np.arange(4))
    assert shares.tolist() == [0.25, 0.25, 1, 1]


def test_a_band_surrounds_the_edges_and_losses_are_cross_entropy() -> None:
    truth = np.zeros((40, 40), int)
    truth[10:30, 10:30] = 1
    edges, band = doctoring.boundary_band(truth)
    assert edges[10:30, 9:12].any(1).all()
    assert not edges[15:25, 15:25].any()
    assert 14 <= band[20].sum() <= 16  # 7 px at either side, more where the edge is double
    assert not band[18:22, 18:22].any()
    loss = doctoring.loss_map(np.array([[0.9, 0.9]]), np.array([[1, 0]]))
    assert loss == pytest.approx(-np.log([[0.9, 0.1]]))


def test_pictures_of_stills(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    truth = np.zeros((48, 48), np.uint16)
    truth[10:30, 12:30] = 1
    for k in range(2):
        tifffile.imwrite(tmp_path / "images" / f"{k}.tif", (truth * 90 + 10).astype(np.uint8))
        tifffile.imwrite(tmp_path / "masks" / f"{k}.tif", truth)
    engine, name = doctoring.open_for_doctor(SMALL, PredictSettings())
    assert name is None
    files = doctoring.write_examples(tmp_path / "out", engine, tmp_path)
    assert [f.name for f in files] == ["boundary-bands.png", "loss-maps.png"]
    assert all(f.stat().st_size > 2000 for f in files)
    for path in (tmp_path / "masks").iterdir():
        tifffile.imwrite(path, 0 * truth)
    with pytest.raises(MissingInputError, match="no validation still"):
        doctoring.write_examples(tmp_path / "out", engine, tmp_path)


def test_systems_that_see_many_frames_have_no_loss_map_of_stills(tmp_path: Path) -> None:
    engine, _ = doctoring.open_for_doctor(SystemSettings(name="lexy", weights="none"), PredictSettings())
    with pytest.raises(SettingsError, match="sees one frame at a time"):
        doctoring.foreground(engine, None)  # type: ignore[arg-type]


def test_settings_become_a_system_and_a_way_to_run_it() -> None:
    settings = doctoring.DoctorSettings(system="lexy", weights="none", diameter=12.0, device="cpu")
    assert settings.chosen == SystemSettings(name="lexy", weights="none")
    assert settings.predict == PredictSettings(diameter=12.0, device="cpu")
