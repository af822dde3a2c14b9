"""Compiled streams: the arithmetic of `threefry` and `elementary` itself, compiled, and written straight into the output.

Work goes in tiles of blocks that may cross rows, so narrow arrays fill the vector registers like wide ones. Division as in
NumPy, without a branch for a zero divisor, is what lets the compiler turn the loops into vector instructions.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import njit, prange
from numba.extending import overload, register_jitable

from ..backend import Array
from .elementary import bits, box_muller, cos_sin_quarter, either, minus_two_log, number, unit
from .kept import TILE
from .plain import NORMALS, UNIFORMS
from .threefry import LANES, four_rounds, mix, threefry

TASK = 16 * LANES * TILE  # values a task: scratch is made once for them
ZERO = np.uint64(0)

# Numba's cache on disk notices edits of this file, not of those two: after one there, touch this file.
for _function in (mix, four_rounds, threefry, unit, minus_two_log, cos_sin_quarter, box_muller):
    register_jitable(error_model="numpy", forceinline=True)(_function)
overload(number)(lambda word: lambda word: np.uint64(word).view(np.float64))  # noqa: ARG005
overload(either)(lambda condition, yes, no: lambda condition, yes, no: yes if condition else no)  # noqa: ARG005
overload(bits)(lambda x: lambda x: np.float64(x).view(np.uint64))  # noqa: ARG005


@njit(cache=True)
def _counters(at: Array, start: int, count: int, first: int, blocks: int, row0: int) -> None:
    """Fill `at`, uint64 (2, TILE), with column block and row of `count` blocks from the `start`-th on, row after row."""
    row, block = row0 + start // blocks, start % blocks
    for b in range(count):
        at[0, b], at[1, b] = np.uint64(first + block), np.uint64(row)
        block += 1
        if block == blocks:
            row, block = row + 1, 0


@njit(cache=True, error_model="numpy")
def _words(lanes: Array, at: Array, count: int, key: Array) -> None:
    """Compute the random words of `count` blocks; lanes is uint64 (LANES, TILE)."""
    words = key[0], key[1], key[2], key[3]
    for b in range(count):
        lanes[0, b], lanes[1, b], lanes[2, b], lanes[3, b] = threefry((at[0, b], at[1, b], ZERO, ZERO), words)


@register_jitable(forceinline=True)
def _put(values: Array, b: int, v0: int, v1: int, v2: int, v3: int) -> None:
    values[LANES * b], values[LANES * b + 1], values[LANES * b + 2], values[LANES * b + 3] = v0, v1, v2, v3


@njit(cache=True, error_model="numpy")
def _draws(values: Array, lanes: Array, count: int, kind: int) -> None:
    """Turn words into draws of the given kind, block after block; values receives their bits, uint64 (LANES * TILE,)."""
    if kind == NORMALS:
        for b in range(count):
            z0, z1 = box_muller(lanes[0, b], lanes[1, b])
            z2, z3 = box_muller(lanes[2, b], lanes[3, b])
            _put(values, b, bits(z0), bits(z1), bits(z2), bits(z3))
    elif kind == UNIFORMS:
        for b in range(count):
            u0, u1, u2, u3 = unit(lanes[0, b]), unit(lanes[1, b]), unit(lanes[2, b]), unit(lanes[3, b])
            _put(values, b, bits(u0), bits(u1), bits(u2), bits(u3))
    else:
        for b in range(count):
            _put(values, b, lanes[0, b], lanes[1, b], lanes[2, b], lanes[3, b])


@njit(cache=True)
def _write(out: Array, values: Array, start: int, count: int, blocks: int, skip: int) -> None:
    """Copy the draws of `count` blocks from the `start`-th on to their places in `out`.

    Column 0 is draw `skip` of the first block of a row.
    """
    row, origin, first, cols = start // blocks, LANES * (start % blocks) - skip, 0, out.shape[1]
    while first < LANES * count:
        left, right = max(origin, 0), min(cols, origin + LANES * count - first)
        target, source = out[row, left:right], values[first + left - origin : first + right - origin]
        for j in range(target.size):  # from 0: no index can be negative, so the compiler sees a plain copy
            target[j] = source[j]
        first += LANES * blocks - skip - origin
        row, origin = row + 1, -skip


@njit(cache=True)
def filled(out: Array, row0: int, col0: int, key: Array, kind: int, at: Array, lanes: Array, values: Array) -> None:
    """Fill uint64 `out` (rows, cols) on one thread; arguments as in `draws`, and scratch as `_rows` makes it."""
    first = col0 // LANES
    blocks, skip = (col0 + out.shape[1] + LANES - 1) // LANES - first, col0 - first * LANES
    total = out.shape[0] * blocks
    for start in range(0, total, TILE):
        count = min(TILE, total - start)
        _counters(at, start, count, first, blocks, row0)
        _words(lanes, at, count, key)
        _draws(values, lanes, count, kind)
        _write(out, values, start, count, blocks, skip)


@njit(cache=True)
def _rows(out: Array, row0: int, col0: int, key: Array, kind: int) -> None:
    at, lanes = np.empty((2, TILE), np.uint64), np.empty((LANES, TILE), np.uint64)
    filled(out, row0, col0, key, kind, at, lanes, np.empty(LANES * TILE, np.uint64))


@njit(cache=True, parallel=True)
def _tasks(out: Array, row0: int, col0: int, key: Array, kind: int, height: int) -> None:
    for task in prange((out.shape[0] + height - 1) // height):
        top = task * height
        _rows(out[top : top + height], row0 + top, col0, key, kind)


def draws(out: Array, row0: int, col0: int, key: Array, kind: int) -> None:
    """Fill `out` as in `plain`, in tasks of `TASK` values in whole rows; a single task does not wake the other threads."""
    rows, cols = out.shape
    height = max(1, TASK // cols)
    if rows <= height:
        _rows(out.view(np.uint64), row0, col0, key, kind)
    else:
        _tasks(out.view(np.uint64), row0, col0, key, kind, height)
