"""The check and scaling of a Gram, and sums over eigendirections, by the kept machine code of the compiled loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array
from ..loops import Loop
from . import plain

__all__ = ["products", "scaled_by", "symmetric"]

_STACK = "float64[:,:,::1]"
_LARGEST = Loop("spectral", "largest", "float64[::1]", _STACK)
_PRODUCTS = Loop("spectral", "products", "float64[:,:,:,::1]", _STACK, _STACK, _STACK, _STACK)


def symmetric(gram: Array) -> tuple[Array, Array]:
    """Check and scale as in `plain`."""
    return scaled_by(_LARGEST, gram)


def scaled_by(largest: Callable[[Array, Array], Any], gram: Array) -> tuple[Array, Array]:
    """Check and scale with `largest`, which looks at each entry once.

    Matrices that are not symmetric to the bit, not finite, or so large or small that the power of two is out of range, are left
    to `plain`.
    """
    d = gram.shape[-1]
    if gram.shape[-2] == d:
        items, found = np.ascontiguousarray(gram).reshape(-1, d, d), np.empty(gram.size // max(1, d * d))
        largest(found, items)
        exponent = np.frexp(found)[1].astype(np.int64)
        if np.all((found >= 0.0) & (found < np.inf) & (abs(exponent) <= plain.EXACT)):
            out = items * np.ldexp(1.0, -exponent)[:, None, None]
            return out.reshape(gram.shape), exponent.reshape(gram.shape[:-2])
    return plain.symmetric(gram)


def products(out: Array, response: Array, coords: Array, first: Array, second: Array) -> None:
    """Fill out (3, S, T, L), contiguous, as `filtered_products` says, with sums in four lanes."""
    _PRODUCTS(out, *(np.ascontiguousarray(part) for part in (response, coords, first, second)))
