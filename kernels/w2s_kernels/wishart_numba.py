"""Compiled part of `wishart.gram`: what a count adds to the product that all share, in one pass."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from numba import njit

from .backend import Array


@njit(cache=True)
def fill(out: Array, diagonal: Array, order: Array, beside: Array, product: Array) -> None:
    """Fill out (d, d) with D_k T_kl + (T'T)_ij, k = min(order_i, order_j), and D^2 on the diagonal.

    `diagonal` (d,) is D in the order of the columns, `beside` is T + T' with its columns in that order, `product` T'T.
    """
    for i in range(len(out)):
        own, place = diagonal[i], order[i]
        for j in range(len(out)):
            out[i, j] = (own if place < order[j] else diagonal[j]) * beside[i, j] + product[i, j]
        out[i, i] += own * own
