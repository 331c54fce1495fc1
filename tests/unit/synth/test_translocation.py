"""Translocation movies: masks move with the pixels, light is kept, and a nucleus of no contrast leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from unfade.errors import SettingsError, ShapeError
from unfade.synth import Camera, NucleusShapes, TranslocationMovie, TranslocationSettings, draw_settings
from unfade.synth.course import drives, ratios
from unfade.synth.deformation import affines
from unfade.synth.fading import Bodies, Debris, Deformation, Nuclei, TimeCourse

CLEAN = Camera(photons=500, background=0, blur_px=0.7, haze=0, unevenness=0, bleaching=0, read_noise=0, offset=0)
STILL = Deformation(speed_px=0, turn_rad=0, stretch=0, shear=0)
FADE = TimeCourse(
    ratio_before=2.0, before_spread=0, ratio_after=0.5, after_spread=0, stimulus_frame=2, export_frames=2,
    recovery_frame=7, recovery_frames=2,
)  # fmt: skip
PLAIN = NucleusShapes.drawn(4, seed=3)
SMOOTH = NucleusShapes(PLAIN.depth, np.ones_like(PLAIN.grain))


def alone(first_seed: int = 0, **groups: object) -> TranslocationMovie:
    """One cell well inside a field, of the first seed that puts it there."""
    values = {
        "frames": 10, "height_px": 160, "width_px": 160, "camera": CLEAN, "course": FADE,
        "nuclei": Nuclei(coverage=0.001, diameter_px=20, diameter_spread=0), "deformation": STILL,
    }  # fmt: skip
    for seed in range(first_seed, first_seed + 50):
        settings = TranslocationSettings(**{**values, **groups, "seed": seed})  # type: ignore[arg-type]
        movie = TranslocationMovie(settings, SMOOTH)
        place = movie.paths.centre_px
        if place.min() > 50 and place.max() < 110:
            return movie
    raise AssertionError("no seed puts the cell inside")


def crowd(**groups: object) -> TranslocationMovie:
    values = {"frames": 4, "height_px": 64, "width_px": 64, **groups}
    return TranslocationMovie(TranslocationSettings(**values), PLAIN)  # type: ignore[arg-type]


def middle(light: np.ndarray) -> np.ndarray:
    return np.array(ndimage.center_of_mass(light))


def test_frames_are_the_same_in_any_order_and_all_at_once() -> None:
    one, two = crowd(), crowd()
    whole = one.frames(marker=True)
    for t in (3, 0, 2, 1):
        frame = two.frame(t)
        assert np.array_equal(frame.image, whole.image[t])
        assert np.array_equal(frame.nuclei, whole.nuclei[t])
        assert np.array_equal(frame.cells, whole.cells[t])
    assert not np.array_equal(crowd(seed=1).frame(0).image, whole.image[0])


def test_masks_move_with_the_pixels_below_a_pixel() -> None:
    moving = Deformation(speed_px=1.5, turn_rad=0.1, stretch=0.05, shear=0.05)
    movie = alone(deformation=moving)
    frames = [movie.frame(t) for t in range(10)]
    light = np.array([middle(f.photons[1]) for f in frames])
    mask = np.array([middle(f.nuclei > 0) for f in frames])
    assert np.ptp(mask, axis=0).max() > 2
    assert np.abs(light - mask).max() < 0.2  # a mask's middle is on whole pixels, that alone gives 0.1
    assert np.abs(light - mask).mean() < 0.06
    spread = [np.cov(np.argwhere(f.nuclei > 0).T) for f in frames]
    bright = [np.cov(np.argwhere(f.photons[1] >= 0).T, aweights=f.photons[1].ravel()) for f in frames]
    for a, b in zip(spread, bright, strict=True):
        assert np.abs(np.linalg.eigh(a)[1][:, 1] @ np.linalg.eigh(b)[1][:, 1]) > 0.98  # the long axes agree


def test_the_mask_has_the_area_of_the_nucleus() -> None:
    area = np.array([(alone(k).frame(0).nuclei > 0).sum() for k in (0, 50, 100)])
    assert area == pytest.approx(np.pi * 10**2, rel=0.02)


def test_all_light_is_kept_while_the_reporter_moves() -> None:
    movie = alone()
    frames = [movie.frame(t) for t in range(10)]
    assert all((f.cells[[0, -1]] == 0).all() and (f.cells[:, [0, -1]] == 0).all() for f in frames)
    total = np.array([f.photons[0].sum() for f in frames])
    assert total == pytest.approx(total[0], rel=0.002)
    nucleus = np.array([f.photons[0][f.nuclei > 0].sum() for f in frames])
    around = np.array([f.photons[0][f.nuclei == 0].sum() for f in frames])
    assert nucleus[6] < 0.6 * nucleus[0]
    assert around[6] > 1.1 * around[0]


def test_deformation_keeps_the_light_too() -> None:
    movie = alone(deformation=Deformation(speed_px=0.5, turn_rad=0.1, stretch=0.05, shear=0.05))
    total = np.array([movie.frame(t).photons[0].sum() for t in range(10)])
    assert total == pytest.approx(total[0], rel=0.01)


def test_bleaching_takes_light_away() -> None:
    movie = alone(camera=CLEAN.changed(bleaching=0.1))
    assert movie.frame(5).photons.sum() == pytest.approx(0.9**5 * alone().frame(5).photons.sum(), rel=0.01)


def test_the_contrast_goes_through_zero_and_back_where_asked() -> None:
    flat = Bodies(grain=0, doming=0.02, ratio=3, offset=0, elongation=0, roughness=0)
    movie = alone(bodies=flat)
    truth = movie.truth().rows.set_index("frame")
    measured = []
    for t in range(10):
        frame = movie.frame(t)
        inside = ndimage.binary_erosion(frame.nuclei > 0, iterations=3)
        ring = ndimage.binary_dilation(frame.nuclei > 0, iterations=6) & ~ndimage.binary_dilation(
            frame.nuclei > 0, iterations=3
        )
        measured.append(frame.photons[0][inside].mean() / frame.photons[0][ring].mean())
    assert measured == pytest.approx(truth["ratio"].to_numpy(), rel=0.02)
    assert measured[0] > 1.9
    assert measured[7] < 0.7  # 0.5 + what is left of the export after 5 frames
    assert np.sign(np.log(measured)).tolist() == [1, 1, 1, 1, -1, -1, -1, -1, -1, 1]


@pytest.mark.parametrize("exclusion", [0, 0.5, 1])
def test_a_nucleus_of_no_contrast_leaves_no_trace(exclusion: float) -> None:
    gone = TimeCourse(ratio_before=1, before_spread=0, stimulus_frame="never")
    bodies = Bodies(exclusion=exclusion)
    base = TranslocationSettings(frames=1, height_px=64, width_px=64, course=gone, bodies=bodies)
    one = TranslocationMovie(base, PLAIN).frame(0)
    other = TranslocationMovie(base, NucleusShapes.drawn(4, seed=9)).frame(0)
    assert not np.array_equal(one.nuclei, other.nuclei)
    assert one.photons[0] == pytest.approx(other.photons[0], rel=1e-4)
    told = base.changed(nuclei={"residue": 0.5})
    shown = [TranslocationMovie(told, s).frame(0).photons[0] for s in (PLAIN, NucleusShapes.drawn(4, seed=9))]
    assert np.abs(shown[0] - shown[1]).max() > 1


def test_an_envelope_shades_the_outline_and_keeps_the_light() -> None:
    level = TimeCourse(ratio_before=1.0, before_spread=0, stimulus_frame="never")
    plain = alone(course=level)
    shaded = alone(course=level, nuclei=Nuclei(coverage=0.001, diameter_px=20, diameter_spread=0, rim=0.5))
    before, after = (movie.frame(0) for movie in (plain, shaded))
    assert after.photons[0].sum() == pytest.approx(before.photons[0].sum(), rel=1e-3)
    nucleus = before.nuclei > 0
    outline = nucleus & ~ndimage.binary_erosion(nucleus)
    core = ndimage.binary_erosion(nucleus, iterations=5)
    left = [np.median(after.photons[0][where] / before.photons[0][where]) for where in (outline, core)]
    assert left[0] < 0.85 < 0.98 < left[1] < 1.1


def test_nuclei_lie_anywhere_in_their_cells_and_fields_are_not_centred_on_one() -> None:
    movie = crowd(frames=1, height_px=256, width_px=256, nuclei=Nuclei(coverage=0.05))
    truth = movie.truth().rows
    inside = truth["y_px"].between(20, 236) & truth["x_px"].between(20, 236)
    gap = []
    for row in truth[inside].itertuples():
        body = movie.frame(0).cells == row.track
        gap.append(np.hypot(*(middle(body) - (row.y_px, row.x_px))))
    assert np.median(gap) > 2
    central = [crowd(seed=k, frames=1).frame(0).nuclei[32, 32] > 0 for k in range(40)]
    assert 0 < np.mean(central) < 0.5


def test_cells_answer_one_by_one() -> None:
    course = TimeCourse(stimulus_frame=0, export_frames=0, responders=0.5, before_spread=0, after_spread=0)
    log = ratios(course, 3, 2000, np.random.default_rng(0))
    assert np.allclose(log[0], np.log(1.8))
    assert np.mean(np.isclose(log[2], np.log(0.75))) == pytest.approx(0.5, abs=0.04)
    late = ratios(course.changed(delay_frames=4.0, responders=1.0), 6, 2000, np.random.default_rng(0))
    assert np.mean(np.isclose(late[2], np.log(0.75))) == pytest.approx(0.5, abs=0.04)
    assert np.allclose(late[5], np.log(0.75))


def test_export_and_return_are_exponential() -> None:
    frame = np.arange(0, 12, 1.0)
    moved = drives(FADE, frame)
    assert moved[:3].tolist() == [0, 0, 0]
    assert moved[4] == pytest.approx(1 - np.exp(-1))
    assert moved[7] == pytest.approx(1 - np.exp(-2.5))
    assert moved[9] == pytest.approx(moved[7] * np.exp(-1))
    assert drives(FADE.changed(stimulus_frame="never"), frame).max() == 0


def test_deformation_goes_on_keeps_areas_and_levels_off() -> None:
    motion = Deformation(turn_rad=0.05, stretch=0.05, shear=0.05, jitter=0, limit=0.3)
    maps = affines(motion, 500, 60, np.random.default_rng(0))
    assert np.linalg.det(maps) == pytest.approx(np.ones((60, 500)))
    change = np.linalg.norm(maps[1:] - maps[0], axis=(2, 3)).mean(1)
    assert (np.diff(change[:20]) > 0).all()
    steps = np.linalg.svd(maps, compute_uv=False)[..., 0]
    assert np.allclose(steps[0], 1)
    assert 1.3 < steps[-1].max() < np.exp(0.3) * 1.35


def test_a_division_leaves_two_daughters_that_take_after_their_mother() -> None:
    movie = crowd(
        frames=12, height_px=128, width_px=128, nuclei=Nuclei(division_rate=0.1), course=FADE.changed(after_spread=0.3)
    )
    pairs = movie.lineage.parents
    assert len(pairs) >= 2
    mothers, counts = np.unique(pairs[:, 1], return_counts=True)
    tracks = movie.lineage.tracks().set_index("track")
    for mother, count in zip(mothers.tolist(), counts.tolist(), strict=True):
        daughters = tracks.loc[pairs[pairs[:, 1] == mother, 0]]
        assert count <= 2
        assert (daughters["first"] > tracks.loc[mother, "last"]).all()
        places = [mother - 1, *(pairs[pairs[:, 1] == mother, 0] - 1)]
        assert np.ptp(movie.cells.contrast[-1, places]) < 1e-9
    assert set(movie.paths.alive.sum(0)) != {12}


def test_masks_tables_and_lineage_agree() -> None:
    movie = crowd(frames=3)
    truth, lineage = movie.truth().rows, movie.lineage
    apart = []
    for t, nuclei in enumerate(movie.labels().frames()):
        rows = truth[(truth["frame"] == t) & truth["y_px"].between(12, 52) & truth["x_px"].between(12, 52)]
        apart += [middle(nuclei == row.track) - (row.y_px, row.x_px) for row in rows.itertuples()]
        cells = movie.labels("cell").frame(t)
        assert (cells[nuclei > 0] == nuclei[nuclei > 0]).all()
        assert set(np.unique(cells)) - {0} <= set(truth.loc[truth["frame"] == t, "track"])
        assert set(lineage.track[lineage.frame == t]) == set(np.unique(nuclei)) - {0}
    assert np.abs(np.mean(apart, axis=0)).max() < 0.25
    assert truth.groupby("track")["amount"].std().max() < 1e-6 * truth["amount"].max()
    assert movie.movie().frame(1).shape == (2, 64, 64)


def test_a_camera_subtracts_saturates_flickers_and_loses_focus() -> None:
    plain = crowd()
    cut = crowd(camera=plain.settings.camera.changed(subtracted=150.0, saturation=260))
    before, after = plain.frame(0).image.astype(int), cut.frame(0).image.astype(int)
    assert np.array_equal(after, np.maximum(np.minimum(before, 260) - 150, 0))
    assert (after == 0).any()
    assert (after == 110).any()
    light = [crowd(camera=CLEAN.changed(flicker=0.2)).frame(t).photons.sum() for t in range(4)]
    steady = [crowd(camera=CLEAN).frame(t).photons.sum() for t in range(4)]
    assert np.std(np.log(np.divide(light, steady))) > 0.05
    blurred = crowd(camera=CLEAN.changed(refocus_px=3.0)).frame(1).photons[1]
    assert blurred.std() < 0.98 * crowd(camera=CLEAN).frame(1).photons[1].std()
    smooth = crowd(camera=CLEAN.changed(smoothed_px=1.0)).frame(0).image[0].astype(float)
    rough = crowd(camera=CLEAN).frame(0).image[0].astype(float)
    assert ndimage.laplace(smooth).std() < 0.5 * ndimage.laplace(rough).std()


def test_debris_is_bright_and_in_no_mask() -> None:
    movie = crowd(frames=1, camera=CLEAN, debris=Debris(density=20, brightness=50, diameter_px=6))
    spots = movie.frame(0).photons[0] > 5000
    assert spots.sum() > 40
    assert np.array_equal(movie.frame(0).nuclei, crowd(frames=1, camera=CLEAN).frame(0).nuclei)


def test_nuclei_of_a_still_keep_their_outline_and_texture() -> None:
    y, x = np.mgrid[:80, :80]
    labels = ((y - 30) ** 2 / 15**2 + (x - 42) ** 2 / 9**2 < 1).astype(np.int32)
    labels[0:16, 60:76] = 2  # at the border
    labels[70:74, 70:74] = 3  # too small
    image = np.where(labels > 0, np.where(y < 30, 200, 100), 10)
    shapes = NucleusShapes.from_stills([image], [labels])
    assert len(shapes) == 1
    rows, columns = np.nonzero(shapes.depth[0] < 0)
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(15 / 9, rel=0.1)
    grain = shapes.grain[0]
    assert grain[shapes.depth[0] < 0].mean() == pytest.approx(1, abs=1e-3)
    assert grain[18, 24] / grain[30, 24] == pytest.approx(190 / 90, rel=0.1)


def test_stills_without_a_nucleus_are_refused() -> None:
    with pytest.raises(ShapeError, match="None of the stills has a nucleus"):
        NucleusShapes.from_stills([np.zeros((20, 20))], [np.zeros((20, 20), int)])
    with pytest.raises(ShapeError, match="cannot have a mask"):
        NucleusShapes.from_stills([np.zeros((20, 20))], [np.zeros((20, 21), int)])


def test_drawn_settings_repeat_and_differ() -> None:
    one, two = (draw_settings(np.random.default_rng(5)) for _ in range(2))
    assert one == two
    many = [draw_settings(np.random.default_rng(k)) for k in range(60)]
    assert {s.nuclei.residue == 0 for s in many} == {True, False}
    assert {s.camera.subtracted == 0 for s in many} == {True, False}
    assert all(14 <= s.nuclei.diameter_px <= 24 for s in many)
    through = [s.course.ratio_before > 1 > s.course.ratio_after for s in many]
    assert 0.3 < np.mean(through) < 0.9
    TranslocationMovie(many[0].changed(frames=2), PLAIN).frames()


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="ratio_before"):
        TranslocationSettings.parse({"course": {"ratio_before": 0}})
