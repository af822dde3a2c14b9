"""Factor once, apply many filters.

With X'X/n = V S V' and coordinates c = V' X'y/n, every filter is coefficients V (phi(S)/S) c. The factorisation is the
dear part; one more filter or one more right-hand side is one more column of a GEMM.

Scales: each matrix is multiplied by a power of two before LAPACK sees it and back after (both exact), so entries from
1e-150 to 1e150 are as good as entries near one, and scaling the input by a power of two scales the result to the bit.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from . import responses
from .backend import Array, Backend, namespace, require_finite
from .filters import FLOW, RIDGE, TRUNCATION, Filters, concat, flow, ridge, steps, truncation
from .items import eigh, matmul, svd, transpose_matmul
from .repair import EPS, repaired

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

GRAM_RANK_FACTOR = 8.0  # a Gram summed over chunks carries a few eps of its own, also when d is 1 or 2
_EXACT = 1000  # powers of two with such exponents, and their inverses, are normal numbers
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
    G, exponent = _symmetric(_entered(gram, "gram", backend), backend)
    d = G.shape[-1]
    values, vectors = _eigh(G, backend)
    values, vectors = xp.ascontiguousarray(values[..., ::-1]), xp.ascontiguousarray(vectors[..., ::-1])
    values, vectors, bad = repaired(G, values, vectors, xp)
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
    X, exponent = _scaled(_entered(X, "X", backend), "X", xp)
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
    if backend.name != "cupy" or len(filters) == 0:
        return responses.reference(spectrum.values, spectrum.rank, filters, backend.xp)
    from . import responses_cupy

    lead, r = spectrum.values.shape[:-1], spectrum.values.shape[-1]
    out = backend.xp.empty((_size(lead), len(filters), r))
    responses_cupy.response(out, *flat(spectrum, filters, backend))
    return out.reshape(*lead, len(filters), r)


def apply_filters(response: Array, coords: Array) -> Array:
    """Coordinates of the coefficients (..., L, r, k): responses (..., L, r) times coordinates (..., r, k)."""
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged filter is data, not an accident
        return response[..., None] * coords[..., None, :, :]


def filter_coords(spectrum: Spectrum, filters: Filters, coords: Array, backend: Backend) -> Array:
    """`apply_filters(response(spectrum, filters, backend), coords)`, (..., L, r, k), in one pass on "cupy"."""
    if backend.name != "cupy":
        return apply_filters(response(spectrum, filters, backend), coords)
    from . import responses_cupy

    xp, lead, (r, k) = backend.xp, spectrum.values.shape[:-1], coords.shape[-2:]
    starts = xp.ascontiguousarray(backend.asarray(coords)).reshape(_size(lead), r, k)
    out = xp.empty((_size(lead), len(filters), r, k))
    responses_cupy.filter_coords(out, *flat(spectrum, filters, backend), starts)
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
    return a


def _scaled(a: Array, name: str, xp: Any) -> tuple[Array, Array]:
    """Bring the largest entry of each item to [1/2, 1) by an exact power of two; the exponents undo it."""
    largest = xp.maximum(xp.max(a, axis=(-2, -1)), -xp.min(a, axis=(-2, -1)))
    if not bool(xp.all(xp.isfinite(largest))):
        require_finite(a, name, xp)
    exponent = xp.frexp(largest)[1]
    if bool(xp.any(abs(exponent) > _EXACT)):  # the power itself would be out of range
        return xp.ldexp(a, -exponent[..., None, None]), exponent
    return a * xp.ldexp(1.0, -exponent)[..., None, None], exponent


def _spectrum(
    values: Array, vectors: Array, cutoff: Array, clamped: Array, bad: Array, exponent: Array, solver: str, xp: Any
) -> Spectrum:
    rank = xp.count_nonzero(values > cutoff[..., None], axis=-1)
    with np.errstate(under="ignore"):
        values, cutoff = xp.ldexp(values, exponent[..., None]), xp.ldexp(cutoff, exponent)
    rank, clamped, bad = xp.asarray(rank), xp.asarray(clamped), xp.asarray(bad)
    return Spectrum(values, vectors, rank, xp.asarray(cutoff), clamped, solver, bad)


def _symmetric(gram: Array, backend: Backend) -> tuple[Array, Array]:
    """`_scaled` and the mean with its transpose, which is the matrix itself where they are equal."""
    xp, d = backend.xp, gram.shape[-1]
    if gram.shape[-2] != d:
        raise ValueError(f"gram must have shape (..., d, d), got {gram.shape}")
    if backend.name == "numba":
        from . import spectral_numba as compiled

        out, exponent = np.empty_like(gram), np.empty(gram.shape[:-2], dtype=np.int64)
        if compiled.scaled(out.reshape(-1, d, d), exponent.reshape(-1), gram.reshape(-1, d, d)):
            return out, exponent
    G, exponent = _scaled(gram, "gram", xp)
    flipped = xp.swapaxes(G, -1, -2)
    if bool(xp.all(flipped == G)):
        return G, exponent
    if bool(xp.any(xp.abs(G - flipped) > ASYMMETRY)):
        raise ValueError("gram must be symmetric: |G - G'| exceeds 1e-10 of its largest entry")
    return xp.ascontiguousarray(0.5 * (G + flipped)), exponent


def flat(spectrum: Spectrum, filters: Filters, backend: Backend) -> tuple[Array, ...]:
    """Arguments of the compiled kernels, float64 and int64: values (B, r), rank (B,), kind, value and step (L,)."""
    xp = backend.xp
    values = xp.ascontiguousarray(backend.asarray(spectrum.values)).reshape(-1, spectrum.values.shape[-1])
    rank = xp.ascontiguousarray(backend.asarray(spectrum.rank, np.int64)).reshape(-1)
    kind = backend.asarray(filters.kind, np.int64)
    return values, rank, kind, backend.asarray(filters.value), backend.asarray(filters.step)


def _eigh(G: Array, backend: Backend) -> tuple[Array, Array]:
    """Item by item in LAPACK, with a compiled last step, or on the device many at once, each one checked."""
    if backend.name == "numpy":
        return eigh(G, backend.xp)
    return cast("tuple[Array, Array]", importlib.import_module(f".eigh_{backend.name}", __package__).eigh(G))


def _size(lead: tuple[int, ...]) -> int:
    return int(np.prod(lead, dtype=np.int64))
