"""Compiled part of `wishart.gram`: what counts add to the product that they share, in one pass over it."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import njit

from .backend import Array


@njit(cache=True)
def complete(out: Array, places: Array, diagonals: Array, order: Array, both: Array, product: Array) -> None:
    """Fill out[place] (d, d) for every place with D_k (T + T')_kl + (T'T)_kl, k <= l, and D^2 more on the diagonal.

    k and l are the smaller and the larger of order_i and order_j. `diagonals` (counts, d) are D in the order of the columns,
    `both` is T + T' and `product` T'T, with the columns as they were drawn.
    """
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
