"""Doubt from neighbours in time: area, form and contrast that change at once are not believed."""

from dataclasses import replace

import numpy as np
import pytest

from unfade.errors import ShapeError
from unfade.repair import RepairSettings
from unfade.repair.consistency import doubts, inconsistency
from unfade.repair.repairer import inspect

SHAPE = (90, 90)
SETTINGS = RepairSettings()


def disk(y, x, radius):
    rows, columns = np.indices(SHAPE)
    return np.hypot(rows - y, columns - x) < radius


def movie(radii, places=((45, 45),), light=lambda t: 5.0, uncertainty=None):
    """Disks that stay in place, with the radius of each frame; 0 leaves the object out."""
    frames = []
    for t, radius in enumerate(radii):
        labels = np.zeros(SHAPE, np.int32)
        image = np.ones(SHAPE)
        for k, (y, x) in enumerate(places):
            labels[disk(y, x, radius)] = k + 1
            image[disk(y, x, 8)] = light(t)
        known = {k + 1: uncertainty[t] for k in range(len(places))} if uncertainty else {}
        frames.append((image, labels, known))
    return inspect(frames)


def test_a_steady_nucleus_is_not_doubted():
    nodes = movie([8, 8.2, 8, 7.9, 8.1, 8])
    assert inconsistency(nodes, SETTINGS).max() < 0.25


def test_the_cell_in_place_of_its_nucleus_is_doubted():
    nodes = movie([8, 8, 8, 8, 16, 16, 16, 8, 8, 8])
    doubt = inconsistency(nodes, SETTINGS)
    assert (doubt[4:7] > 0.9).all()
    assert (np.delete(doubt, [4, 5, 6]) < 0.3).all()


def test_many_tracks_tell_which_size_is_the_nucleus():
    """The larger stretch is longer and as sure; the nested smaller one is believed."""
    places = [(y, x) for y in (15, 45, 75) for x in (15, 45, 75)]
    doubt = inconsistency(movie([7] * 3 + [13] * 9, places), SETTINGS).reshape(12, 9)
    assert (doubt[:3] < SETTINGS.limit).all()
    assert (doubt[3:] > SETTINGS.limit).all()


