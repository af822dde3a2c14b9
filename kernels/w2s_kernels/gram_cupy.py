"""Sums X'X on a CUDA device: a symmetric rank-k update of cuBLAS an item, half the work of a product and no temporary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from .backend import Array

Update: TypeAlias = Callable[..., Any]  # cupy.cublas.syrk: update(trans, a, out=, alpha=, beta=, lower=)


def add(total: Array, X: Array, update: Update | None = None) -> None:
    """Add X'X to the upper triangle of `total` (..., p, p) in place, for X (..., n, p), both contiguous float64.

    One call an item, so that an item in a batch has the bits it has alone. What is below the diagonal is left as it was.
    """
    if update is None:
        from cupy import cublas

        update = cublas.syrk
    for i in np.ndindex(total.shape[:-2]):
        update("T", X[i], out=total[i], alpha=1.0, beta=1.0, lower=False)
