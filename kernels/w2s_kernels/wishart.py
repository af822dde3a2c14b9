"""The Cholesky factor of a Gaussian design, drawn directly at any sample count.

For X of n independent rows N(0, I_d), the R of X = QR with positive diagonal has independent entries: normals above the
diagonal and chi variables of n - i degrees of freedom on it (i = 0, 1, ..., Bartlett 1933). One strict triangle of
normals Z and one vector of uniforms u serve every count,

    R(n) = triu(Z, 1) + diag(sqrt(chi2.ppf(u_i, n - i))),      R(n)'R(n) ~ Wishart_d(n, I) exactly, for each n,

at a cost that does not depend on n. The counts are coupled through Z and u: a law of their own, not the Grams of
growing prefixes of one sample. Element (i, j) depends on (stream, n, i, j) alone: a narrower design is the leading block.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .backend import Array, Backend, require_finite, resolve
from .items import matmul
from .streams import LIMIT, Stream, normals, uniforms

EXPANSION_FROM = 1e5  # below: 2e-13 off at u = 2**-54, df = 1e4; above 1e6 the incomplete gamma loses its tails
_STEP_FROM = 64.0
_SMALL_STEP = 1e-5  # of a standard deviation; a step leaves the cube of it
MAX_COUNT = 2**53
_UNIFORM_ROW = (LIMIT - 1, LIMIT)  # the last row of a stream: no triangle reaches it
_ROWS = 64
_EXPANSION = np.array(  # by power of q, descending, then by k, then even and odd
    [
        [[0.0, 0.0], [0.0, 0.0], [12.0, 3753.0]],
        [[0.0, 0.0], [-6.0, 9.0], [-243.0, 4353.0]],
        [[1.0, 1.0], [-14.0, 256.0], [-923.0, -289517.0]],
        [[-1.0, -7.0], [32.0, -433.0], [1472.0, -289717.0]],
    ]
) / [[3.0, 36.0], [1620.0, 38880.0], [204120.0, -146966400.0]]


def factor(stream: Stream, counts: Sequence[int] | Array, d: int, backend: Backend) -> Array:
    """Upper triangular R with R'R ~ Wishart_d(n, I) for each count n.

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
    """Gram matrices R(n)'R(n) of :func:`factor` for every count, at the price of one product and d^2 operations a count.

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
    order = xp.asarray(_columns(range(d) if columns is None else columns, d))
    if len(order) < d:
        raise ValueError(f"columns must be a permutation of 0 .. {d - 1}, got {len(order)} of them")
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
        _complete(out, places, diagonals, order, both, product, backend)
    return out


def _triangle_gram(T: Array, xp: Any) -> Array:
    """T'T of the first rows of a strict upper triangle, (n, d) to (d, d), symmetric to the bit: a block of rows at a time."""
    n, d = T.shape
    product = xp.zeros((d, d))
    for start in range(0, n, _ROWS):
        rows = xp.ascontiguousarray(T[start : start + _ROWS, start:])
        product[start:, start:] += matmul(rows.T, rows, xp)
    return product


def _complete(
    out: Array, places: list[int], diagonals: Array, order: Array, both: Array, product: Array, backend: Backend
) -> None:
    """Write the Grams of some counts: D_k (T + T')_kl + (T'T)_kl with k the smaller index, D^2 more on the diagonal."""
    if backend.name == "numba":
        from . import wishart_numba

        wishart_numba.complete(out, np.array(places), diagonals[:, order], order, both, product)
        return
    xp = backend.xp
    first, pairs = xp.minimum(order[:, None], order[None, :]), (order[:, None], order[None, :])
    at, beside, shared = xp.arange(len(order)), both[pairs], product[pairs]
    for place in places:
        out[place] = np.take(diagonals[place], first, mode="clip") if xp is np else diagonals[place][first]
        out[place] *= beside
        out[place] += shared
        out[place, at, at] += diagonals[place][order] ** 2


