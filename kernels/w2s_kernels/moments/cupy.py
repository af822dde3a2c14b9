"""Sums X'Z on a CUDA device: symmetric ones by rank-k updates of cuBLAS, half the work of a product and no temporary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..backend import Array
from . import plain

Update: TypeAlias = Callable[..., Any]  # cupy.cublas.syrk: update(trans, a, out=, alpha=, beta=, lower=)


def add(total: Array, X: Array, Z: Array, update: Update | None = None) -> bool:
    """Add X'Z to `total` (..., p, q) in place, as in `plain`; where `Z is X`, to its upper triangle only.

    Each item is one call, so that an item in a batch has the bits it has alone. The part below the diagonal keeps its values.
    """
    if Z is not X:
        return plain.add(total, X, Z)
    if update is None:
        from cupy import cublas

        update = cublas.syrk
    for i in np.ndindex(total.shape[:-2]):
        update("T", X[i], out=total[i], alpha=1.0, beta=1.0, lower=False)
    return True
