"""Arc-cosine Grams on a CUDA device: a GEMM makes the cosines where the result will lie, one kernel turns them into entries."""

from __future__ import annotations

import numpy as np

from ..backend import Array, namespace
from ..cuda import ELEMENTWISE, blocks, launch

KERNELS = ("rectangle", "symmetric")
THREADS = 256
TILE = 32
OPTIONS = (*ELEMENTWISE, f"-DTHREADS={THREADS}", f"-DTILE={TILE}")


def gram(left: Array, right: Array, height: Array, width: Array, mirrored: bool) -> Array:
    """Compute entries g(cosine) height_i width_j, (m, n), as in `plain`."""
    out = namespace(left).ascontiguousarray(left @ right.T)
    fill(out, height, width, mirrored=mirrored)
    return out


def rectangle_grid(shape: tuple[int, int]) -> int:
    """Count the blocks of `rectangle` for a matrix of this shape."""
    return blocks(shape[0] * -(-shape[1] // THREADS), 1)


def symmetric_grid(size: int) -> int:
    """Count the blocks of `symmetric` for a matrix of this order, including those below the diagonal."""
    return blocks((-(-size // TILE)) ** 2, 1)


def fill(cosines: Array, height: Array, width: Array, *, mirrored: bool) -> None:
    """Replace contiguous float64 cosines (m, n) by g(r) height_i width_j, in place.

    With `mirrored`, m = n and the lower triangle is copied from the upper one: the result is symmetric to the bit.
    """
    if cosines.size == 0:
        return
    grid = symmetric_grid(len(cosines)) if mirrored else rectangle_grid(cosines.shape)
    arguments = (cosines, height, width, np.int64(cosines.shape[1]))
    launch("arccos", KERNELS[mirrored], grid, THREADS, OPTIONS, arguments)