def chi_square(u: ArrayLike, df: ArrayLike) -> NDArray[np.float64]:
    """Quantile of the chi-square law, elementwise, on the host.

    From df = 1e5 on the Cornish-Fisher expansion to order df**-5/2 in z = ndtri(u) (Goldberg and Levine 1946). From df = 64 on
    that expansion and one step of Halley on SciPy's incomplete gamma function, or on its complement (1 - u is exact for
    u > 1/2) in the upper tail; below, and where the step is not small, twice SciPy's inverse, which costs four times as
    much and beyond df = 1e5 loses tails past 4.5 standard deviations (relative error 4e-13 at df = 1e6, 6e-6 at 1e9).
    Measured relative error on 2**-54 <= u <= 1 - 2**-53: below 5e-15 for df >= 1.

    Parameters
    ----------
    u : in (0, 1).
    df : > 0, broadcast against `u`.
    """
    from scipy.special import gammaincinv, ndtri

    u, df = np.asarray(u, dtype=np.float64), np.asarray(df, dtype=np.float64)
    if np.all(df >= EXPANSION_FROM):
        return _cornish_fisher(ndtri(u), df)
    out = _cornish_fisher(ndtri(u), np.maximum(df, _STEP_FROM))
    u, df = np.broadcast_to(u, out.shape), np.broadcast_to(df, out.shape)
    left = np.array(df < EXPANSION_FROM)
    steps = left & (df >= _STEP_FROM)
    out[steps], good = _halley(out[steps], u[steps], df[steps])
    left[steps] = ~good
    out[left] = 2.0 * gammaincinv(0.5 * df[left], u[left])
    return out


def _halley(
    start: NDArray[np.float64], u: NDArray[np.float64], df: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """One step towards the quantile, and where it was so small that nothing is left to gain."""
    from scipy.special import gammainc, gammaincc, gammaln

    a, x = 0.5 * df, np.maximum(0.5 * start, 1.0)
    upper, excess = u > 0.5, np.empty(len(u))
    excess[~upper] = gammainc(a[~upper], x[~upper]) - u[~upper]
    excess[upper] = (1.0 - u[upper]) - gammaincc(a[upper], x[upper])
    newton = excess * np.exp(gammaln(a) + x - (a - 1.0) * np.log(x))
    step = newton / (1.0 - 0.5 * newton * ((a - 1.0) / x - 1.0))
    return 2.0 * (x - step), np.abs(step) <= _SMALL_STEP * np.sqrt(a)


def with_covariance(R: Array, A: Array) -> Array:
    """Factor of the design X A: the product R A, (..., d, p), for a map A (..., d, p) with A'A = covariance.

    Upper triangular when A is; for any other map pass the result through `triangularise`.
    """
    xp = resolve(None, R, A).xp
    return matmul(xp.ascontiguousarray(R), xp.ascontiguousarray(A), xp)


def combine(R1: Array, R2: Array) -> Array:
    """Factor of the sum of two Grams, R'R = R1'R1 + R2'R2: the design made of the rows of both, (..., d, d).

    This is how the ceiling's labelled + transfer design is made. Stacked QR, so the condition is not squared; 10/3 d^3
    flops an item; positive diagonal; exact zero rows where both together have fewer than d rows.
    """
    xp = resolve(None, R1, R2).xp
    if R1.shape != R2.shape:
        raise ValueError(f"the two factors must have one shape, got {R1.shape} and {R2.shape}")
    return triangularise(xp.concatenate([R1, R2], axis=-2))


def retriangularise(R: Array, columns: Sequence[int] | Array) -> Array:
    """Factor of the design X[:, columns], (..., w, w), from the factor R (..., d, d) of X.

    Columns 0 ... p - 1 that stay at the front keep their rows of R as they are (for a leading block: a slice), the
    others go through one QR. Positive diagonal where the rank allows.

    Raises
    ------
    ValueError : R is not upper triangular, or columns are empty, repeated or out of range.
    """
    xp = resolve(None, R).xp
    chosen = _columns(columns, R.shape[-1])
    if bool(xp.any(xp.tril(R, -1) != 0)):
        raise ValueError("R must be upper triangular")
    width, kept = len(chosen), sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], enumerate(chosen)))
    out = xp.zeros((*R.shape[:-2], width, width))
    at = xp.asarray(chosen)
    out[..., :kept, :] = _positive(R[..., :kept, :][..., at], xp)
    if kept < width:
        out[..., kept:, kept:] = triangularise(R[..., kept : max(chosen) + 1, :][..., at[kept:]])
    return out


