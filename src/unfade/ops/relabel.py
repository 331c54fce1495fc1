"""Label images by their ids: runs of equal pixels, areas, compact numbering, renaming.

Works on integer images of any number of axes; 0 is background and never an id. Ids may start anywhere and skip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.errors import ShapeError

NUCLEUS = 1 << 20  # added to the id of a cell on the pixels of its nucleus, where both are learnt together
SMALL_IDS = 1 << 20  # up to this id a table with one entry per id beats sorting
PIECE = 1 << 22  # pixels that are renamed together

Ids = NDArray[np.int64]


def of_kind(labels: NDArray[Any], kind: str) -> NDArray[Any]:
    """Labels of any shape of one kind: whole cells or nuclei where nuclei are marked in cells, others as they are."""
    if labels.max(initial=0) < NUCLEUS:
        return labels
    return np.where((labels >= NUCLEUS) | (kind == "cell"), labels % NUCLEUS, 0).astype(labels.dtype)


def nuclei_of(labels: NDArray[Any], marked: bool) -> NDArray[Any]:
    """Nuclei of a crop of labels, which are those of cells with their nuclei `marked` or of nuclei alone."""
    return np.where(labels >= NUCLEUS, labels % NUCLEUS, 0).astype(labels.dtype) if marked else labels


def checked(image: ArrayLike) -> NDArray[Any]:
    """The image as an array of integers.

    Raises
    ------
    ShapeError
        If it holds anything but integers (or booleans).
    """
    array = np.asarray(image)
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype.kind not in "iu":
        raise ShapeError(f"A label image must hold integers, got {array.dtype}; convert it to int32 first.")
    return array


def runs(*images: NDArray[Any]) -> tuple[list[Ids], Ids]:
    """Runs of pixels, in memory order, over which every one of the images of equal shape stays constant.

    Returns the value of each image on each run, every `(R,)`, and the runs' lengths `(R,)`. Objects are connected
    in space, so there are far fewer runs than pixels.

    Raises
    ------
    ShapeError
        For labels below 0 or beyond the range of int64.
    """
    flat = [image.ravel() for image in images]
    size = flat[0].size
    if size == 0:
        return [np.zeros(0, np.int64) for _ in flat], np.zeros(0, np.int64)
    change = flat[0][1:] != flat[0][:-1]
    for other in flat[1:]:
        change |= other[1:] != other[:-1]
    start = np.concatenate([[0], np.flatnonzero(change) + 1])
    values = [image[start].astype(np.int64) for image in flat]
    lowest = min(int(v.min()) for v in values)
    if lowest < 0:
        raise ShapeError(f"Labels must lie in 0..{np.iinfo(np.int64).max}, got {lowest}; set other pixels to 0.")
    return values, np.diff(start, append=size)


def totals(values: Ids, weights: Ids) -> tuple[Ids, Ids, Ids]:
    """Distinct values above 0 `(N,)` ascending, the sum of weights of each `(N,)`, and each entry's place in them.

    The places `(R,)` are -1 where the value is 0.
    """
    if values.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    top = int(values.max())
    if top < SMALL_IDS:
        seen = np.zeros(top + 1, bool)
        seen[values] = True
        seen[0] = False
        ids = np.flatnonzero(seen)
        table = np.full(top + 1, -1, np.int64)
        table[ids] = np.arange(len(ids))
        place = table[values]
    else:
        ids, place = np.unique(values, return_inverse=True)
        if ids[0] == 0:
            ids, place = ids[1:], place - 1
    hit = place >= 0
    return ids, _sums(place[hit], weights[hit], len(ids)), place


def areas(labels: ArrayLike) -> tuple[Ids, Ids]:
    """Ids of a label image, ascending and without 0 `(N,)`, and the number of pixels of each `(N,)`.

    Raises
    ------
    ShapeError
        For images that are not integers and for negative labels.
    """
    (values,), length = runs(checked(labels))
    ids, area, _ = totals(values, length)
    return ids, area


def sequential(labels: ArrayLike) -> tuple[NDArray[np.int32], Ids]:
    """Number the objects 1..N in ascending order of their ids; also the former ids `(N,)`, so `ids[new - 1]` is old.

    Raises
    ------
    ShapeError
        For images that are not integers and for negative labels.
    """
    array = checked(labels)
    ids, _ = areas(array)
    return remap(array, ids, np.arange(1, len(ids) + 1)), ids


def remap(labels: ArrayLike, old: ArrayLike, new: ArrayLike) -> NDArray[np.int32]:
    """Rename the objects `old[k]` to `new[k]`; an object that is not listed becomes background.

    Several old ids may take the same new one (a merge), and a new id of 0 removes the object.

    Raises
    ------
    ShapeError
        If `old` and `new` differ in length, an old id stands twice, or a new id does not fit into int32.
    """
    array = checked(labels)
    source, target = np.asarray(old, np.int64).ravel(), np.asarray(new, np.int64).ravel()
    if len(source) != len(target):
        raise ShapeError(f"Renaming needs one new id per old id, got {len(target)} for {len(source)}.")
    if target.size and (target.min() < 0 or target.max() > np.iinfo(np.int32).max):
        raise ShapeError(f"New ids must lie in 0..2147483647, got {target.min()}..{target.max()}.")
    order = np.argsort(source, kind="stable")
    source, target = source[order], target[order].astype(np.int32)
    if np.any(source[1:] == source[:-1]):
        raise ShapeError("Renaming lists an old id twice; give each old id once.")
    if source.size and source[0] == 0:  # background stays background
        source, target = source[1:], target[1:]
    if source.size == 0 or array.size == 0:
        return np.zeros(array.shape, np.int32)
    top = int(array.max())
    if top < SMALL_IDS and int(array.min()) >= 0:
        known = source <= top
        table = np.zeros(top + 1, np.int32)
        table[source[known]] = target[known]
        return _looked_up(table, array)
    place = np.minimum(np.searchsorted(source, array), len(source) - 1)
    return np.where(source[place] == array, target[place], np.int32(0))


def _looked_up(table: NDArray[np.int32], array: NDArray[Any]) -> NDArray[np.int32]:
    """`table[array]`, piece by piece, as every index is widened to 64 bits on the way."""
    if array.size <= PIECE:
        renamed: NDArray[np.int32] = table[array]
        return renamed
    out = np.empty(array.shape, np.int32)
    flat, into = array.reshape(-1), out.reshape(-1)
    for start in range(0, flat.size, PIECE):
        into[start : start + PIECE] = table[flat[start : start + PIECE]]
    return out


def drop_small(labels: ArrayLike, min_area: float) -> NDArray[np.int32]:
    """Remove objects of fewer than `min_area` pixels and number the others from 1 in the order of their ids."""
    array = checked(labels)
    ids, area = areas(array)
    kept = ids[area >= min_area]
    return remap(array, kept, np.arange(1, len(kept) + 1))


def _sums(place: Ids, weights: Ids, size: int) -> Ids:
    return np.bincount(place, weights, size).astype(np.int64)  # float64 sums of pixel counts are exact below 2**53
