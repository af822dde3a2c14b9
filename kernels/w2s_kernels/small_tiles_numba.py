"""Tiles of 4 x 4 lane vectors in registers: the triangular solves and the corner of a Cholesky factor in panels.

Layout. The lower triangle of L lies in panels of four rows: panel p holds columns 0 .. 4p + 3, and a column of a panel is
four vectors, one a row, so innermost loops read forward through memory. The diagonal holds the reciprocals of the
factor's diagonal: one division a pivot. A right-hand side y has row i at `at` + i `step`, its columns side by side.

A panel of L read column by column is itself such a y: L X = A' for the rows above, four columns wide. So one triangular
tile, `forward`, does the factorisation's work and the solve's. Each of its entries is accumulated in a register over the
whole inner dimension and written once; a plain loop over interleaved items writes each d/3 times.

A pivot that is not positive and finite becomes nan in its lane, and nan reaches every later pivot and every result of
that item, and of no other: lanes never mix. Every entry takes its terms in the order of `small.cu`, each by one fused
multiply-add: same bits.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from typing import Any, TypeAlias

from numba import njit

from .backend import Array
from .lanes_numba import BLOCK, WIDTH, Lanes, inverse_root, less, load, plus_square, store, times, zero

Four: TypeAlias = Any  # a tuple of four lane vectors
COLUMN = BLOCK * WIDTH  # values from one column of a panel to the next


@njit(cache=True, forceinline=True)
def _load4(a: Array, at: int, step: int) -> Four:
    return load(a, at), load(a, at + step), load(a, at + 2 * step), load(a, at + 3 * step)


@njit(cache=True, forceinline=True)
def _store4(a: Array, at: int, row: Four) -> None:
    store(a, at, row[0])
    store(a, at + WIDTH, row[1])
    store(a, at + 2 * WIDTH, row[2])
    store(a, at + 3 * WIDTH, row[3])


@njit(cache=True, forceinline=True)
def _less4(row: Four, x: Lanes, y: Four) -> Four:
    return less(row[0], x, y[0]), less(row[1], x, y[1]), less(row[2], x, y[2]), less(row[3], x, y[3])


@njit(cache=True, forceinline=True)
def _times4(row: Four, x: Lanes) -> Four:
    return times(row[0], x), times(row[1], x), times(row[2], x), times(row[3], x)


@njit(cache=True, forceinline=True)
def panel(p: int) -> int:
    """Where panel p starts: 4 (1 + 2 + ... + p) columns lie before it."""
    start: int = 2 * p * (p + 1) * COLUMN
    return start


@njit(cache=True, forceinline=True)
def entry(p: int, row: int, col: int) -> int:
    """Where L[4p + row, 4p + col] of a diagonal tile lies."""
    place: int = panel(p) + (4 * p + col) * COLUMN + row * WIDTH
    return place


@njit(cache=True, forceinline=True)
def forward(L: Array, p: int, y: Array, at: int, step: int) -> None:
    """Rows 4p .. 4p + 3 of L y = b, four columns; row i of y starts at `at` + i `step`, rows above are done."""
    here = at + 4 * p * step
    c0, c1 = _load4(y, here, WIDTH), _load4(y, here + step, WIDTH)
    c2, c3 = _load4(y, here + 2 * step, WIDTH), _load4(y, here + 3 * step, WIDTH)
    left = panel(p)
    for m in range(4 * p):
        x, row = _load4(L, left + m * COLUMN, WIDTH), _load4(y, at + m * step, WIDTH)
        c0, c1, c2, c3 = _less4(c0, x[0], row), _less4(c1, x[1], row), _less4(c2, x[2], row), _less4(c3, x[3], row)
    c0 = _times4(c0, load(L, entry(p, 0, 0)))
    c1 = _times4(_less4(c1, load(L, entry(p, 1, 0)), c0), load(L, entry(p, 1, 1)))
    c2 = _less4(_less4(c2, load(L, entry(p, 2, 0)), c0), load(L, entry(p, 2, 1)), c1)
    c2 = _times4(c2, load(L, entry(p, 2, 2)))
    c3 = _less4(_less4(c3, load(L, entry(p, 3, 0)), c0), load(L, entry(p, 3, 1)), c1)
    c3 = _times4(_less4(c3, load(L, entry(p, 3, 2)), c2), load(L, entry(p, 3, 3)))
    _store4(y, here, c0)
    _store4(y, here + step, c1)
    _store4(y, here + 2 * step, c2)
    _store4(y, here + 3 * step, c3)


@njit(cache=True, forceinline=True)
def forward1(L: Array, p: int, y: Array, at: int, step: int) -> None:
    """`forward` for one column, in the same order of operations."""
    here = at + 4 * p * step
    c0, c1, c2, c3 = _load4(y, here, step)
    left = panel(p)
    for m in range(4 * p):
        c0, c1, c2, c3 = _less4((c0, c1, c2, c3), load(y, at + m * step), _load4(L, left + m * COLUMN, WIDTH))
    c0 = times(c0, load(L, entry(p, 0, 0)))
    c1 = times(less(c1, load(L, entry(p, 1, 0)), c0), load(L, entry(p, 1, 1)))
    c2 = less(less(c2, load(L, entry(p, 2, 0)), c0), load(L, entry(p, 2, 1)), c1)
    c2 = times(c2, load(L, entry(p, 2, 2)))
    c3 = less(less(c3, load(L, entry(p, 3, 0)), c0), load(L, entry(p, 3, 1)), c1)
    c3 = times(less(c3, load(L, entry(p, 3, 2)), c2), load(L, entry(p, 3, 3)))
    store(y, here, c0)
    store(y, here + step, c1)
    store(y, here + 2 * step, c2)
    store(y, here + 3 * step, c3)


@njit(cache=True, forceinline=True)
def backward(L: Array, p: int, panels: int, y: Array, at: int, step: int) -> None:
    """Rows 4p .. 4p + 3 of L'x = y in place, four columns; rows below are done."""
    here = at + 4 * p * step
    c0, c1 = _load4(y, here, WIDTH), _load4(y, here + step, WIDTH)
    c2, c3 = _load4(y, here + 2 * step, WIDTH), _load4(y, here + 3 * step, WIDTH)
    for below in range(panels - 1, p, -1):
        left = panel(below) + 4 * p * COLUMN
        for r in range(3, -1, -1):
            x, row = _load4(L, left + r * WIDTH, COLUMN), _load4(y, at + (4 * below + r) * step, WIDTH)
            c0, c1, c2, c3 = _less4(c0, x[0], row), _less4(c1, x[1], row), _less4(c2, x[2], row), _less4(c3, x[3], row)
    c3 = _times4(c3, load(L, entry(p, 3, 3)))
    c2 = _times4(_less4(c2, load(L, entry(p, 3, 2)), c3), load(L, entry(p, 2, 2)))
    c1 = _less4(_less4(c1, load(L, entry(p, 3, 1)), c3), load(L, entry(p, 2, 1)), c2)
    c1 = _times4(c1, load(L, entry(p, 1, 1)))
    c0 = _less4(_less4(c0, load(L, entry(p, 3, 0)), c3), load(L, entry(p, 2, 0)), c2)
    c0 = _times4(_less4(c0, load(L, entry(p, 1, 0)), c1), load(L, entry(p, 0, 0)))
    _store4(y, here, c0)
    _store4(y, here + step, c1)
    _store4(y, here + 2 * step, c2)
    _store4(y, here + 3 * step, c3)


