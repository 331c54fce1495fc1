from __future__ import annotations

import pytest

from unfade.data.axes import Layout, depth, resolve
from unfade.errors import AmbiguousAxesError, AxisError


def test_known_axes_pass() -> None:
    layout = resolve("TCYX", (27, 3, 20, 10), None, "m.tif")
    assert (layout.axes, layout.channels, layout.size("T"), layout.size("Z")) == ("TCYX", 3, 27, 1)


def test_samples_count_as_channels() -> None:
    assert resolve("TYXS", (4, 20, 10, 3), None, "m.tif").channels == 3


def test_unknown_axis_of_one_is_dropped() -> None:
    assert resolve("?YX", (1, 20, 10), None, "m.tif").axes == "_YX"


def test_ambiguous_axes_show_shape_and_choices() -> None:
    with pytest.raises(AmbiguousAxesError) as error:
        resolve("??YX", (27, 3, 1024, 512), None, "m.tif")
    text = str(error.value)
    assert "(27, 3, 1024, 512) could be TCYX, TZYX, CTYX or ZTYX" in text
    assert text.endswith("--axes TCYX.")


@pytest.mark.parametrize(
    ("found", "shape", "choices"),
    [
        ("?YX", (9, 8, 7), "TYX, CYX or ZYX"),
        ("?CYX", (9, 3, 8, 7), "TCYX or ZCYX"),
        ("?YXS", (9, 8, 7, 3), "TYXC or ZYXC"),
    ],
)
def test_choices_leave_out_what_is_known(found: str, shape: tuple[int, ...], choices: str) -> None:
    with pytest.raises(AmbiguousAxesError, match=f"could be {choices};"):
        resolve(found, shape, None, "m.tif")


def test_given_axes_decide() -> None:
    assert resolve("??YX", (27, 3, 20, 10), "TCYX", "m.tif").channels == 3
    assert resolve("??YX", (27, 3, 20, 10), "CTYX", "m.tif").channels == 27


def test_given_axes_may_skip_axes_of_one() -> None:
    assert resolve("TZCYX", (9, 1, 1, 20, 10), "TYX", "m.tif").axes == "T__YX"


@pytest.mark.parametrize("given", ["TYX", "TCZYX"])
def test_given_axes_must_fit_the_shape(given: str) -> None:
    with pytest.raises(AxisError, match=r"its shape is \(27, 3, 20, 10\)"):
        resolve("TCYX", (27, 3, 20, 10), given, "m.tif")


def test_given_axes_must_leave_rows_and_columns() -> None:
    with pytest.raises(AxisError, match="images are 20 x 10 pixels"):
        resolve("?YX", (9, 20, 10), "YXT", "m.tif")


def test_a_z_axis_asks_for_a_choice() -> None:
    layout = Layout("TZYX", (9, 5, 20, 10))
    with pytest.raises(AxisError, match="--project max, or --z N for one of its 5 planes"):
        depth(layout, None, None, "m.tif")
    assert depth(layout, "max", None, "m.tif") == (0, 1, 2, 3, 4)
    assert depth(layout, None, 3, "m.tif") == (3,)


def test_a_z_stack_is_not_taken_for_time() -> None:
    with pytest.raises(AxisError, match=r"one z stack and no time series \(Z = 27, T = 1\): give --axes TCYX if"):
        depth(Layout("ZCYX", (27, 2, 20, 10)), None, None, "m.tif")


def test_a_flat_movie_needs_no_choice() -> None:
    assert depth(Layout("TZYX", (9, 1, 20, 10)), None, None, "m.tif") == (0,)


@pytest.mark.parametrize("z", [5, 1000])
def test_planes_that_are_not_there(z: int) -> None:
    with pytest.raises(AxisError, match=f"no z plane {z} .* it has 5"):
        depth(Layout("TZYX", (9, 5, 20, 10)), None, z, "m.tif")
