"""The Cholesky factor of a Gaussian design, drawn directly at any sample count.

For X of n independent rows N(0, I_d), the R of X = QR with positive diagonal has independent entries: normals above the
diagonal and chi variables of n - i degrees of freedom on it (i = 0, 1, ..., Bartlett 1933). One strict triangle of
normals Z and one vector of uniforms u serve every count,

    R(n) = triu(Z, 1) + diag(sqrt(chi2.ppf(u_i, n - i))),      R(n)'R(n) ~ Wishart_d(n, I) exactly, for each n,

at a cost that does not depend on n. The counts are coupled through Z and u: a law of their own, not the Grams of
growing prefixes of one sample. Element (i, j) depends on (stream, n, i, j) alone: a narrower design is the leading block.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import Array, Backend
from ..dispatch import operation
from ..items import matmul
from ..streams import LIMIT, Stream, normals, uniforms
from .quantiles import chi_square

__all__ = ["MAX_COUNT", "chi_square", "factor", "gram"]

COMPLETE = operation("wishart", "complete", "numba", "kept", twin="plain")

MAX_COUNT = 2**53
_UNIFORM_ROW = (LIMIT - 1, LIMIT)  # the last row of a stream: no triangle reaches it
_ROWS = 64


def factor(stream: Stream, counts: Sequence[int] | Array, d: int, backend: Backend) -> Array:
    """Draw upper triangular R with R'R ~ Wishart_d(n, I) for each count n.

    Parameters
    ----------
    stream :
        one role and seed; two designs need two streams.
    counts :
        integers 1 <= n <= 2**53 in any order. For n < d the rows from n on are zero.
    d :
        number of columns, >= 1.
    backend :
        where the result lives. Diagonals are made by SciPy on the host, so all backends give the same bits.

    Returns
    -------
    (len(counts), d, d) float64. Cost d^2/2 normals once, d quantiles and d^2 writes a count.

    Raises
    ------
    ValueError : no counts, a count or a width out of range.
    """
    checked = _counts(counts)
    d, xp = _width(d), backend.xp
    R = xp.zeros((len(checked), d, d))
    _fill_strict_triangle(R[0], stream, backend)
    R[1:] = R[0]
    R[:, xp.arange(d), xp.arange(d)] = xp.asarray(_diagonals(stream, checked, d, backend))
    for item, n in zip(R, checked, strict=True):
        item[n:] = 0.0
    return R


def gram(
    stream: Stream,
    counts: Sequence[int] | Array,
    d: int,
    backend: Backend,
    columns: Sequence[int] | Array | None = None,
    out: Array | None = None,
) -> Array:
    """Draw the Grams R(n)'R(n) of :func:`factor` for every count, at the cost of one product and d^2 operations a count.

    With T the strict triangle and D(n) the diagonal, (T + D)'(T + D) = T'T + T'D + D T + D^2, and T'T serves every count.
    Off the diagonal that adds one product, D_i T_ij with i < j, to (T'T)_ij: the same sum in another order. A Gram does
    not depend on the counts beside it.

    Parameters
    ----------
    stream, counts, d, backend :
        as in :func:`factor`.
    columns :
        the order of the columns, a permutation of 0 .. d - 1; as they are by default.
    out :
        where the result goes, (len(counts), d, d) with plain matrices; new memory by default.

    Returns
    -------
    (len(counts), d, d) float64, symmetric to the bit. Cost d^2/2 normals and d^3/3 once (as much more for each n < d), d
    quantiles and 3 d^2 a count. ValueError as :func:`factor`, and for columns that are no permutation.
    """
    checked, xp, d = _counts(counts), backend.xp, _width(d)
    asked = _columns(range(d) if columns is None else columns, d)
    if len(asked) < d:
        raise ValueError(f"columns must be a permutation of 0 .. {d - 1}, got {len(asked)} of them")
    order = np.array(asked) if xp is np else _sent(tuple(asked), xp)
    T = xp.zeros((d, d))
    _fill_strict_triangle(T, stream, backend)
    diagonals = xp.asarray(_diagonals(stream, checked, d, backend))
    shape = (len(checked), d, d)
    if out is not None and (out.shape != shape or out.dtype != np.float64):
        raise ValueError(f"out must be {shape} float64, got {out.shape} {out.dtype}")
    out = xp.empty(shape) if out is None else out
    both, shared = T + T.T, _triangle_gram(T, xp) if max(checked) >= d else None
    full = [at for at, n in enumerate(checked) if n >= d]
    for places in ([full] if full else []) + [[at] for at, n in enumerate(checked) if n < d]:
        product = shared if checked[places[0]] >= d else _triangle_gram(T[: checked[places[0]]], xp)
        COMPLETE.on(backend)(out, places, diagonals, order, both, product)
    return out


def _triangle_gram(T: Array, xp: Any) -> Array:
    """Compute T'T of the first rows of a strict upper triangle, (n, d) to (d, d), symmetric to the bit.

    Rows are multiplied a block at a time.
    """
    n, d = T.shape
    product = xp.zeros((d, d))
    for start in range(0, n, _ROWS):
        rows = xp.ascontiguousarray(T[start : start + _ROWS, start:])
        product[start:, start:] += matmul(rows.T, rows, xp)
    return product


def _fill_strict_triangle(Z: Array, stream: Stream, backend: Backend) -> None:
    """Write normals above the diagonal of zeros (d, d); rows are drawn in blocks to skip most of the lower half."""
    d = Z.shape[-1]
    for start in range(0, d, _ROWS):
        stop = min(start + _ROWS, d)
        Z[start:stop, start:] = backend.xp.triu(normals(stream, (start, stop), (start, d), backend), 1)


@functools.lru_cache(maxsize=16)
def _sent(order: tuple[int, ...], xp: Any) -> Array:
    """Return the order of the columns as an array of `xp`; a device is sent it once for all seeds."""
    return xp.asarray(np.array(order))


def _diagonals(stream: Stream, counts: list[int], d: int, backend: Backend) -> NDArray[np.float64]:
    """Draw chi quantiles (len(counts), d) on the host; where no degrees of freedom are left, 0."""
    u = backend.to_numpy(uniforms(stream, _UNIFORM_ROW, d, backend))[0]
    df = np.array(counts, dtype=np.float64)[:, None] - np.arange(d)
    return np.where(df > 0, np.sqrt(chi_square(u, np.maximum(df, 1.0))), 0.0)


def _counts(counts: Sequence[int] | Array) -> list[int]:
    checked = [operator.index(n) for n in np.asarray(counts).tolist()]
    if not checked or not all(1 <= n <= MAX_COUNT for n in checked):
        raise ValueError(f"counts must be integers from 1 to 2**53, at least one, got {checked}")
    return checked


def _width(d: int) -> int:
    d = operator.index(d)
    if not 1 <= d < LIMIT - 1:
        raise ValueError(f"d must be at least 1, got {d}")
    return d


def _columns(columns: Sequence[int] | Array, d: int) -> list[int]:
    chosen = [operator.index(c) for c in np.asarray(columns).tolist()]
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0 or max(chosen) >= d:
        raise ValueError(f"columns must be distinct, at least one, each in 0..{d - 1}, got {chosen}")
    return chosen
