"""Sums over rows by the kept machine code of register tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array
from ..products.kept import TILED, added
from . import plain

__all__ = ["add", "added_by"]

WIDE = 128  # columns from which tiles are faster


def add(total: Array, X: Array, Z: Array) -> bool:
    """Add X'Z as in `plain`."""
    return added_by(TILED, total, X, Z)


def added_by(tiled: Callable[..., Any], total: Array, X: Array, Z: Array) -> bool:
    """Add X'Z where `tiled` is the compiled loop of `products`; narrow sums are left to `plain`."""
    if min(total.shape[-2:]) < WIDE:
        return plain.add(total, X, Z)
    for i in np.ndindex(total.shape[:-2]):
        added(tiled, total[i], X[i], X[i] if Z is X else Z[i], upper=Z is X)
    return Z is X
