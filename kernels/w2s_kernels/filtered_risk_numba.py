"""Compiled quadratic forms of `filtered_risk`: rows are made a tile at a time and never leave the nearest cache.

Matrices lie in panels of COLUMNS columns, one after the other, each row by row: what a tile of the product reads is then one
stretch of memory. Padding up to whole panels is zero.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import njit

from .backend import Array
from .tiles_numba import COLUMNS, ROWS, inner, product

_LANES = 8  # partial sums of a dot product; divides COLUMNS


@njit(cache=True)
def risks(out: Array, response: Array, starts: Array, aims: Array, basis: Array, second: Array) -> None:
    """v'Mv, out (B, L, k), of v = response (B, L, d) * starts (B, k, d) - aims (B, k, d), M = V'SV of two (B, d, d)."""
    items, filters, sides = out.shape
    tiles = (filters * sides + ROWS - 1) // ROWS
    room = (response.shape[2] + COLUMNS - 1) // COLUMNS * COLUMNS
    half = np.empty(room * (room + COLUMNS) // 2)
    for b in range(items):
        _half(half, basis[b], second[b], room)
        for tile in range(tiles):
            _forms(out[b], response[b], starts[b], aims[b], half, tile * ROWS, room)


@njit(cache=True)
def _panels(out: Array, A: Array, room: int) -> None:
    d = A.shape[0]
    if d < room:
        out[:] = 0.0
    for k in range(d):
        for low in range(0, d, COLUMNS):
            for j in range(low, min(low + COLUMNS, d)):
                out[low * room + k * COLUMNS + j - low] = A[k, j]


@njit(cache=True)
def _half(out: Array, V: Array, S: Array, room: int) -> None:
    """Panels of the upper triangle of V'SV with half its diagonal; a panel ends with its block on the diagonal."""
    vectors, image = np.empty(room * room), np.empty(room * room)
    _panels(vectors, V, room)
    moments, stride = S.reshape(-1), len(S)
    if stride < room:
        moments, stride = np.zeros(room * room), room
        moments.reshape(room, room)[: len(S), : len(S)] = S
    start = 0
    for low in range(0, room, COLUMNS):
        y = low * room, COLUMNS
        for r in range(0, room, ROWS):
            product(image, (low * room + r * COLUMNS, COLUMNS), moments, (r * stride, stride), vectors, y, len(V))
        for r in range(0, low + COLUMNS, ROWS):
            x = r // COLUMNS * COLUMNS * room + r % COLUMNS, COLUMNS
            inner(out, (start + r * COLUMNS, COLUMNS), vectors, x, image, y, len(V))
        start += low * COLUMNS
        for i in range(COLUMNS):
            out[start : start + i] = 0.0
            out[start + i] *= 0.5
            start += COLUMNS


@njit(cache=True)
def _forms(out: Array, response: Array, starts: Array, aims: Array, half: Array, first: int, room: int) -> None:
    """Fill ROWS risks from the `first` on, filters before right-hand sides, or as many as there are."""
    sides, d = starts.shape
    count = min(ROWS, len(response) * sides - first)
    rows, image = np.zeros(ROWS * room), np.empty(ROWS * room)
    for m in range(count):
        r, c, g = response[(first + m) // sides], starts[(first + m) % sides], aims[(first + m) % sides]
        for i in range(d):
            rows[m * room + i] = r[i] * c[i] - g[i]
    start = 0
    for low in range(0, room, COLUMNS):
        product(image, (low, room), rows, (0, room), half, (start, COLUMNS), low + COLUMNS)
        start += (low + COLUMNS) * COLUMNS
    for m in range(count):
        part = slice(m * room, (m + 1) * room)
        out[(first + m) // sides, (first + m) % sides] = 2.0 * _dot(rows[part], image[part])


@njit(cache=True)
def _dot(a: Array, b: Array) -> float:
    sums = np.zeros(_LANES)
    for i in range(0, len(a), _LANES):
        for lane in range(_LANES):
            sums[lane] += a[i + lane] * b[i + lane]
    return float(np.sum(sums))
