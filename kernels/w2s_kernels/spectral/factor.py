"""Factor once: eigendecompositions of second moments, from a Gram matrix or from the rows.

Scales: each matrix is multiplied by a power of two before LAPACK sees it and back after (both exact), so entries from
1e-150 to 1e150 are as good as entries near one, and scaling the input by a power of two scales the result to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Array, Backend, namespace
from ..dispatch import operation
from ..eigh import eigh, repaired
from ..items import EPS, svd, transpose_matmul
from ..products import gemm
from .plain import scaled

__all__ = ["Spectrum", "factor_gram", "factor_rows", "project_rows"]

SYMMETRIC = operation("spectral", "symmetric", "numba", "kept", twin="plain")
GRAM_RANK_FACTOR = 8.0  # a Gram summed over chunks carries a few eps of its own, also when d is 1 or 2


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Hold the eigendecomposition of X'X/n for a batch of items; arrays live in the library that made them.

    Attributes
    ----------
    values : (..., r) eigenvalues, descending, >= 0.
    vectors : (..., d, r) orthonormal columns.
    rank : (...) int64, how many eigenvalues exceed `cutoff`.
    cutoff : (...) rounding level of an eigenvalue; directions at or below it are left out by minimum-norm filters.
    clamped : (...) int64, how many eigenvalues came out negative and were set to zero.
    solver : "gram" (of X'X/n; small eigenvalues are absolutely accurate) or "svd" (of X; relatively accurate).
    repaired : (...) bool, items whose symmetric eigensolver failed its residual check and went through an SVD.
    """

    values: Array
    vectors: Array
    rank: Array
    cutoff: Array
    clamped: Array
    solver: str
    repaired: Array

    def project(self, rhs: Array, backend: Backend | None = None) -> Array:
        """Project right-hand sides X'Y/n (..., d, k) to coordinates V' rhs, (..., r, k). O(d r k) an item.

        With a `backend` those of a single item are multiplied as :func:`w2s_kernels.gemm` does there.
        """
        if backend is not None and self.vectors.ndim == 2:
            return gemm(self.vectors.T, rhs, backend)
        xp = namespace(self.vectors)
        return transpose_matmul(self.vectors, xp.ascontiguousarray(rhs), xp)


def factor_gram(gram: Array, backend: Backend) -> Spectrum:
    """Decompose a second-moment matrix that is already divided by n.

    Parameters
    ----------
    gram :
        (..., d, d) symmetric positive semidefinite, d >= 1.
    backend :
        where to compute; "numba" takes the last step of LAPACK's eigensolver itself, on vectors that "numpy" shares.

    Returns
    -------
    Spectrum with r = d, cutoff 8 d eps s_max. About 9 d^3 flops an item; an item in a batch has the bits it has alone.

    Raises
    ------
    ValueError : wrong shape, non-finite values, or |G - G'| above 1e-10 of the largest entry.
    numpy.linalg.LinAlgError : the residual G V - V S, seen through sign vectors, stays above 64 d eps s_max even after the SVD.
    """
    xp = backend.xp
    G, exponent = SYMMETRIC.on(backend)(_entered(gram, "gram", backend))
    d = G.shape[-1]
    values, vectors = eigh(G, backend)
    values, vectors = xp.ascontiguousarray(values[..., ::-1]), xp.ascontiguousarray(vectors[..., ::-1])
    values, vectors, bad = repaired(G, values, vectors, xp)
    clamped = xp.count_nonzero(values < 0, axis=-1)
    values = xp.maximum(values, 0.0)
    cutoff = GRAM_RANK_FACTOR * d * EPS * values[..., 0]
    return _spectrum(values, vectors, cutoff, clamped, bad, exponent, "gram", xp)


def factor_rows(X: Array, backend: Backend) -> tuple[Spectrum, Array]:
    """Decompose X'X/n from the rows, by a thin SVD: tiny eigenvalues keep the accuracy that a Gram loses.

    Parameters
    ----------
    X :
        (..., n, d), n >= 1, d >= 1; tall or wide.
    backend :
        as in `factor_gram`.

    Returns
    -------
    spectrum : r = min(n, d), cutoff (max(n, d) eps)^2 s_max; eigenvalues below the square of the smallest normal
        number are zero.
    left : (..., n, r) orthonormal columns U with X/sqrt(n) = U sqrt(S) V'.

    Cost O(n d r) an item. ValueError on non-finite values; LinAlgError if LAPACK does not converge.
    """
    xp = backend.xp
    X, exponent = scaled(_entered(X, "X", backend), "X")
    n, d = X.shape[-2:]
    left, sigma, right = svd(X, xp)
    values = sigma * sigma / n
    cutoff = (max(n, d) * EPS) ** 2 * values[..., 0]
    none = xp.zeros(X.shape[:-2], dtype=np.int64)
    vectors = xp.ascontiguousarray(xp.swapaxes(right, -1, -2))
    return _spectrum(values, vectors, cutoff, none, none > 0, 2 * exponent, "svd", xp), xp.ascontiguousarray(left)


def project_rows(spectrum: Spectrum, left: Array, Y: Array) -> Array:
    """Project targets Y (..., n, k): sqrt(S) U'Y/sqrt(n) = V' X'Y/n, (..., r, k); X'Y is never formed."""
    xp = namespace(left)
    weight = xp.sqrt(spectrum.values) / np.sqrt(left.shape[-2])
    return weight[..., None] * transpose_matmul(left, xp.ascontiguousarray(Y), xp)


def _entered(a: Array, name: str, backend: Backend) -> Array:
    a = backend.xp.ascontiguousarray(backend.asarray(a))
    if a.ndim < 2 or 0 in a.shape[-2:]:
        raise ValueError(f"{name} must have shape (..., rows, columns) without empty axes, got {a.shape}")
    return a


def _spectrum(
    values: Array, vectors: Array, cutoff: Array, clamped: Array, bad: Array, exponent: Array, solver: str, xp: Any
) -> Spectrum:
    rank = xp.count_nonzero(values > cutoff[..., None], axis=-1)
    with np.errstate(under="ignore", over="ignore"):  # beyond the range of float64 an eigenvalue is 0 or inf
        values, cutoff = xp.ldexp(values, exponent[..., None]), xp.ldexp(cutoff, exponent)
    rank, clamped, bad = xp.asarray(rank), xp.asarray(clamped), xp.asarray(bad)
    return Spectrum(values, vectors, rank, xp.asarray(cutoff), clamped, solver, bad)