def test_single_tracks_that_jump_tell_nothing_of_the_others():
    """Six of thirty nuclei fall to pieces that lie inside of them; the other nuclei are not doubted for that."""
    frames = []
    for t in range(12):
        labels = np.zeros((200, 240), np.int32)
        rows, columns = np.indices(labels.shape)
        for k in range(30):
            radius = 7 if k < 6 and t >= 8 else 13
            labels[np.hypot(rows - 20 - 40 * (k // 6), columns - 20 - 40 * (k % 6)) < radius] = k + 1
        frames.append((np.ones(labels.shape), labels, {}))
    nodes = inspect(frames)
    doubt = inconsistency(nodes, SETTINGS)
    jump = nodes.track <= 6
    assert (doubt[~jump] < 0.1).all()
    assert (doubt[jump & (nodes.frame >= 8)] > SETTINGS.limit).all()
    assert (doubt[jump & (nodes.frame < 8)] < SETTINGS.limit).all()


@pytest.mark.parametrize("split", [True, False])
def test_nuclei_that_fall_in_two_tell_nothing_of_the_usual_size(split):
    """Where others hold what a mask has lost it was split; where nothing does, its signal was lost."""
    frames = []
    for t in range(12):
        labels = np.zeros((120, 120), np.int32)
        rows, columns = np.indices(labels.shape)
        for k in range(9):
            y, x = 20 + 40 * (k // 3), 20 + 40 * (k % 3)
            whole = np.hypot(rows - y, columns - x) < 13
            labels[whole] = k + 1
            if t >= 8:
                labels[whole & (columns >= x)] = 21 + k if split else 0
        frames.append((np.ones(labels.shape), labels, {}))
    nodes = inspect(frames)
    before = inconsistency(nodes, SETTINGS)[nodes.frame < 8]
    assert (before < 0.1).all() if split else (before > SETTINGS.limit).all()


def test_nuclei_that_leave_the_field_tell_nothing_of_the_usual_size():
    """Nine of eighteen slide over the upper edge at once; the others are not doubted for being larger than the rest."""
    frames = []
    for t in range(12):
        labels = np.zeros((90, 400), np.int32)
        rows, columns = np.indices(labels.shape)
        for k in range(9):
            x = 22 + 44 * k
            labels[np.hypot(rows - (8 if t < 8 else -2), columns - x) < 13] = k + 1
            labels[np.hypot(rows - 60, columns - x) < 13] = k + 10
        frames.append((np.ones(labels.shape), labels, {}))
    nodes = inspect(frames)
    assert nodes.cut[nodes.track < 10].all()
    assert (inconsistency(nodes, SETTINGS)[nodes.track >= 10] < 0.1).all()


def test_a_given_diameter_tells_it_too():
    doubt = inconsistency(movie([7] * 3 + [13] * 9), SETTINGS.changed(diameter_px=14))
    assert (doubt[:3] < SETTINGS.limit).all()
    assert (doubt[3:] > SETTINGS.limit).all()


def test_slow_growth_is_believed():
    assert inconsistency(movie(np.linspace(7, 11, 20)), SETTINGS).max() < SETTINGS.limit


def test_what_the_border_cuts_is_not_doubted_for_being_small():
    rows = [np.zeros(SHAPE, np.int32) for _ in range(6)]
    for t, labels in enumerate(rows):
        labels[disk(45, -5 + 3 * t, 8)] = 1
    nodes = inspect([(np.ones(SHAPE), labels, {}) for labels in rows])
    assert nodes.cut[0]
    assert inconsistency(nodes, SETTINGS)[0] < SETTINGS.limit


def test_lost_contrast_adds_to_doubt_but_is_not_enough():
    nodes = movie([8] * 8, light=lambda t: 5.0 if t < 5 else 1.0)
    doubt = inconsistency(nodes, SETTINGS)
    assert doubt[5:].min() > 0.2
    assert doubt.max() < SETTINGS.limit
    assert doubt[:5].max() < 0.05


def test_system_and_neighbours_are_joined_by_the_larger():
    nodes = movie([8, 8, 16, 8, 8], uncertainty=[0.1, 0.9, 0.1, 0.1, 0.1])
    both = doubts(nodes, SETTINGS)
    assert both[1] == pytest.approx(0.9)
    assert both[2] > 0.9
    assert doubts(nodes, SETTINGS.changed(uncertainty="system")).tolist() == pytest.approx([0.1, 0.9, 0.1, 0.1, 0.1])


def test_asking_a_silent_system_is_an_error():
    nodes = movie([8, 8])
    with pytest.raises(ShapeError, match="carry no uncertainty"):
        doubts(nodes, SETTINGS.changed(uncertainty="system"))
    assert len(doubts(replace(nodes), SETTINGS.changed(uncertainty="consistency"))) == 2


def test_image_and_labels_must_fit():
    with pytest.raises(ShapeError, match="Frame 0"):
        inspect([(np.ones((5, 5)), np.zeros((5, 6), np.int32), {})])


def test_a_movie_without_objects():
    nodes = inspect([(np.ones((5, 5)), np.zeros((5, 5), np.int32), {})] * 2)
    assert len(nodes) == 0
    assert len(inconsistency(nodes, SETTINGS)) == 0


def test_time_that_runs_backwards_mirrors_the_doubts():
    """A nucleus that grows by 8 % a frame, has another form once, and is surer after that."""
    frames = []
    for t in range(24):
        radius, labels = 5 * 1.04**t, np.zeros(SHAPE, np.int32)
        labels[disk(45, 45, radius)] = 1
        if t == 12:
            long, wide = round(radius * np.pi / 1.2), round(radius * 0.6)
            labels[:] = 0
            labels[45 - wide // 2 : 45 + wide // 2 + 1, 45 - long // 2 : 45 + long // 2 + 1] = 1
        frames.append((np.ones(SHAPE), labels, {1: 0.4 if t < 12 else 0.1}))
    forward, backward = (inconsistency(inspect(each), SETTINGS) for each in (frames, frames[::-1]))
    assert np.delete(forward, 12).max() < SETTINGS.limit
    assert np.delete(backward, 11).max() < SETTINGS.limit
