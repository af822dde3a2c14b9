"""Symmetric eigendecompositions on the CPU: LAPACK up to the tridiagonal matrix's vectors, then compiled tiles.

LAPACK's `dsyevd` reduces G = Q T Q', solves T = W S W' and multiplies Q by W, a reflector block after the other. That last
step is two thirds of the multiplications and, in LAPACK's blocks of 32 columns, far below the rate of a large product. Here
the same blocks I - Y F Y' are applied to the rows of W' by register tiles.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import njit

from ..backend import Array
from ..scipy_parts import lapack
from ..simd.tiles import COLUMNS, ROWS, add_product, inner, product

__all__ = ["eigh"]

_WIDE = 32  # reflectors in a block, whole panels


def eigh(a: Array) -> tuple[Array, Array]:
    """Return eigenvalues (..., d) ascending and vectors (..., d, d); nan for items that do not converge. O(d^3)."""
    values, vectors = np.empty(a.shape[:-1]), np.empty(a.shape)
    for index in np.ndindex(*a.shape[:-2]):
        values[index] = _item(a[index], vectors[index])
    return values, vectors


def _item(a: Array, vectors: Array) -> Array:
    """Return the eigenvalues of one matrix, and write its eigenvectors to `vectors`."""
    d, routines = len(a), lapack()
    reduced, diagonal, beside, factors, broken = routines.dsytrd(a.T, lower=1, lwork=_WIDE * d)
    values, rotation, stuck = routines.dstevd(diagonal, beside)
    if broken or stuck:
        vectors[...] = np.nan
        return np.full(d, np.nan)
    _turned(vectors, rotation.T, reduced.T, factors)
    return values


@njit(cache=True)
def _turned(out: Array, rotation: Array, reduced: Array, factors: Array) -> None:
    """Fill out (d, d) = Q W from rows W' (d, d); the rows of `reduced` hold the reflectors, right of the diagonal."""
    d = len(out)
    room = (d + COLUMNS - 1) // COLUMNS * COLUMNS
    rows = np.zeros(room * room)
    for i in range(d):
        rows[i * room : i * room + d] = rotation[i]
    Y, across = np.empty(_WIDE * room), np.empty(_WIDE * room)
    triangle, image, turned = np.empty(_WIDE * _WIDE), np.empty(_WIDE * room), np.empty(_WIDE * room)
    for start in range((d - 2) // _WIDE * _WIDE, -1, -_WIDE):
        low = (start + 1) // COLUMNS * COLUMNS
        count = room - low
        _reflectors(Y, across, reduced, start, low, count)
        _triangle(triangle, image, Y, factors[start : start + _WIDE], count)
        for r in range(0, room, ROWS):
            for c in range(0, _WIDE, COLUMNS):
                product(image, (r * _WIDE + c, _WIDE), rows, (r * room + low, room), Y, (c * count, COLUMNS), count)
            for c in range(0, _WIDE, COLUMNS):
                product(turned, (c, _WIDE), image, (r * _WIDE, _WIDE), triangle, (c * _WIDE, COLUMNS), _WIDE)
            for c in range(0, count, COLUMNS):
                to = r * room + low + c, room
                add_product(rows, to, turned, (0, _WIDE), across, (c * _WIDE, COLUMNS), _WIDE)
    for top in range(0, d, ROWS):
        for i in range(d):
            for j in range(top, min(top + ROWS, d)):
                out[i, j] = rows[j * room + i]


@njit(cache=True)
def _reflectors(Y: Array, across: Array, reduced: Array, start: int, low: int, count: int) -> None:
    """Copy the reflectors from `start` on to panels.

    Y (count, _WIDE) has rows that begin at `low`, and `across` is its transpose.
    """
    d = len(reduced)
    Y[: _WIDE * count] = 0.0
    across[: _WIDE * count] = 0.0
    for j in range(min(_WIDE, d - 1 - start)):
        panel = j // COLUMNS * COLUMNS
        for k in range(start + j + 1, d):
            value = 1.0 if k == start + j + 1 else reduced[start + j, k]
            at = k - low
            Y[panel * count + at * COLUMNS + j - panel] = value
            across[at // COLUMNS * COLUMNS * _WIDE + j * COLUMNS + at % COLUMNS] = value


@njit(cache=True)
def _triangle(out: Array, gram: Array, Y: Array, factors: Array, count: int) -> None:
    """Write -F' to panels, for F upper triangular with H_1 H_2 ... = I - Y F Y' and the factors on its diagonal."""
    for r in range(0, _WIDE, ROWS):
        x = r // COLUMNS * COLUMNS * count + r % COLUMNS, COLUMNS
        for c in range(0, _WIDE, COLUMNS):
            inner(gram, (r * _WIDE + c, _WIDE), Y, x, Y, (c * count, COLUMNS), count)
    F = np.zeros((_WIDE, _WIDE))
    for j in range(len(factors)):
        F[j, j] = factors[j]
        for i in range(j):
            total = 0.0
            for m in range(i, j):
                total += F[i, m] * gram[m * _WIDE + j]
            F[i, j] = -factors[j] * total
    for j in range(_WIDE):
        panel = j // COLUMNS * COLUMNS
        for k in range(_WIDE):
            out[panel * _WIDE + k * COLUMNS + j - panel] = -F[j, k]
