"""Streams by the kept machine code of the compiled loop, on one thread."""

from __future__ import annotations

import numpy as np

from ..backend import Array
from ..loops import Loop
from .threefry import LANES

__all__ = ["NORMALS", "TILE", "UNIFORMS", "WORDS", "normals", "uniforms", "words"]

TILE = 256  # blocks a step: the scratch of 24 KiB stays in the nearest cache
WORDS, UNIFORMS, NORMALS = range(3)
_SCRATCH = ("uint64[:,::1]", "uint64[:,::1]", "uint64[::1]")
_FILLED = Loop("streams", "filled", "uint64[:,::1]", "int64", "int64", "uint64[::1]", "int64", *_SCRATCH)


def words(out: Array, row0: int, col0: int, key: Array) -> None:
    """Fill uint64 `out` (rows, cols), contiguous, from row `row0` and column `col0`; key is uint64 (4,)."""
    _fill(out, row0, col0, key, WORDS)


def uniforms(out: Array, row0: int, col0: int, key: Array) -> None:
    """Fill float64 `out` (rows, cols), contiguous, with uniforms in (0, 1); arguments as in `words`."""
    _fill(out.view(np.uint64), row0, col0, key, UNIFORMS)


def normals(out: Array, row0: int, col0: int, key: Array) -> None:
    """Fill float64 `out` (rows, cols), contiguous, with standard normals; arguments as in `words`."""
    _fill(out.view(np.uint64), row0, col0, key, NORMALS)


def _fill(out: Array, row0: int, col0: int, key: Array, kind: int) -> None:
    at, lanes = np.empty((2, TILE), np.uint64), np.empty((LANES, TILE), np.uint64)
    _FILLED(out, row0, col0, key, kind, at, lanes, np.empty(LANES * TILE, np.uint64))
