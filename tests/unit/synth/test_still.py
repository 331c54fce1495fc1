"""A still that moves as one: masks go with the pixels, light is kept, and its nuclei can be made to vanish."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from unfade.errors import SettingsError, ShapeError
from unfade.synth import Camera, StillMovie, StillSettings, TranslocationMovie, TranslocationSettings
from unfade.synth.fading import Bodies, Deformation, Nuclei, TimeCourse
from unfade.synth.layers import from_reporter, mirrored

CLEAN = Camera(photons=500, background=0, blur_px=0.5, haze=0, unevenness=0, bleaching=0, read_noise=0, offset=0)
FADE = TimeCourse(
    ratio_before=2.0, before_spread=0, ratio_after=0.5, after_spread=0, stimulus_frame=2, export_frames=2,
    recovery_frame=7, recovery_frames=2,
)  # fmt: skip
GONE = TimeCourse(ratio_before=1.0, before_spread=0, stimulus_frame="never")
CALM = Deformation(turn_rad=0, stretch=0, shear=0)
DRAWN = Bodies(expression_spread=0)


def scene(side: int = 96, long: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """Two cells with a nucleus each: dim and bright cytoplasm, nuclei twice as bright, on a dark ground."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    image, labels = np.full((side, side), 10.0), np.zeros((side, side), np.int32)
    for n, (cy, cx, radius, light) in enumerate(((32, 30, 8, 100), (62, 60, 10, 140)), start=1):
        cell = np.hypot(y - cy - 2, x - cx + 3) < 2.2 * radius
        nucleus = np.hypot((y - cy) * long, (x - cx) / long) < radius
        image[cell], labels[nucleus] = 10 + light, n
        image[nucleus] = 10 + 2 * light
    return image * (1 + 0.03 * rng.normal(size=image.shape)), labels


def movie(**groups: object) -> StillMovie:
    values = {"frames": 10, "camera": CLEAN, "course": FADE, "deformation": CALM, "bodies": DRAWN, **groups}
    return StillMovie(*scene(), StillSettings(**values))  # type: ignore[arg-type]


def test_frames_are_the_same_in_any_order_and_the_first_is_the_still() -> None:
    one, two = movie(deformation=Deformation()), movie(deformation=Deformation())
    whole = one.frames(marker=True)
    for t in (5, 0, 2):
        frame = two.frame(t)
        assert np.array_equal(frame.image, whole.image[t])
        assert np.array_equal(frame.nuclei, whole.nuclei[t])
    labels = scene()[1]
    assert one.shape == (10, 2, *labels.shape)
    assert np.array_equal(whole.nuclei[0], labels)
    assert (whole.cells[0] > 0).sum() > 2 * (labels > 0).sum()
    assert not np.array_equal(movie(deformation=Deformation(), seed=1).frame(5).image, whole.image[5])


def test_masks_move_with_the_pixels_below_a_pixel() -> None:
    moving = movie(deformation=Deformation(turn_rad=0.05, stretch=0.02, shear=0.02, drift_px=0.5), seed=3)
    way, shifts = moving.paths.centre_px, []
    for t in range(10):
        frame = moving.frame(t)
        for n in (1, 2):
            mask = frame.nuclei == n
            near = ndimage.binary_dilation(mask, iterations=3)
            light, outline = (np.array(ndimage.center_of_mass(np.where(near, v, 0))) for v in (frame.photons[1], mask))
            assert np.abs(light - outline).max() < 0.25
            assert np.abs(way[t, n - 1] - outline).max() < 0.25
            shifts.append(outline)
    assert np.ptp(np.array(shifts[::2]), axis=0).max() > 3


def test_all_moves_as_one() -> None:
    moving = movie(deformation=Deformation(turn_rad=0.05, stretch=0.02, shear=0.02, drift_px=0.5), seed=3)
    there = moving.paths.alive[0]
    start, end = (moving.paths.centre_px[t, there] for t in (0, 9))
    known = np.c_[start, np.ones(len(start))]
    assert len(start) > 6  # the mirror images too
    fitted, *_ = np.linalg.lstsq(known, end, rcond=None)
    assert np.abs(known @ fitted - end).max() < 1e-6
    assert np.linalg.det(fitted[:2]) == pytest.approx(1, abs=1e-6)
    assert np.allclose(moving.paths.affine[0], np.eye(2))


@pytest.mark.parametrize("cytoplasm", ["own", "drawn"])
def test_all_light_is_kept_while_the_reporter_moves(cytoplasm: str) -> None:
    fading = movie(cytoplasm=cytoplasm, frames=8)
    total = []
    for t in range(8):
        light = fading.frame(t).photons[0]
        total.append(light.sum())
    assert np.ptp(total) < 0.01 * np.mean(total)
    assert fading.truth().rows["ratio"].max() == pytest.approx(2)
    assert fading.truth().rows["ratio"].min() < 1


@pytest.mark.parametrize("cytoplasm", ["own", "drawn"])
def test_contrast_goes_through_zero(cytoplasm: str) -> None:
    fading = movie(cytoplasm=cytoplasm, nuclei=Nuclei(texture=0), bodies=Bodies(grain=0, doming=0.1, offset=0))
    contrast = []
    for t in range(10):
        frame = fading.frame(t)
        inside = ndimage.binary_erosion(frame.nuclei == 2, iterations=2)
        far = ndimage.distance_transform_edt(frame.nuclei == 0)
        ring = (far > 2) & (far < 5) & (frame.cells == 2)
        contrast.append(np.log(frame.photons[0][inside].mean() / frame.photons[0][ring].mean()))
    true = fading.contrast[:, 1]
    assert np.abs(np.array(contrast) - true).max() < 0.15
    assert true.max() > 0.5
    assert true.min() < -0.3


