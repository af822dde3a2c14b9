"""Streams in array code, on NumPy and on CuPy: a chunk of rows at a time, so that temporaries stay in cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..backend import Array, namespace
from .elementary import box_muller, unit
from .threefry import LANES, Words, threefry

_ROW_CHUNK_ELEMENTS = 1 << 16  # elementwise, so no bit depends on it


def words(out: Array, row0: int, col0: int, key: Array) -> None:
    """Fill uint64 `out` (rows, cols) from row `row0` and column `col0`; key is uint64 (4,) on the host."""
    _fill(out, row0, col0, key, lambda lanes: lanes)


def uniforms(out: Array, row0: int, col0: int, key: Array) -> None:
    """Fill float64 `out` (rows, cols) with uniforms in (0, 1); arguments as in `words`."""
    _fill(out, row0, col0, key, lambda lanes: (unit(lanes[0]), unit(lanes[1]), unit(lanes[2]), unit(lanes[3])))


def normals(out: Array, row0: int, col0: int, key: Array) -> None:
    """Fill float64 `out` (rows, cols) with standard normals; arguments as in `words`."""
    _fill(out, row0, col0, key, lambda lanes: (*box_muller(lanes[0], lanes[1]), *box_muller(lanes[2], lanes[3])))


def _fill(out: Array, row0: int, col0: int, key: Array, of_blocks: Callable[[Words], Words]) -> None:
    xp, (rows, cols) = namespace(out), out.shape
    blocks = col0 // LANES, (col0 + cols + LANES - 1) // LANES
    shift = col0 - blocks[0] * LANES
    chunk = max(1, _ROW_CHUNK_ELEMENTS // cols)
    key = xp.asarray(key)[:, None, None]  # arrays: sums of them wrap around without a warning
    for start in range(0, rows, chunk):
        stop = min(start + chunk, rows)
        column = xp.arange(*blocks, dtype=np.uint64)[None, :]
        row = xp.arange(row0 + start, row0 + stop, dtype=np.uint64)[:, None]
        zero = xp.zeros((1, 1), dtype=np.uint64)
        lanes = of_blocks(threefry((column, row, zero, zero), (key[0], key[1], key[2], key[3])))
        block = xp.stack(lanes, axis=-1).reshape(stop - start, -1)
        out[start:stop] = block[:, shift : shift + cols]
