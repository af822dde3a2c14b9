"""Symmetric eigendecompositions by the library's own solver, item by item."""

from __future__ import annotations

from .. import items
from ..backend import Array, namespace


def eigh(a: Array) -> tuple[Array, Array]:
    """Eigenvalues (..., d) ascending and vectors (..., d, d); items that do not converge come back as nan. O(d^3)."""
    return items.eigh(a, namespace(a))
