"""Factor once, apply many filters.

With X'X/n = V S V' and coordinates c = V' X'y/n, every filter is coefficients V (phi(S)/S) c. The factorisation is the
dear part; one more filter or one more right-hand side is one more column of a GEMM.

Scales: each matrix is multiplied by a power of two before LAPACK sees it and back after (both exact), so entries from
1e-150 to 1e150 are as good as entries near one, and scaling the input by a power of two scales the result to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import responses
from .backend import Array, Backend, namespace, require_finite
from .filters import FLOW, RIDGE, TRUNCATION, Filters, concat, flow, ridge, steps, truncation
from .items import eigh, matmul, svd, transpose_matmul

__all__ = [
    "Filters",
    "Spectrum",
    "apply_filters",
    "coefficients",
    "concat",
    "condition",
    "factor_gram",
    "factor_rows",
    "filter_coords",
    "flow",
    "project_rows",
    "response",
    "ridge",
    "steps",
    "truncation",
]

EPS = float(np.finfo(np.float64).eps)
GRAM_RANK_FACTOR = 8.0  # a Gram summed over chunks carries a few eps of its own, also when d is 1 or 2
RESIDUAL_FACTOR = 64.0
ASYMMETRY = 1e-10


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigendecomposition of X'X/n for a batch of items; arrays live in the library that made them.

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

    def project(self, rhs: Array) -> Array:
        """Coordinates V' rhs, (..., r, k), of right-hand sides X'Y/n (..., d, k). O(d r k) an item."""
        xp = namespace(self.vectors)
        return transpose_matmul(self.vectors, xp.ascontiguousarray(rhs), xp)


def factor_gram(gram: Array, backend: Backend) -> Spectrum:
    """Spectrum of a second-moment matrix that is already divided by n.

    Parameters
    ----------
    gram :
        (..., d, d) symmetric positive semidefinite, d >= 1.
    backend :
        where to compute; "numpy" and "numba" share LAPACK and its bits.

    Returns
    -------
    Spectrum with r = d, cutoff 8 d eps s_max. About 9 d^3 flops an item; an item in a batch has the bits it has alone.

    Raises
    ------
    ValueError : wrong shape, non-finite values, or |G - G'| above 1e-10 of the largest entry.
    numpy.linalg.LinAlgError : the residual |G V - V S| stays above 64 d eps s_max even after the SVD.
    """
    xp = backend.xp
    G, exponent = _scaled(_entered(gram, "gram", backend), xp)
    d = G.shape[-1]
    if G.shape[-2] != d:
        raise ValueError(f"gram must have shape (..., d, d), got {G.shape}")
    flipped = xp.swapaxes(G, -1, -2)
    if bool(xp.any(xp.abs(G - flipped) > ASYMMETRY)):
        raise ValueError("gram must be symmetric: |G - G'| exceeds 1e-10 of its largest entry")
    G = xp.ascontiguousarray(0.5 * (G + flipped))
    values, vectors = eigh(G, xp)
    values, vectors = xp.ascontiguousarray(values[..., ::-1]), xp.ascontiguousarray(vectors[..., ::-1])
    values, vectors, bad = _repaired(G, values, vectors, xp)
    clamped = xp.count_nonzero(values < 0, axis=-1)
    values = xp.maximum(values, 0.0)
    cutoff = GRAM_RANK_FACTOR * d * EPS * values[..., 0]
    return _spectrum(values, vectors, cutoff, clamped, bad, exponent, "gram", xp)


def factor_rows(X: Array, backend: Backend) -> tuple[Spectrum, Array]:
    """Spectrum of X'X/n from the rows, by a thin SVD: tiny eigenvalues keep the accuracy that a Gram loses.

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
    X, exponent = _scaled(_entered(X, "X", backend), xp)
    n, d = X.shape[-2:]
    left, sigma, right = svd(X, xp)
    values = sigma * sigma / n
    cutoff = (max(n, d) * EPS) ** 2 * values[..., 0]
    none = xp.zeros(X.shape[:-2], dtype=np.int64)
    vectors = xp.ascontiguousarray(xp.swapaxes(right, -1, -2))
    return _spectrum(values, vectors, cutoff, none, none > 0, 2 * exponent, "svd", xp), xp.ascontiguousarray(left)


