"""Quadratic forms of many vectors in one matrix, by one GEMM an item."""

from __future__ import annotations

import numpy as np

from ..backend import Array, namespace
from ..items import matmul


def forms(v: Array, M: Array) -> Array:
    """Compute v'Mv for each column of v (*batch, [L,] d, k) and M (*batch, d, d): (*batch, [L,] k)."""
    xp = namespace(v, M)
    rows = xp.ascontiguousarray(xp.swapaxes(v, -1, -2))
    lead = v.shape[: M.ndim - 2]
    flat = rows.reshape(*lead, -1, rows.shape[-1])
    with np.errstate(invalid="ignore", over="ignore"):
        image = matmul(flat, M, xp).reshape(*rows.shape[:-1], M.shape[-1])
    return xp.sum(image * xp.swapaxes(v, -1, -2), axis=-1)
