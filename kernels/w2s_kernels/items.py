"""Linear algebra on stacks of matrices, item by item: an item in a batch has the bits it has alone.

NumPy's stacked `matmul`, `eigh` and `svd` call BLAS or LAPACK once per item, so the law holds as long as every item
has plain strides (others leave BLAS); operands are therefore made contiguous first. Batched GPU routines differ from
the single ones, so on CuPy the loop is written out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .backend import Array

EPS = float(np.finfo(np.float64).eps)
"""Distance from 1 to the next float64."""


def matmul(a: Array, b: Array, xp: Any) -> Array:
    """Multiply (..., m, k) @ (..., k, n) -> (..., m, n), one GEMM per item; leading dimensions broadcast."""
    if xp is np:
        return np.matmul(a, b)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = xp.broadcast_to(a, lead + a.shape[-2:])
    b = xp.broadcast_to(b, lead + b.shape[-2:])
    return _each(lambda i: (xp.matmul(a[i], b[i]),), lead, xp)[0]


def transpose_matmul(a: Array, b: Array, xp: Any) -> Array:
    """Multiply a'b over the last two axes: (..., k, m), (..., k, n) -> (..., m, n); symmetric to the bit when `a is b`."""
    return matmul(xp.swapaxes(a, -1, -2), b, xp)


def eigh(a: Array, xp: Any) -> tuple[Array, Array]:
    """Return eigenvalues (..., d) ascending and vectors (..., d, d); nan for items that do not converge. O(d^3)."""
    if xp is np:
        try:
            values, vectors = np.linalg.eigh(a)
            return values, vectors
        except np.linalg.LinAlgError:
            pass  # one bad item must not change its neighbours: find it by trying them one by one
    values, vectors = _each(lambda i: _eigh_or_nan(a[i], xp), a.shape[:-2], xp)
    return values, vectors


def svd(a: Array, xp: Any) -> tuple[Array, Array, Array]:
    """Return thin U (..., n, r), S (..., r) descending, V' (..., r, d), r = min(n, d). O(n d r); LinAlgError on failure."""
    if xp is np:
        left, values, right = np.linalg.svd(a, full_matrices=False)
    else:
        left, values, right = _each(lambda i: tuple(xp.linalg.svd(a[i], full_matrices=False)), a.shape[:-2], xp)
    return left, values, right


def _eigh_or_nan(a: Array, xp: Any) -> tuple[Array, Array]:
    try:
        values, vectors = xp.linalg.eigh(a)
    except np.linalg.LinAlgError:
        values, vectors = xp.full(a.shape[-1], np.nan), xp.full(a.shape, np.nan)
    return values, vectors


def _each(call: Callable[[tuple[int, ...]], tuple[Array, ...]], lead: tuple[int, ...], xp: Any) -> list[Array]:
    """Stack the outputs of `call(index)` over every index of the leading shape."""
    outputs = [call(index) for index in np.ndindex(*lead)]
    return [xp.stack(parts).reshape(lead + parts[0].shape) for parts in zip(*outputs, strict=True)]
