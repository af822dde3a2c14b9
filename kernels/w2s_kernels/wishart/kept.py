"""`wishart.gram` by the kept machine code of its compiled loop."""

from __future__ import annotations

import numpy as np

from ..backend import Array
from ..loops import Loop

__all__ = ["complete"]

_MATRIX = "float64[:,::1]"
_COMPLETED = Loop("wishart", "completed", "float64[:,:,::1]", "int64[::1]", _MATRIX, "int64[::1]", _MATRIX, _MATRIX, _MATRIX)


def complete(out: Array, places: list[int], diagonals: Array, order: Array, both: Array, product: Array) -> None:
    """Fill out[place] (d, d) for every place, as in `plain`; the matrices of `out` are contiguous, wherever they lie."""
    ordered, scratch = np.ascontiguousarray(diagonals[:, order]), np.empty((2, len(order)))
    if out.flags.c_contiguous:
        _COMPLETED(out, np.array(places), ordered, order, both, product, scratch)
        return
    for place in places:
        _COMPLETED(out[place : place + 1], np.zeros(1, np.int64), ordered[place : place + 1], order, both, product, scratch)