def test_nuclei_of_a_stain_leave_no_trace_whatever_their_shape() -> None:
    gone = StillSettings(frames=3, camera=CLEAN, course=GONE, cytoplasm="drawn")
    lying, upright = (StillMovie(*scene(long=long), gone).frame(2) for long in (1.2, 1 / 1.2))
    assert (lying.nuclei != upright.nuclei).sum() > 50
    assert np.allclose(lying.photons[0], upright.photons[0], rtol=1e-4)
    assert not np.allclose(lying.photons[1], upright.photons[1], rtol=0.1)


def test_a_nucleus_of_the_picture_is_filled_with_what_lies_around() -> None:
    image, labels = scene()
    layers = from_reporter(image, labels)
    deep = ndimage.binary_erosion(labels == 2, iterations=2)
    around = (layers.cells == 2) & (labels != 2)
    assert layers.cytoplasm[deep].mean() == pytest.approx(layers.cytoplasm[around].mean(), rel=0.1)
    assert layers.cytoplasm[deep].std() > 0.01  # its texture goes on
    assert layers.grain[labels == 1].mean() == pytest.approx(1, abs=1e-3)
    assert set(np.unique(layers.cells)) == {0, 1, 2}


def test_beyond_the_border_lies_the_mirror_image_with_nuclei_of_its_own() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[5:9, 6:10], labels[0:4, 20:25] = 3, 7
    image, wide = mirrored(np.arange(600.0).reshape(20, 30), labels, (12, 15))
    assert image.shape == wide.shape == (44, 60)
    assert np.array_equal(wide[12:-12, 15:-15], labels)
    assert (wide == 7).sum() == 2 * (labels == 7).sum()  # cut by the border, joined to its mirror image
    assert set(np.unique(wide)) > {0, 3, 7}
    assert (wide == 3).sum() == 16


def test_a_smaller_field_lies_anywhere_in_the_still() -> None:
    places = {tuple(movie(height_px=40, width_px=40, seed=k).corner) for k in range(6)}
    assert len(places) > 3
    made = movie(height_px=40, width_px=40, seed=2)
    y, x = made.corner
    assert np.array_equal(made.frame(0).nuclei, scene()[1][y : y + 40, x : x + 40])


def test_what_cannot_be_used_is_refused() -> None:
    image, labels = scene()
    with pytest.raises(ShapeError, match="labels of its size"):
        StillMovie(image[:-1], labels)
    with pytest.raises(ShapeError, match="no nucleus"):
        StillMovie(image, np.zeros_like(labels))
    with pytest.raises(ShapeError, match="no cytoplasm"):
        from_reporter(np.where(labels > 0, 50.0, 0.0), labels)
    with pytest.raises(ShapeError, match="hardly any cytoplasm"):
        StillMovie(np.zeros_like(image), labels)
    with pytest.raises(SettingsError, match="cannot divide"):
        StillMovie(image, labels, StillSettings(nuclei=Nuclei(division_rate=0.1)))


def stain(halo: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """The nuclei of the scene alone, with light around them that fades within a radius, on a noisy ground."""
    labels = scene()[1]
    far = ndimage.distance_transform_edt(labels == 0)
    light = 100.0 * np.where(labels > 0, 1, halo * np.exp(-far / 4))
    return light + noise * np.random.default_rng(1).normal(size=light.shape), labels


@pytest.mark.parametrize(("halo", "noise"), [(0, 0), (0, 5), (0.5, 5)])
def test_a_nuclear_stain_has_no_cytoplasm_of_its_own(halo: float, noise: float) -> None:
    with pytest.raises(ShapeError, match=r"nuclear stain; have cytoplasm drawn \(--cytoplasm drawn\)\.$"):
        StillMovie(*stain(halo, noise))
    assert StillMovie(*stain(halo, noise), StillSettings(cytoplasm="drawn")).frame(0).image.any()


@pytest.mark.parametrize("ratio", [0.6, 1.0, 2.0])
def test_a_frame_of_a_reporter_movie_is_a_still(ratio: float) -> None:
    course = TimeCourse(ratio_before=ratio, before_spread=0.1, stimulus_frame="never")
    drawn = TranslocationMovie(TranslocationSettings(frames=1, height_px=128, width_px=128, course=course)).frame(0)
    assert StillMovie(drawn.image[0], drawn.nuclei).frame(1).image.any()


def test_fields_are_as_large_as_in_other_movies() -> None:
    with pytest.raises(SettingsError, match="'height_px': input should be 0 or at least 16, got 15"):
        StillSettings.parse({"height_px": 15})
    assert movie(height_px=16, width_px=16).frame(0).image.shape[1:] == (16, 16)
    image, labels = (picture[24:39] for picture in scene())
    with pytest.raises(ShapeError, match="This still is 15 x 96 px; a field has at least 16 px on a side"):
        StillMovie(image, labels)
    assert StillMovie(image, labels, StillSettings(height_px=16)).shape[2:] == (16, 96)