@njit(cache=True, forceinline=True)
def backward1(L: Array, p: int, panels: int, y: Array, at: int, step: int) -> None:
    """`backward` for one column, in the same order of operations."""
    here = at + 4 * p * step
    c0, c1, c2, c3 = _load4(y, here, step)
    for below in range(panels - 1, p, -1):
        left = panel(below) + 4 * p * COLUMN
        for r in range(3, -1, -1):
            row = load(y, at + (4 * below + r) * step)
            c0, c1, c2, c3 = _less4((c0, c1, c2, c3), row, _load4(L, left + r * WIDTH, COLUMN))
    c3 = times(c3, load(L, entry(p, 3, 3)))
    c2 = times(less(c2, load(L, entry(p, 3, 2)), c3), load(L, entry(p, 2, 2)))
    c1 = less(less(c1, load(L, entry(p, 3, 1)), c3), load(L, entry(p, 2, 1)), c2)
    c1 = times(c1, load(L, entry(p, 1, 1)))
    c0 = less(less(c0, load(L, entry(p, 3, 0)), c3), load(L, entry(p, 2, 0)), c2)
    c0 = times(less(c0, load(L, entry(p, 1, 0)), c1), load(L, entry(p, 0, 0)))
    store(y, here, c0)
    store(y, here + step, c1)
    store(y, here + 2 * step, c2)
    store(y, here + 3 * step, c3)


@njit(cache=True, forceinline=True)
def corner(L: Array, p: int) -> None:
    """Diagonal tile of panel p: the earlier columns taken off, then its own Cholesky factor, column by column."""
    left, here = panel(p), entry(p, 0, 0)
    c0, c1 = _load4(L, here, WIDTH), _load4(L, here + COLUMN, WIDTH)
    c2, c3 = _load4(L, here + 2 * COLUMN, WIDTH), _load4(L, here + 3 * COLUMN, WIDTH)
    for m in range(4 * p):
        x = _load4(L, left + m * COLUMN, WIDTH)
        c0, c1, c2, c3 = _less4(c0, x[0], x), _less4(c1, x[1], x), _less4(c2, x[2], x), _less4(c3, x[3], x)
    r0 = inverse_root(c0[0])
    c0 = _times4(c0, r0)
    c1, c2, c3 = _less4(c1, c0[1], c0), _less4(c2, c0[2], c0), _less4(c3, c0[3], c0)
    r1 = inverse_root(c1[1])
    c1 = _times4(c1, r1)
    c2, c3 = _less4(c2, c1[2], c1), _less4(c3, c1[3], c1)
    r2 = inverse_root(c2[2])
    c2 = _times4(c2, r2)
    c3 = _less4(c3, c2[3], c2)
    _store4(L, here, (r0, c0[1], c0[2], c0[3]))
    _store4(L, here + COLUMN, (c1[0], r1, c1[2], c1[3]))
    _store4(L, here + 2 * COLUMN, (c2[0], c2[1], r2, c2[3]))
    _store4(L, here + 3 * COLUMN, (c3[0], c3[1], c3[2], inverse_root(c3[3])))


@njit(cache=True, forceinline=True)
def squares(y: Array, at: int, step: int, d: int) -> Lanes:
    """Sum of y_i^2 over the first d rows, i ascending."""
    total = zero()
    for i in range(d):
        total = plus_square(total, load(y, at + i * step))
    return total
