"""Compiled part of `wishart.gram`: what counts add to the product that they share, in one pass over it."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import njit

from ..backend import Array


def complete(out: Array, places: list[int], diagonals: Array, order: Array, both: Array, product: Array) -> None:
    """Fill out[place] (d, d) for every place, as in `plain`."""
    _complete(out, np.array(places), diagonals[:, order], order, both, product)


@njit(cache=True)
def _complete(out: Array, places: Array, diagonals: Array, order: Array, both: Array, product: Array) -> None:
    """Fill out[place] as `plain.complete`, with the diagonals in the order of the columns."""
    d = len(order)
    beside, shared = np.empty(d), np.empty(d)
    for i in range(d):
        for j in range(d):
            beside[j], shared[j] = both[order[i], order[j]], product[order[i], order[j]]
        for place in places:
            row, diagonal, own = out[place, i], diagonals[place], diagonals[place, i]
            for j in range(d):
                row[j] = (own if order[i] < order[j] else diagonal[j]) * beside[j] + shared[j]
            row[i] += own * own
