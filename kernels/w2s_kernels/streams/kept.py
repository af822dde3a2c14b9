"""Streams by the kept machine code of the compiled loop, on one thread."""

from __future__ import annotations

import numpy as np

from ..backend import Array
from ..loops import Loop
from .threefry import LANES

__all__ = ["TILE", "draws"]

TILE = 256  # blocks a step: the scratch of 24 KiB stays in the nearest cache
_SCRATCH = ("uint64[:,::1]", "uint64[:,::1]", "uint64[::1]")
_FILLED = Loop("streams", "filled", "uint64[:,::1]", "int64", "int64", "uint64[::1]", "int64", *_SCRATCH)


def draws(out: Array, row0: int, col0: int, key: Array, kind: int) -> None:
    """Fill `out` (rows, cols) as in `plain`."""
    at, lanes = np.empty((2, TILE), np.uint64), np.empty((LANES, TILE), np.uint64)
    _FILLED(out.view(np.uint64), row0, col0, key, kind, at, lanes, np.empty(LANES * TILE, np.uint64))
