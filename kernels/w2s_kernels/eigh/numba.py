"""Symmetric eigendecompositions on the CPU: LAPACK up to the tridiagonal matrix's vectors, then compiled tiles.

LAPACK's `dsyevd` reduces G = Q T Q', solves T = W S W' and multiplies Q by W, a reflector block after the other. That last
step is two thirds of the multiplications and, in LAPACK's blocks of 32 columns, far below the rate of a large product. Here
the same blocks I - Y F Y' are applied to the rows of W' by register tiles.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from numba import njit

from ..backend import Array
from ..simd.tiles import COLUMNS, ROWS, add_product, inner, product
from .kept import WIDE, decomposed

__all__ = ["eigh", "turned"]


def eigh(a: Array) -> tuple[Array, Array]:
    """Return eigenvalues (..., d) ascending and vectors (..., d, d); nan for items that do not converge. O(d^3)."""
    return decomposed(a, turned)


@njit(cache=True)
def turned(
    out: Array, rotation: Array, reduced: Array, factors: Array, rows: Array, panels: Array, triangle: Array, sums: Array
) -> None:
    """Fill out (d, d) = Q W from rows W' (d, d); the rows of `reduced` hold the reflectors, right of the diagonal.

    Scratch, with d rounded up to whole tiles: `rows` d^2 zeros, `panels` (4, WIDE d), `triangle` (WIDE^2,), and
    `sums` (WIDE, WIDE).
    """
    d, room = len(out), panels.shape[1] // WIDE
    for i in range(d):
        for j in range(d):
            rows[i * room + j] = rotation[i, j]
    Y, across, image, moved = panels[0], panels[1], panels[2], panels[3]
    for start in range((d - 2) // WIDE * WIDE, -1, -WIDE):
        low = (start + 1) // COLUMNS * COLUMNS
        count = room - low
        _reflectors(Y, across, reduced, start, low, count)
        _triangle(triangle, sums, image, Y, factors[start : start + WIDE], count)
        for r in range(0, room, ROWS):
            for c in range(0, WIDE, COLUMNS):
                product(image, (r * WIDE + c, WIDE), rows, (r * room + low, room), Y, (c * count, COLUMNS), count)
            for c in range(0, WIDE, COLUMNS):
                product(moved, (c, WIDE), image, (r * WIDE, WIDE), triangle, (c * WIDE, COLUMNS), WIDE)
            for c in range(0, count, COLUMNS):
                to = r * room + low + c, room
                add_product(rows, to, moved, (0, WIDE), across, (c * WIDE, COLUMNS), WIDE)
    for top in range(0, d, ROWS):
        for i in range(d):
            for j in range(top, min(top + ROWS, d)):
                out[i, j] = rows[j * room + i]


@njit(cache=True)
def _reflectors(Y: Array, across: Array, reduced: Array, start: int, low: int, count: int) -> None:
    """Copy the reflectors from `start` on to panels.

    Y (count, WIDE) has rows that begin at `low`, and `across` is its transpose.
    """
    d = len(reduced)
    Y[: WIDE * count] = 0.0
    across[: WIDE * count] = 0.0
    for j in range(min(WIDE, d - 1 - start)):
        panel = j // COLUMNS * COLUMNS
        for k in range(start + j + 1, d):
            value = 1.0 if k == start + j + 1 else reduced[start + j, k]
            at = k - low
            Y[panel * count + at * COLUMNS + j - panel] = value
            across[at // COLUMNS * COLUMNS * WIDE + j * COLUMNS + at % COLUMNS] = value


@njit(cache=True)
def _triangle(out: Array, F: Array, gram: Array, Y: Array, factors: Array, count: int) -> None:
    """Write -F' to panels, for F upper triangular with H_1 H_2 ... = I - Y F Y' and the factors on its diagonal."""
    for r in range(0, WIDE, ROWS):
        x = r // COLUMNS * COLUMNS * count + r % COLUMNS, COLUMNS
        for c in range(0, WIDE, COLUMNS):
            inner(gram, (r * WIDE + c, WIDE), Y, x, Y, (c * count, COLUMNS), count)
    F[:] = 0.0
    for j in range(len(factors)):
        F[j, j] = factors[j]
        for i in range(j):
            total = 0.0
            for m in range(i, j):
                total += F[i, m] * gram[m * WIDE + j]
            F[i, j] = -factors[j] * total
    for j in range(WIDE):
        panel = j // COLUMNS * COLUMNS
        for k in range(WIDE):
            out[panel * WIDE + k * COLUMNS + j - panel] = -F[j, k]
