"""Compiled entry of `spectral`: a second-moment matrix is looked at once and scaled once, while it is in cache."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import math

import numpy as np
from numba import njit

from .backend import Array

_BLOCK = 32  # rows and columns whose mirror image is still in cache when it is compared
_EXACT = 1000  # powers of two with such exponents, and their inverses, are normal numbers


@njit(cache=True)
def scaled(out: Array, exponent: Array, G: Array) -> bool:
    """Fill out (B, d, d) = G 2**-e with its largest entry in [1/2, 1) and exponent (B,) = e.

    False, with nothing promised about the output, where an item is not symmetric to the bit, not finite, or so large or
    small that the power of two is none.
    """
    for b in range(len(G)):
        largest = _largest(G[b])
        if not 0.0 <= largest < np.inf:
            return False
        exponent[b] = math.frexp(largest)[1]
        if abs(exponent[b]) > _EXACT:
            return False
        factor = math.ldexp(1.0, -exponent[b])
        for i in range(G.shape[1]):
            for j in range(G.shape[2]):
                out[b, i, j] = factor * G[b, i, j]
    return True


@njit(cache=True)
def _largest(G: Array) -> float:
    """Largest |entry|; -1 where G is not its own transpose, as a matrix with a nan never is."""
    d, largest = len(G), 0.0
    for top in range(0, d, _BLOCK):
        for left in range(0, top + 1, _BLOCK):
            for i in range(top, min(top + _BLOCK, d)):
                same = True
                for j in range(left, min(left + _BLOCK, d)):
                    same &= G[i, j] == G[j, i]
                    largest = max(largest, abs(G[i, j]))
                if not same:
                    return -1.0
    return largest
