"""`wishart.gram` by the kept machine code of its compiled loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..backend import Array
from ..loops import Loop

__all__ = ["complete", "complete_by"]

_MATRIX, _VECTOR, _PLACES = "float64[:,::1]", "float64[::1]", "int64[::1]"
_COMPLETED = Loop("wishart", "completed", _VECTOR, "int64", _PLACES, _MATRIX, _PLACES, _MATRIX, _MATRIX, _MATRIX)


def complete(out: Array, places: list[int], diagonals: Array, order: Array, both: Array, product: Array) -> None:
    """Fill out[place] (d, d) for every place, as in `plain`."""
    complete_by(_COMPLETED, out, places, diagonals, order, both, product)


def complete_by(
    completed: Callable[..., Any],
    out: Array,
    places: list[int],
    diagonals: Array,
    order: Array,
    both: Array,
    product: Array,
) -> None:
    """Fill as `complete`, by a loop that is given the memory from the first matrix to the last."""
    d, size = len(order), out.itemsize
    if out.strides[0] < 0 or out.strides[1:] != (d * size, size):
        whole = np.empty(out.shape)
        complete_by(completed, whole, places, diagonals, order, both, product)
        out[places] = whole[places]
        return
    step = out.strides[0] // size
    memory = as_strided(out, ((len(out) - 1) * step + d * d,), (size,))
    ordered = np.ascontiguousarray(diagonals[:, order])
    completed(memory, step, np.array(places), ordered, order, both, product, np.empty((2, d)))
