"""Sums X'Z over rows, added to in place: BLAS products, or one triangle of a symmetric sum where that is faster."""

from __future__ import annotations

import numpy as np

from ..backend import Array, namespace
from ..items import transpose_matmul
from ..scipy_parts import blas

WIDE = 256  # columns from which one triangle is faster


def add(total: Array, X: Array, Z: Array) -> bool:
    """Add X'Z to `total` (..., p, q) in place, for X (..., n, p), Z (..., n, q), contiguous float64, one item after the other.

    Return whether only the upper triangle was added to, as happens to wide symmetric sums, where `Z is X`.
    """
    xp = namespace(total)
    if Z is not X or xp is not np or total.shape[-1] < WIDE:
        total += transpose_matmul(X, Z, xp)
        return False
    dsyrk = blas().dsyrk
    for i in np.ndindex(total.shape[:-2]):
        dsyrk(1.0, X[i].T, beta=1.0, c=total[i].T, lower=1, overwrite_c=1)  # transposed: BLAS counts along columns
    return True
