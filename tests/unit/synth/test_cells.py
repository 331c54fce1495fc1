"""Synthetic movies: the truth is true, and the same settings give the same movie."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from unfade.errors import SettingsError
from unfade.synth import Camera, CellMovie, CellMovieSettings, Growth, Motion, Reporter
from unfade.synth.painting import Painted, paint
from unfade.synth.population import LOBES, Cells
from unfade.synth.timecourse import drive
from unfade.testing.movies import noise, small, tiny

CLEAN = Camera(background=0, haze=0, unevenness=0, bleaching=0)


@pytest.fixture(scope="module")
def movie() -> CellMovie:
    return small()


def alone(y: float = 40.0, x: float = 40.0, radius: float = 9.0, ratio: float = 2.0) -> Cells:
    """One round cell."""
    flat = np.zeros((1, LOBES), complex)
    one = np.ones(1)
    return Cells(
        np.array([5], np.int32), np.array([[y, x]]), radius * one, one.astype(complex), flat, flat, one, 700 * one,
        ratio * one,
    )  # fmt: skip


def draw(cells: Cells) -> Painted:
    return paint(cells, (80, 80), cell_ratio=2.0, seed=0)


def test_the_same_settings_give_the_same_movie_in_any_order() -> None:
    one, two = tiny(), tiny()
    forward = [one.frame(t).image for t in range(5)]
    backward = [two.frame(t).image for t in (4, 3, 2, 1, 0)][::-1]
    assert np.array_equal(forward, backward)
    assert not np.array_equal(forward[0], tiny(seed=1).frame(0).image)


def test_a_longer_movie_begins_with_the_shorter_one() -> None:
    long, short = (CellMovie(CellMovieSettings(frames=n, height_px=64, width_px=64)) for n in (6, 3))
    assert np.array_equal(long.frame(2).image, short.frame(2).image)


def test_a_disc_has_the_area_and_the_middle_it_was_given() -> None:
    painted = draw(alone(y=40.3, x=38.85))
    row = painted.objects.iloc[0]
    assert row["nucleus_px"] == pytest.approx(np.pi * 9**2, rel=0.002)
    assert row["cytoplasm_px"] == pytest.approx(np.pi * (18**2 - 9**2), rel=0.002)
    assert (row["y_px"], row["x_px"]) == pytest.approx((40.3, 38.85), abs=0.02)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.25, -0.4), (0.5, 0.5)])
def test_masks_and_pixels_move_together_below_a_pixel(shift: tuple[float, float]) -> None:
    painted = draw(alone(40 + shift[0], 40 + shift[1]))
    middle = ndimage.center_of_mass(painted.reporter)
    mask = ndimage.center_of_mass(painted.cells == 5)
    assert middle == pytest.approx((40 + shift[0], 40 + shift[1]), abs=0.25)  # texture moves it a little
    assert mask == pytest.approx((40 + shift[0], 40 + shift[1]), abs=0.1)


def test_a_pixel_belongs_to_what_covers_most_of_it() -> None:
    rows, columns = np.ogrid[:80, :80]
    far = np.hypot(rows - 40, columns - 40)
    painted = draw(alone())
    assert (painted.nuclei[far < 8.85] == 5).all()
    assert (painted.nuclei[far > 9.15] == 0).all()


def test_edges_are_averaged_over_the_pixel() -> None:
    painted = draw(alone())
    share = painted.marker / np.maximum(ndimage.grey_dilation(painted.marker, (3, 3)), 1e-6)
    inside = ndimage.binary_erosion(painted.nuclei > 0)
    rim = (painted.marker > 0) & ~inside
    assert (painted.marker[ndimage.binary_erosion(painted.nuclei == 0, iterations=2)] == 0).all()
    assert np.unique(np.round(share[rim], 2)).size > 20  # not a staircase of full and empty pixels


def test_ratio_and_amount_are_what_they_say() -> None:
    painted = draw(alone(ratio=2.5))
    inside = ndimage.binary_erosion(painted.nuclei > 0)
    around = ndimage.binary_erosion((painted.cells > 0) & (painted.nuclei == 0))
    assert painted.reporter[inside].mean() / painted.reporter[around].mean() == pytest.approx(2.5, rel=0.03)
    assert painted.reporter.sum() == pytest.approx(700, rel=1e-4)
    assert painted.objects["nuclear"][0] / painted.objects["cytoplasmic"][0] == pytest.approx(2.5)


def test_the_reporter_is_conserved_while_it_moves() -> None:
    settings = CellMovieSettings(
        frames=6,
        height_px=120,
        width_px=120,
        motion=Motion(speed_px=0),
        growth=Growth(cells=1, division_rate=0, diameter_px=14, diameter_spread=0),
        reporter=Reporter(stimulus_frame=1, ratio_before=3, ratio_after=0.3, ratio_spread=0),
        camera=CLEAN,
        seed=next(s for s in range(50) if _central(s)),
    )
    movie = CellMovie(settings)
    sums = [float(movie.frame(t).photons[1].sum()) for t in range(6)]
    assert sums == pytest.approx([sums[0]] * 6, rel=0.01)
    assert sums[0] == pytest.approx(CLEAN.photons * movie.truth().rows["amount"][0], rel=0.01)
    ratios = movie.truth().rows["ratio"].to_numpy()
    assert ratios[1] == pytest.approx(3)
    assert ratios[2] < 1.5
    assert ratios[-1] == pytest.approx(0.3, rel=0.25)


def _central(seed: int) -> bool:
    """Whether the one cell of this seed lies well inside a field of 120 px."""
    growth = Growth(cells=1, division_rate=0, diameter_px=14, diameter_spread=0)
    settings = CellMovieSettings(frames=1, height_px=120, width_px=120, growth=growth, seed=seed)
    return bool((abs(CellMovie(settings).population.frames[0].centre_px - 60) < 25).all())


def test_nuclei_lie_inside_their_cells_and_labels_are_tracks(movie: CellMovie) -> None:
    nodes = movie.lineage
    for t in range(len(movie)):
        frame = movie.frame(t)
        assert (frame.cells[frame.nuclei > 0] == frame.nuclei[frame.nuclei > 0]).all()
        assert np.array_equal(np.unique(frame.nuclei)[1:], np.sort(nodes.label[nodes.frame == t]))
        assert set(np.unique(frame.cells)[1:]) <= set(frame.objects["track"])


def test_daughters_begin_where_their_mother_ended(movie: CellMovie) -> None:
    spans = movie.lineage.tracks().set_index("track")
    assert len(movie.lineage.parents) >= 2
    truth = movie.truth().rows.set_index(["track", "frame"])
    for child, parent in movie.lineage.parents.tolist():
        if spans.loc[child, "first"] != spans.loc[parent, "last"] + 1:
            continue  # one of the two was outside the field
        before = truth.loc[(parent, spans.loc[parent, "last"])]
        after = truth.loc[(child, spans.loc[child, "first"])]
        assert np.hypot(before["y_px"] - after["y_px"], before["x_px"] - after["x_px"]) < 18
        assert after["nucleus_px"] < 0.8 * before["nucleus_px"]


def test_mask_areas_agree_with_the_true_areas(movie: CellMovie) -> None:
    frame = movie.frame(3)
    truth = frame.objects.set_index("track")
    border = np.unique(np.concatenate([frame.nuclei[0], frame.nuclei[-1], frame.nuclei[:, 0], frame.nuclei[:, -1]]))
    whole = np.setdiff1d(np.unique(frame.nuclei)[1:], border)
    assert len(whole) > 5
    drawn = np.array([(frame.nuclei == i).sum() for i in whole])
    assert np.abs(drawn / truth.loc[whole, "nucleus_px"].to_numpy() - 1).max() < 0.05


def test_photons_noise_and_offset_follow_the_camera() -> None:
    movie = noise(frames=2, side_px=256)
    camera = movie.settings.camera
    image = movie.frame(0).image.astype(float)
    assert image.mean() == pytest.approx(camera.offset + camera.gain * camera.background, rel=0.01)
    assert image.var() == pytest.approx(camera.gain**2 * (camera.background + camera.read_noise**2), rel=0.05)
    assert abs(np.corrcoef(image.ravel(), movie.frame(1).image.ravel())[0, 1]) < 0.01  # fresh noise in every frame
    assert len(movie.lineage.track) == 0
    assert not np.asarray(movie.labels()).any()


def test_bleaching_takes_its_share_every_frame() -> None:
    growth = Growth(cells=12, division_rate=0)
    still = Motion(speed_px=0, wobble=0, turning_rad=0)
    base = CellMovieSettings(
        frames=4, height_px=96, width_px=96, motion=still, growth=growth, reporter=Reporter(stimulus_frame="never")
    )
    movie = CellMovie(base.changed(camera=CLEAN.changed(bleaching=0.1).plain()))
    kept = [float(movie.frame(t).photons.sum()) for t in range(4)]
    assert [b / a for a, b in pairwise(kept)] == pytest.approx([0.9] * 3, rel=0.01)


def test_drift_moves_all_cells_alike() -> None:
    still = Motion(speed_px=0, wobble=0, turning_rad=0, drift_px=2)
    movie = CellMovie(CellMovieSettings(frames=5, growth=Growth(cells=12, division_rate=0), motion=still))
    steps = np.diff([cells.centre_px for cells in movie.population.frames], axis=0)
    assert np.ptp(steps, axis=1).max() < 1e-9
    assert steps.std() > 0.5
    assert np.allclose(steps[:, 0], np.diff(movie.population.drift_px, axis=0))


def test_spacing_decides_whether_nuclei_touch() -> None:
    def contacts(spacing: float) -> int:
        growth = Growth(cells=60, spacing=spacing, division_rate=0, roughness=0.5)
        nuclei = CellMovie(CellMovieSettings(frames=1, growth=growth)).frame(0).nuclei
        right, down = nuclei[:, :-1] != nuclei[:, 1:], nuclei[:-1] != nuclei[1:]
        both_x = (nuclei[:, :-1] > 0) & (nuclei[:, 1:] > 0) & right
        both_y = (nuclei[:-1] > 0) & (nuclei[1:] > 0) & down
        return int(both_x.sum() + both_y.sum())

    assert contacts(1.4) == 0
    assert contacts(0.6) > 20


def test_drive_is_exponential_both_ways() -> None:
    reporter = Reporter(stimulus_frame=4, export_frames=2, recovery_frame=30, recovery_frames=3)
    assert [drive(t, reporter) for t in (0, 4)] == [0, 0]
    assert drive(6, reporter) == pytest.approx(1 - np.exp(-1))
    assert drive(30, reporter) == pytest.approx(1 - np.exp(-13))
    assert drive(33, reporter) == pytest.approx((1 - np.exp(-13)) * np.exp(-1))
    assert drive(50, Reporter(stimulus_frame="never")) == 0


def test_truth_table_covers_what_is_seen() -> None:
    movie = tiny()
    rows = movie.truth().rows
    assert set(rows["frame"]) == set(range(5))
    for t in range(5):
        assert set(rows["track"][rows["frame"] == t]) == set(np.unique(movie.frame(t).cells)[1:])
    assert rows["ratio"][rows["frame"] <= 2].median() > 1 > rows["ratio"][rows["frame"] == 4].median()


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"growth": {"diameter_px": -1}}, {"reporter": {"ratio_after": 0}}, {"colour": "red"}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=str(next(iter(wrong)))):
        CellMovieSettings.parse(wrong)
