"""Records: frames one at a time, channels by name, objects as runs that may overlap."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from unfade.errors import ChannelError, ShapeError
from unfade.records import KINDS, Calibration, Instances, Labels, Lineage, Movie, Table

label_blocks = hnp.arrays(
    np.int32,
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 0, 0, 1, 2, 7, 2**31 - 1]),
)


def stack(frames: int = 4, channels: int = 2) -> NDArray[Any]:
    """Every pixel differs from every other."""
    return np.arange(frames * channels * 6, dtype=np.uint16).reshape(frames, channels, 2, 3)


def join(*parts: Instances) -> Instances:
    """Instances of the same shape, one after the other."""

    def glue(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(p, name) for p in parts])

    names = ("frame", "id", "kind", "box", "runs", "score", "u_total", "u_data", "u_model")
    counts = np.concatenate([np.diff(p.offset) for p in parts])
    offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Instances(shape=parts[0].shape, offset=offset, **{name: glue(name) for name in names})


class TestCalibration:
    def test_time_comes_from_the_interval_or_from_the_stamps(self) -> None:
        assert Calibration().seconds(3) is None
        assert Calibration(interval_s=2.5).seconds(3) == 7.5
        assert Calibration(interval_s=2.5, times_s=(10.0, 11.0, 14.0)).seconds(2) == 4.0

    def test_a_window_keeps_its_own_stamps(self) -> None:
        window = Calibration(pixel_um=0.5, times_s=(0.0, 1.0, 4.0, 9.0)).window(1, 3)
        assert window == Calibration(pixel_um=0.5, times_s=(1.0, 4.0))
        assert Calibration(interval_s=2.0).window(1, 3) == Calibration(interval_s=2.0)

    @pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_size_that_cannot_be_is_refused(self, value: float) -> None:
        with pytest.raises(ShapeError, match=r"^The pixel size must be a positive number"):
            Calibration(pixel_um=value)
        with pytest.raises(ShapeError, match=r"^The frame interval must be a positive number"):
            Calibration(interval_s=value)


class TestMovie:
    def test_frames_come_one_at_a_time(self) -> None:
        data, asked = stack(), []

        def read(t: int) -> NDArray[Any]:
            asked.append(t)
            return data[t]  # type: ignore[no-any-return]

        movie = Movie((4, 2, 2, 3), data.dtype, ("a", "b"), read)
        frames = movie.frames(1)
        np.testing.assert_array_equal(next(frames), data[0, 1])
        assert asked == [0]
        np.testing.assert_array_equal(np.stack([data[0, 1], *frames]), data[:, 1])
        assert asked == [0, 1, 2, 3]
        np.testing.assert_array_equal(movie.frame(2), data[2])

    def test_an_array_without_channel_axis_has_one_channel(self) -> None:
        movie = Movie.of(stack()[:, 0])
        assert movie.shape == (4, 1, 2, 3)
        assert movie.channels == ("channel 0",)
        assert (len(movie), movie.dtype) == (4, np.uint16)

    @pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3, 4, 5)])
    def test_other_axes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError, match="A movie has the axes"):
            Movie.of(np.zeros(shape))

    def test_names_and_stamps_must_fit(self) -> None:
        with pytest.raises(ShapeError, match="2 channels but 1 channel names"):
            Movie.of(stack(), ["red"])
        with pytest.raises(ShapeError, match="4 frames but 2 time stamps"):
            Movie.of(stack(), calibration=Calibration(times_s=(0.0, 1.0)))

    @pytest.mark.parametrize(
        ("name", "index"), [("Red", 0), ("red", 1), ("FAR RED", 2), (" far red ", 2), ("2", 2), (1, 1), ("0", 3)]
    )
    def test_a_channel_by_exact_name_then_by_any_case_then_by_index(self, name: str | int, index: int) -> None:
        names = ["Red", "red", "Far Red", "0"] if name == "0" else ["Red", "red", "Far Red"]
        assert Movie.of(stack(channels=len(names)), names).channel(name) == index

    @pytest.mark.parametrize("name", ["blue", "3", -1, ""])
    def test_an_unknown_channel_is_answered_with_those_there_are(self, name: str | int) -> None:
        with pytest.raises(ChannelError, match=r"the movie has 0 'Red', 1 'Green'\.$"):
            Movie.of(stack(), ["Red", "Green"]).channel(name)

    @pytest.mark.parametrize("names", [("red", "red"), ("RED", "Red")])
    def test_a_name_that_fits_twice_asks_for_an_index(self, names: tuple[str, str]) -> None:
        with pytest.raises(ChannelError, match="Several channels are called 'red'; give an index"):
            Movie.of(stack(), names).channel("red")

    def test_a_window_reads_its_own_frames(self) -> None:
        movie = Movie.of(stack(), calibration=Calibration(times_s=(0.0, 1.0, 4.0, 9.0))).window(1, 4).window(1, 3)
        assert movie.shape == (2, 2, 2, 3)
        assert movie.calibration.times_s == (4.0, 9.0)
        np.testing.assert_array_equal(movie.frame(0), stack()[2])
        np.testing.assert_array_equal(movie.frame(1), stack()[3])

    @pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 2), (3, 1), (0, 5)])
    def test_a_window_outside_is_refused(self, start: int, stop: int) -> None:
        with pytest.raises(ShapeError, match="not within a movie of 4 frames"):
            Movie.of(stack()).window(start, stop)

    def test_a_given_calibration_replaces_what_the_file_says(self) -> None:
        movie = Movie.of(stack(), calibration=Calibration(0.3, None, (0.0, 1.0, 4.0, 9.0)))
        assert movie.calibrated().calibration == movie.calibration
        assert movie.calibrated(pixel_um=0.65).calibration == Calibration(0.65, None, (0.0, 1.0, 4.0, 9.0))
        assert movie.calibrated(interval_s=60.0).calibration == Calibration(0.3, 60.0, None)

    def test_a_movie_does_not_change(self) -> None:
        with pytest.raises(FrozenInstanceError):
            Movie.of(stack()).shape = (1, 1, 1, 1)  # type: ignore[misc]


class TestLabels:
    def test_one_image_is_one_frame(self) -> None:
        labels = Labels.of(np.array([[0, 7]], np.uint8))
        assert (labels.shape, len(labels), labels.kind) == ((1, 1, 2), 1, "nucleus")
        assert labels.frame(0).dtype == np.int32
        np.testing.assert_array_equal(np.asarray(labels), [[[0, 7]]])

    def test_all_frames_as_an_array(self) -> None:
        data = np.arange(24, dtype=np.int64).reshape(4, 2, 3)
        labels = Labels.of(data)
        np.testing.assert_array_equal(np.asarray(labels), data)
        assert np.asarray(labels, np.uint8).dtype == np.uint8
        np.testing.assert_array_equal(np.stack(list(labels.frames())), data)

    @pytest.mark.parametrize(
        ("array", "text"),
        [
            (np.zeros((1, 2, 3, 4), int), r"the axes \(T, Y, X\)"),
            (np.zeros(3, int), r"the axes \(T, Y, X\)"),
            (np.zeros((2, 2)), "must be integers, got float64"),
            (np.array([[0, -1]]), r"got -1\.\.0"),
            (np.array([[0, 2**31]]), r"got 0\.\.2147483648"),
        ],
    )
    def test_what_are_no_labels_is_refused(self, array: NDArray[Any], text: str) -> None:
        with pytest.raises(ShapeError, match=text):
            Labels.of(array)

    def test_the_largest_label_survives(self) -> None:
        assert Labels.of(np.array([[2**31 - 1]], np.uint32)).frame(0)[0, 0] == 2**31 - 1


class TestInstances:
    @given(label_blocks)
    def test_labels_survive_the_way_to_instances_and_back(self, block: NDArray[np.int32]) -> None:
        np.testing.assert_array_equal(Instances.of(block).labels(), block)

    @given(label_blocks)
    def test_every_object_has_its_mask_and_its_box(self, block: NDArray[np.int32]) -> None:
        objects = Instances.of(block)
        expected = [(t, label) for t, image in enumerate(block) for label in np.unique(image[image > 0])]
        assert list(zip(objects.frame.tolist(), objects.id.tolist(), strict=True)) == expected
        for n, (t, label) in enumerate(expected):
            y, x = np.nonzero(block[t] == label)
            box = [y.min(), x.min(), y.max() + 1, x.max() + 1]
            assert objects.box[n].tolist() == box
            inside = block[t, box[0] : box[2], box[1] : box[3]] == label
            np.testing.assert_array_equal(objects.mask(n), inside)

    @given(label_blocks, st.data())
    def test_where_masks_overlap_the_higher_score_wins(self, block: NDArray[np.int32], data: st.DataObject) -> None:
        other = data.draw(hnp.arrays(np.int32, block.shape, elements=st.sampled_from([0, 11, 12])))
        parts = [Instances.of(block), Instances.of(other)]
        n = sum(len(p) for p in parts)
        score = np.asarray(data.draw(st.permutations(range(n))), np.float32)
        both = join(*parts)
        both = Instances(**{**vars(both), "score": score})
        expected = np.zeros(block.shape, np.int32)
        for k in np.argsort(score):
            y0, x0, y1, x1 = both.box[k]
            expected[both.frame[k], y0:y1, x0:x1][both.mask(int(k))] = both.id[k]
        np.testing.assert_array_equal(both.labels(), expected)

    def test_an_unknown_score_lies_below_every_known_one(self) -> None:
        wide, small = Instances.of(np.full((1, 4), 5)), Instances.of(np.array([[0, 3, 3, 0]]), np.array([-2.0]))
        np.testing.assert_array_equal(join(small, wide).labels(), [[[5, 3, 3, 5]]])

    def test_of_equal_scores_the_later_object_wins(self) -> None:
        score = np.array([0.5], np.float32)
        first, second = Instances.of(np.array([[1, 1, 0]]), score), Instances.of(np.array([[0, 2, 2]]), score)
        np.testing.assert_array_equal(join(first, second).labels(), [[[1, 2, 2]]])

    def test_nuclei_and_cells_are_painted_apart(self) -> None:
        nucleus, cell = np.array([[0, 4, 0]]), np.array([[4, 4, 4]])
        both = join(Instances.of(nucleus, kind="nucleus"), Instances.of(cell, kind="cell"))
        np.testing.assert_array_equal(both.labels("nucleus")[0], nucleus)
        np.testing.assert_array_equal(both.labels("cell")[0], cell)
        assert [KINDS[k] for k in both.kind] == ["nucleus", "cell"]

    def test_an_empty_frame_has_no_object(self) -> None:
        empty = Instances.of(np.zeros((2, 3, 4), np.int32))
        assert (len(empty), empty.box.shape, empty.offset.tolist()) == (0, (0, 4), [0])
        np.testing.assert_array_equal(empty.labels(), np.zeros((2, 3, 4)))

    def test_runs_do_not_cross_the_end_of_a_row(self) -> None:
        objects = Instances.of(np.array([[0, 6], [6, 0]]))
        assert objects.runs.tolist() == [[1, 1], [2, 1]]

    def test_scores_go_with_their_objects(self) -> None:
        objects = Instances.of(np.array([[9, 0, 2]]), np.array([0.1, 0.9]), np.array([0.3, 0.4]))
        assert objects.id.tolist() == [2, 9]
        assert objects.score.tolist() == np.float32([0.1, 0.9]).tolist()
        assert objects.u_total.dtype == np.float32
        assert np.isnan(objects.u_data).all()
        assert np.isnan(objects.u_model).all()

    def test_a_column_of_another_length_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="one entry per object in every column"):
            Instances.of(np.array([[9, 0, 2]]), score=np.array([0.1], np.float32))

    def test_runs_without_an_end_are_refused(self) -> None:
        fine = Instances.of(np.array([[9, 0, 2]]))
        with pytest.raises(ShapeError, match="one entry per object in every column"):
            Instances(**{**vars(fine), "offset": fine.offset[:-1]})


class TestLineage:
    def lineage(self, parents: list[list[int]]) -> Lineage:
        return Lineage(
            frame=np.array([0, 1, 3, 4, 4], np.int32),
            label=np.array([1, 1, 2, 1, 2], np.int32),
            track=np.array([7, 7, 7, 8, 9], np.int32),
            confidence=np.full(5, np.nan, np.float32),
            parents=np.array(parents, np.int32).reshape(-1, 2),
        )

    def test_tracks_with_gaps_and_parents(self) -> None:
        rows = self.lineage([[8, 7], [9, 7]]).tracks()
        expected = {"track": [7, 8, 9], "first": [0, 4, 4], "last": [3, 4, 4], "frames": [3, 1, 1], "parent": [0, 7, 7]}
        pd.testing.assert_frame_equal(rows, pd.DataFrame(expected), check_dtype=False)
        assert set(rows.dtypes.astype(str)) == {"int64"}

    def test_of_several_parents_the_first_is_shown(self) -> None:
        rows = self.lineage([[9, 8], [9, 7]]).tracks()
        assert rows.set_index("track")["parent"].to_dict() == {7: 0, 8: 0, 9: 8}

    def test_no_track_gives_an_empty_table_with_headers(self) -> None:
        none = np.zeros(0, np.int32)
        rows = Lineage(none, none, none, np.zeros(0, np.float32), np.zeros((0, 2), np.int32)).tracks()
        assert list(rows.columns) == ["track", "first", "last", "frames", "parent"]
        assert rows.empty


def test_a_table_knows_its_length() -> None:
    assert len(Table(pd.DataFrame({"area_um2": [1.0, 2.0]}), {"area_um2": "µm²"})) == 2


def test_areas_of_instances_are_those_of_their_masks() -> None:
    labels = np.zeros((2, 9, 9), np.int32)
    labels[0, 1:4, 2:8], labels[0, 5, 5], labels[1, :, 0] = 1, 2, 3
    found = Instances.of(labels)
    assert found.areas().tolist() == [int(found.mask(n).sum()) for n in range(3)] == [18, 1, 9]
    assert Instances.of(labels * 0).areas().shape == (0,)