def project_rows(spectrum: Spectrum, left: Array, Y: Array) -> Array:
    """Coordinates sqrt(S) U'Y/sqrt(n) = V' X'Y/n, (..., r, k), from targets Y (..., n, k); X'Y is never formed."""
    xp = namespace(left)
    weight = xp.sqrt(spectrum.values) / np.sqrt(left.shape[-2])
    return weight[..., None] * transpose_matmul(left, xp.ascontiguousarray(Y), xp)


def response(spectrum: Spectrum, filters: Filters, backend: Backend) -> Array:
    """phi(s)/s for every filter and eigenvalue.

    ridge 1/(s + lambda) · flow (1 - exp(-t s))/s · steps (1 - (1 - eta s)^k)/s · truncation 1/s on the leading k. Their
    limits at s = 0 are 1/lambda, t, k eta, 0. For lambda = 0 and t = inf, directions at or below the cutoff get 0.
    Steps with eta s > 2 diverge and give inf.

    Returns
    -------
    (..., L, r) float64.
    """
    if backend.name != "numba" or len(filters) == 0:
        empty = backend.xp.empty((*spectrum.values.shape[:-1], 0, spectrum.values.shape[-1]))
        return responses.reference(spectrum.values, spectrum.rank, filters, backend.xp) if len(filters) else empty
    from . import responses_numba

    lead, r = spectrum.values.shape[:-1], spectrum.values.shape[-1]
    out = np.empty((_size(lead), len(filters), r))
    responses_numba.response(out, *_flat(spectrum, filters))
    return out.reshape(*lead, len(filters), r)


def apply_filters(response: Array, coords: Array) -> Array:
    """Coordinates of the coefficients (..., L, r, k): responses (..., L, r) times coordinates (..., r, k)."""
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged filter is data, not an accident
        return response[..., None] * coords[..., None, :, :]


def filter_coords(spectrum: Spectrum, filters: Filters, coords: Array, backend: Backend) -> Array:
    """`apply_filters(response(spectrum, filters, backend), coords)`, (..., L, r, k), in one pass on "numba"."""
    if backend.name != "numba":
        return apply_filters(response(spectrum, filters, backend), coords)
    from . import responses_numba

    lead, (r, k) = spectrum.values.shape[:-1], coords.shape[-2:]
    flat = np.ascontiguousarray(coords, dtype=np.float64).reshape(_size(lead), r, k)
    out = np.empty((_size(lead), len(filters), r, k))
    responses_numba.filter_coords(out, *_flat(spectrum, filters), flat)
    return out.reshape(*lead, len(filters), r, k)


def coefficients(spectrum: Spectrum, response: Array, coords: Array) -> Array:
    """Coefficients V (phi(S)/S) c, (..., L, d, k), from `response` (..., L, r) and coordinates (..., r, k): one GEMM."""
    xp = namespace(response)
    filtered = xp.moveaxis(apply_filters(response, coords), -3, -2)  # (..., r, L, k)
    *lead, r, L, k = filtered.shape
    with np.errstate(invalid="ignore", over="ignore"):
        product = matmul(spectrum.vectors, xp.ascontiguousarray(filtered).reshape(*lead, r, L * k), xp)
    return xp.ascontiguousarray(xp.moveaxis(product.reshape(*lead, spectrum.vectors.shape[-2], L, k), -2, -3))


