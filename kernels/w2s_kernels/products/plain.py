"""A product by BLAS."""

from __future__ import annotations

import numpy as np

from ..backend import Array, namespace

__all__ = ["gemm"]


def gemm(left: Array, right: Array) -> Array:
    """Multiply (m, k) @ (k, n) in the library of the arrays; what overflows becomes infinite without a warning."""
    with np.errstate(invalid="ignore", over="ignore"):
        return namespace(left, right).matmul(left, right)
