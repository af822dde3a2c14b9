"""Streams on a CUDA device: the kernels of `kernel.cu`, one thread for the four draws of a block."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array
from ..cuda import ELEMENTWISE, blocks, launch
from .threefry import LANES

KERNELS = ("words", "uniforms", "normals")  # in the order of the kinds
THREADS = 256
OPTIONS = (*ELEMENTWISE, f"-DTHREADS={THREADS}")


def geometry(shape: tuple[int, int], row0: int, col0: int) -> tuple[int, tuple[Any, ...]]:
    """Return the number of thread blocks and the arguments after the key, for an output `shape` from `row0`, `col0` on."""
    rows, columns = shape
    first = col0 // LANES
    wide = (col0 + columns + LANES - 1) // LANES - first
    sizes = (np.int64(rows), np.int64(columns), np.int64(wide), np.int32(col0 - first * LANES))
    return blocks(rows * wide, THREADS), (np.uint64(row0), np.uint64(first), *sizes)


def draws(out: Array, row0: int, col0: int, key: Array, kind: int) -> None:
    """Fill `out` (rows, cols) as in `plain`."""
    grid, arguments = geometry(out.shape, row0, col0)
    launch("streams", KERNELS[kind], grid, THREADS, OPTIONS, (out, *key, *arguments))