def condition(spectrum: Spectrum, filters: Filters) -> Array:
    """Condition number of the system actually solved, (..., L).

    (s_max + lambda)/(s_min + lambda), where lambda is 1/t for flow and 1/(k eta) for steps, and s_min is the smallest
    eigenvalue that takes part: the last one kept for lambda = 0, t = inf and truncation, the last of all otherwise. The
    square root of it for "svd", where the rows were factored and not their square. 1 where nothing takes part.
    """
    xp = namespace(spectrum.values)
    s, r = spectrum.values, spectrum.values.shape[-1]
    strength = xp.asarray(filters.equivalent_ridge())
    truncated = filters.kind == TRUNCATION
    ridgeless = ((filters.kind == RIDGE) & (filters.value == 0)) | ((filters.kind == FLOW) & np.isinf(filters.value))
    asked = xp.asarray(np.where(truncated, np.minimum(filters.value, r), r).astype(np.int64))
    limited = xp.asarray(truncated | ridgeless)
    kept = xp.where(limited, xp.minimum(asked, spectrum.rank[..., None]), r)  # (..., L)
    smallest = xp.take_along_axis(s, xp.maximum(kept - 1, 0), axis=-1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = (s[..., :1] + strength) / (smallest + strength)
    ratio = xp.where((kept == 0) | xp.isinf(strength), 1.0, ratio)
    return xp.sqrt(ratio) if spectrum.solver == "svd" else ratio


def _entered(a: Array, name: str, backend: Backend) -> Array:
    a = backend.xp.ascontiguousarray(backend.asarray(a))
    if a.ndim < 2 or 0 in a.shape[-2:]:
        raise ValueError(f"{name} must have shape (..., rows, columns) without empty axes, got {a.shape}")
    require_finite(a, name, backend.xp)
    return a


def _scaled(a: Array, xp: Any) -> tuple[Array, Array]:
    """Bring the largest entry of each item to [1/2, 1) by an exact power of two; the exponents undo it."""
    exponent = xp.frexp(xp.max(xp.abs(a), axis=(-2, -1)))[1]
    return xp.ldexp(a, -exponent[..., None, None]), exponent


def _spectrum(
    values: Array, vectors: Array, cutoff: Array, clamped: Array, bad: Array, exponent: Array, solver: str, xp: Any
) -> Spectrum:
    rank = xp.count_nonzero(values > cutoff[..., None], axis=-1)
    with np.errstate(under="ignore"):
        values, cutoff = xp.ldexp(values, exponent[..., None]), xp.ldexp(cutoff, exponent)
    rank, clamped, bad = xp.asarray(rank), xp.asarray(clamped), xp.asarray(bad)
    return Spectrum(values, vectors, rank, xp.asarray(cutoff), clamped, solver, bad)


def _is_bad(G: Array, values: Array, vectors: Array, xp: Any) -> Array:
    """Residual check, (...): true where max |G V - V S| is above 64 d eps s_max, or not a number."""
    residual = xp.max(xp.abs(matmul(G, vectors, xp) - vectors * values[..., None, :]), axis=(-2, -1))
    return ~(residual <= RESIDUAL_FACTOR * G.shape[-1] * EPS * xp.max(xp.abs(values), axis=-1))


def _repaired(G: Array, values: Array, vectors: Array, xp: Any) -> tuple[Array, Array, Array]:
    """Replace the items that fail the residual check by their SVD, whose left vectors are the eigenvectors."""
    bad = xp.asarray(_is_bad(G, values, vectors, xp))
    if not bool(xp.any(bad)):
        return values, vectors, bad
    left, sigma, right = svd(G, xp)
    sign = xp.where(xp.sum(xp.swapaxes(left, -1, -2) * right, axis=-1) < 0, -1.0, 1.0)
    values = xp.where(bad[..., None], sign * sigma, values)
    vectors = xp.ascontiguousarray(xp.where(bad[..., None, None], left, vectors))
    if bool(xp.any(_is_bad(G, values, vectors, xp))):
        raise np.linalg.LinAlgError("neither the symmetric eigensolver nor the SVD reached a small residual")
    return values, vectors, bad


def _flat(spectrum: Spectrum, filters: Filters) -> tuple[Array, ...]:
    """Arguments of the compiled kernels: one batch axis, plain float64 and int64."""
    values = np.ascontiguousarray(spectrum.values).reshape(-1, spectrum.values.shape[-1])
    rank = np.ascontiguousarray(spectrum.rank, dtype=np.int64).reshape(-1)
    return values, rank, filters.kind, filters.value, filters.step


def _size(lead: tuple[int, ...]) -> int:
    return int(np.prod(lead, dtype=np.int64))
