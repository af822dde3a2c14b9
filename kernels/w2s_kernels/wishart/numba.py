"""Compiled part of `wishart.gram`: what counts add to the product that they share, in one pass over it."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from numba import njit

from ..backend import Array
from . import kept


def complete(out: Array, places: list[int], diagonals: Array, order: Array, both: Array, product: Array) -> None:
    """Fill out[place] (d, d) for every place, as in `plain`."""
    kept.complete_by(completed, out, places, diagonals, order, both, product)


@njit(cache=True)
def completed(
    out: Array, step: int, places: Array, diagonals: Array, order: Array, both: Array, product: Array, scratch: Array
) -> None:
    """Fill the matrices that begin at out[place * step] as `plain.complete`, with the diagonals in the order of the columns.

    `out` is all memory from the first matrix to the last, `scratch` (2, d).
    """
    d, beside, shared = len(order), scratch[0], scratch[1]
    for i in range(d):
        for j in range(d):
            beside[j], shared[j] = both[order[i], order[j]], product[order[i], order[j]]
        for place in places:
            start = place * step + i * d
            row, diagonal, own = out[start : start + d], diagonals[place], diagonals[place, i]
            for j in range(d):
                row[j] = (own if order[i] < order[j] else diagonal[j]) * beside[j] + shared[j]
            row[i] += own * own