def triangularise(rows: Array) -> Array:
    """Upper triangular R (..., d, d), diagonal >= 0, with R'R = rows'rows, for rows (..., m, d): one QR an item.

    Zero rows go last first: Householder steps then leave them zero, and R has no more nonzero rows than `rows` has.
    """
    xp = resolve(None, rows).xp
    require_finite(rows, "rows", xp)
    empty = xp.all(rows == 0, axis=-1)
    order = xp.argsort(empty, axis=-1, kind="stable")
    rows = xp.ascontiguousarray(xp.take_along_axis(rows, order[..., None], axis=-2))
    m, d = rows.shape[-2:]
    out = xp.zeros((*rows.shape[:-2], d, d))
    out[..., : min(m, d), :] = _positive(_qr(rows, xp), xp)
    return out


def _fill_strict_triangle(Z: Array, stream: Stream, backend: Backend) -> None:
    """Write normals above the diagonal of zeros (d, d); rows are made in blocks to skip most of the lower half."""
    d = Z.shape[-1]
    for start in range(0, d, _ROWS):
        stop = min(start + _ROWS, d)
        Z[start:stop, start:] = backend.xp.triu(normals(stream, (start, stop), (start, d), backend), 1)


def _diagonals(stream: Stream, counts: list[int], d: int, backend: Backend) -> NDArray[np.float64]:
    """Chi quantiles (len(counts), d) on the host; where no degrees of freedom are left, 0."""
    u = backend.to_numpy(uniforms(stream, _UNIFORM_ROW, d, backend))[0]
    df = np.array(counts, dtype=np.float64)[:, None] - np.arange(d)
    return np.where(df > 0, np.sqrt(chi_square(u, np.maximum(df, 1.0))), 0.0)


def _cornish_fisher(z: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum n (1 + sum_k e^k P_2k(q) + h z (1 + sum_k e^k P_2k+1(q))), k = 1, 2, 3, with q = z^2, e = h^2 = 2/n.

    The six polynomials go together, for few calls on small arrays; only + - * / and sqrt, so no bit depends on the processor.
    """
    q, e = z * z, 2.0 / n
    c = _EXPANSION.reshape(4, 3, 2, *(1,) * max(z.ndim, n.ndim))
    p = ((c[0] * q + c[1]) * q + c[2]) * q + c[3]
    even, odd = ((p[2] * e + p[1]) * e + p[0]) * e + 1.0
    return np.asarray(n * (even + np.sqrt(e) * z * odd))


def _positive(R: Array, xp: Any) -> Array:
    """Flip the rows whose diagonal entry is negative; adding zero turns -0 into 0."""
    size = R.shape[-2]
    diagonal = R[..., xp.arange(size), xp.arange(size)]
    return R * xp.where(diagonal < 0, -1.0, 1.0)[..., None] + 0.0


def _qr(rows: Array, xp: Any) -> Array:
    """Triangle of the QR of each item, (..., min(m, d), d); NumPy's stacked call goes item by item, CuPy's may not."""
    if xp is np:
        return np.linalg.qr(rows, mode="r")
    flat = rows.reshape(-1, *rows.shape[-2:])
    parts = xp.stack([xp.linalg.qr(item, mode="r") for item in flat])
    return parts.reshape(*rows.shape[:-2], *parts.shape[-2:])


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
