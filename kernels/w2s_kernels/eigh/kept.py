"""Symmetric eigendecompositions whose last step is the kept machine code of the compiled tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array
from ..loops import Loop
from ..scipy_parts import lapack

__all__ = ["WIDE", "decomposed", "eigh"]

WIDE = 32  # reflectors in a block, whole panels
_TILE = 16  # a multiple of the columns of a tile on every processor
_MATRIX, _VECTOR = "float64[:,::1]", "float64[::1]"
_TURNED = Loop("eigh", "turned", _MATRIX, _MATRIX, _MATRIX, _VECTOR, _VECTOR, _MATRIX, _VECTOR, _MATRIX)


def eigh(a: Array) -> tuple[Array, Array]:
    """Return eigenvalues (..., d) ascending and vectors (..., d, d); nan for items that do not converge. O(d^3)."""
    return decomposed(a, _TURNED)


def decomposed(a: Array, turned: Callable[..., Any]) -> tuple[Array, Array]:
    """Decompose as `eigh`, where `turned` multiplies the reflectors Q by the tridiagonal matrix's vectors."""
    values, vectors = np.empty(a.shape[:-1]), np.empty(a.shape)
    for index in np.ndindex(*a.shape[:-2]):
        values[index] = _item(a[index], vectors[index], turned)
    return values, vectors


def _item(a: Array, vectors: Array, turned: Callable[..., Any]) -> Array:
    """Return the eigenvalues of one matrix, and write its eigenvectors to `vectors`."""
    d, routines = len(a), lapack()
    reduced, diagonal, beside, factors, broken = routines.dsytrd(a.T, lower=1, lwork=WIDE * d)
    values, rotation, stuck = routines.dstevd(diagonal, beside)
    if broken or stuck:
        vectors[...] = np.nan
        return np.full(d, np.nan)
    room = max(WIDE, (d + _TILE - 1) // _TILE * _TILE)
    scratch = np.zeros(room * room), np.empty((4, WIDE * room)), np.empty(WIDE * WIDE), np.empty((WIDE, WIDE))
    turned(vectors, rotation.T, reduced.T, factors, *scratch)
    return values
