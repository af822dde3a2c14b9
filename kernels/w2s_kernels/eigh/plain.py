"""Symmetric eigendecompositions by the library's own solver, item by item."""

from __future__ import annotations

from .. import items
from ..backend import Array, namespace


def eigh(a: Array) -> tuple[Array, Array]:
    """Return eigenvalues (..., d) ascending and vectors (..., d, d); nan for items that do not converge. O(d^3)."""
    return items.eigh(a, namespace(a))
