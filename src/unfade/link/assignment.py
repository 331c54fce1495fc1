"""One object per track and one track per object: the best set of links, or the best link first."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from unfade.link.objects import Floats, Ints


def optimal(row: Ints, column: Ints, value: Floats, shape: tuple[int, int]) -> Ints:
    """Column of each row, -1 for none, so that the sum of the values of all links is largest.

    The pairs `(row, column)` carry a value above 0; all others cannot be linked. Solved exactly on the sparse pairs:
    every row also has a column of its own that stands for no link and is worth 0.
    """
    rows, columns = shape
    if len(row) == 0:
        return np.full(rows, -1, np.int64)
    top = float(value.max()) + 1.0
    cost = np.concatenate([top - value, np.full(rows, top)])  # the solver takes no zeros
    i = np.concatenate([row, np.arange(rows)])
    j = np.concatenate([column, columns + np.arange(rows)])
    graph = csr_array((cost, (i, j)), shape=(rows, columns + rows))
    ours, theirs = min_weight_full_bipartite_matching(graph)
    out = np.full(rows, -1, np.int64)
    linked = theirs < columns
    out[ours[linked]] = theirs[linked]
    return out


def greedy(row: Ints, column: Ints, value: Floats, shape: tuple[int, int]) -> Ints:
    """Column of each row, -1 for none: links are made by falling value; of equal ones the first pair comes first."""
    out, taken = np.full(shape[0], -1, np.int64), np.zeros(shape[1], bool)
    for p in np.argsort(-value, kind="stable").tolist():
        i, j = int(row[p]), int(column[p])
        if out[i] < 0 and not taken[j]:
            out[i], taken[j] = j, True
    return out
