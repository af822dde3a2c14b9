"""Compiled elementwise part of the arc-cosine Gram: one pass over a tile of cosines, written to its place and its mirror image.

The arc cosine is fdlibm's (Sun Microsystems, 1993: e_acos.c), its two ranges joined by selections, so that the compiler turns
the loop into vector instructions.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from ..backend import Array
from .plain import SERIES, SERIES_BELOW, tiles

S0, S1, S2, S3, S4, S5 = SERIES
P0, P1, P2 = 1.66666666666666657415e-01, -3.25565818622400915405e-01, 2.01212532134862925881e-01
P3, P4, P5 = -4.00555345006794114027e-02, 7.91534994289814532176e-04, 3.47933107596021167570e-05
Q1, Q2 = -2.40339491173441421878e00, 2.02094576023350569471e00
Q3, Q4 = -6.88283971605453293030e-01, 7.70381505559019352791e-02
BLOCK = 8  # float64 in a cache line


def gram(left: Array, right: Array, height: Array, width: Array, mirrored: bool) -> Array:
    """Compute entries g(cosine) height_i width_j, (m, n), as in `plain`, with a compiled pass over each tile of the product."""
    out = np.empty((len(left), len(right)))
    for rows, columns in tiles(out.shape, mirrored=mirrored):
        cosines = left[rows] @ right[columns].T
        fill(out, cosines, rows.start, columns.start, height[rows], width[columns])
        if mirrored:
            mirror(out, rows.start, columns.start, *cosines.shape)
    return out


@njit(cache=True, error_model="numpy", inline="always")
def _arc_cosine(cosine: float) -> float:
    r = min(max(cosine, -1.0), 1.0)
    a = abs(r)
    far = a < 0.5
    z = a * a if far else 0.5 * (1.0 - a)
    w = a if far else math.sqrt(z)
    top = z * (P0 + z * (P1 + z * (P2 + z * (P3 + z * (P4 + z * P5)))))
    sine = w + w * (top / (1.0 + z * (Q1 + z * (Q2 + z * (Q3 + z * Q4)))))
    acute = 0.5 * math.pi - sine if far else 2.0 * sine
    angle = math.pi - acute if r > 0.0 else acute
    s = angle * angle
    series = angle * s * (S0 + s * (S1 + s * (S2 + s * (S3 + s * (S4 + s * S5)))))
    closed = math.sqrt((1.0 - a) * (1.0 + a)) + r * angle
    return series if angle < SERIES_BELOW else closed


@njit(cache=True, parallel=True, error_model="numpy")
def fill(out: Array, cosines: Array, top: int, first: int, height: Array, width: Array) -> None:
    """Write g(cosines) height_i width_j to out[top:, first:]."""
    for i in prange(cosines.shape[0]):
        row, target = cosines[i], out[top + i, first : first + cosines.shape[1]]
        for j in range(row.shape[0]):
            target[j] = _arc_cosine(row[j]) * (height[i] * width[j])


@njit(cache=True, parallel=True)
def mirror(out: Array, top: int, first: int, rows: int, columns: int) -> None:
    """Copy a tile to its transposed place, square by square so that both sides fill whole cache lines.

    Of a tile on the diagonal, only the part above the diagonal is copied.
    """
    for block in prange((columns + BLOCK - 1) // BLOCK):
        start, stop = block * BLOCK, min(columns, (block + 1) * BLOCK)
        for low in range(0, rows, BLOCK):
            high = min(rows, low + BLOCK)
            for j in range(start, stop):
                for i in range(low, min(high, j) if top == first else high):
                    out[first + j, top + i] = out[top + i, first + j]
