"""Streams in array code, on NumPy and on CuPy: a chunk of rows at a time, so that temporaries stay in cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..backend import Array, namespace
from .elementary import box_muller, unit
from .threefry import LANES, Words, threefry

__all__ = ["NORMALS", "UNIFORMS", "WORDS", "draws"]

WORDS, UNIFORMS, NORMALS = range(3)
"""What is drawn: random bits, uint64; numbers in (0, 1), float64; standard normals, float64."""
_ROW_CHUNK_ELEMENTS = 1 << 16  # elementwise, so no bit depends on it


def draws(out: Array, row0: int, col0: int, key: Array, kind: int) -> None:
    """Fill `out` (rows, cols), contiguous, from row `row0` and column `col0`; key is uint64 (4,) on the host."""
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
        lanes = _OF_BLOCKS[kind](threefry((column, row, zero, zero), (key[0], key[1], key[2], key[3])))
        block = xp.stack(lanes, axis=-1).reshape(stop - start, -1)
        out[start:stop] = block[:, shift : shift + cols]


def _uniforms(words: Words) -> Words:
    return unit(words[0]), unit(words[1]), unit(words[2]), unit(words[3])


def _normals(words: Words) -> Words:
    return (*box_muller(words[0], words[1]), *box_muller(words[2], words[3]))


_OF_BLOCKS: dict[int, Callable[[Words], Words]] = {WORDS: lambda words: words, UNIFORMS: _uniforms, NORMALS: _normals}
