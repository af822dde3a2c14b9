"""Sums over rows by register tiles."""

from __future__ import annotations

from ..backend import Array
from ..products.numba import tiled
from .kept import added_by

__all__ = ["add"]


def add(total: Array, X: Array, Z: Array) -> bool:
    """Add X'Z as in `plain`."""
    return added_by(tiled, total, X, Z)
