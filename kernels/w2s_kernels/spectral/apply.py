"""Apply many filters: responses, filtered coordinates, coefficients, errors, in the coordinates of one factorisation.

With an orthonormal eigenbasis V, coordinates c = V'X'y/n of the coefficients and a goal vector g in the same coordinates,
the squared distance |V diag(r) c - V g|^2 is sum_i (r_i c_i - g_i)^2: one pass over r numbers per filter, and no coefficient
vector is formed. The sums are of differences, so a small distance keeps its digits.
"""

from __future__ import annotations

import numpy as np

from ..backend import Array, Backend, namespace
from ..dispatch import operation
from ..items import matmul
from .factor import Spectrum
from .filters import FLOW, RIDGE, Filters, parameters
from .plain import apply_filters

__all__ = ["apply_filters", "coefficients", "condition", "filter_coords", "filter_products", "filtered_products", "response"]

RESPONSE = operation("spectral", "response", "cupy")
FILTER_COORDS = operation("spectral", "filter_coords", "cupy")
PRODUCTS = operation("spectral", "products", "numba", "cupy", "kept", twin="lanes")
FILTER_PRODUCTS = operation("spectral", "filter_products", "cupy")


def response(spectrum: Spectrum, filters: Filters, backend: Backend) -> Array:
    """Compute phi(s)/s for every filter and eigenvalue.

    ridge 1/(s + lambda) · flow (1 - exp(-t s))/s · steps (1 - (1 - eta s)^k)/s. Their limits at
    s = 0 are 1/lambda, t, k eta. For lambda = 0 and t = inf, directions at or below the cutoff get 0.
    Steps with eta s > 2 diverge and give inf.

    Returns
    -------
    (..., L, r) float64.
    """
    lead, r = spectrum.values.shape[:-1], spectrum.values.shape[-1]
    out = backend.xp.empty((_size(lead), len(filters), r))
    RESPONSE.on(backend)(out, *_flat(spectrum, backend), filters)
    return out.reshape(*lead, len(filters), r)


def filter_coords(spectrum: Spectrum, filters: Filters, coords: Array, backend: Backend) -> Array:
    """Multiply coordinates (..., r, k) by phi(s)/s of every filter: (..., L, r, k), in one pass on "cupy"."""
    xp, lead, (r, k) = backend.xp, spectrum.values.shape[:-1], coords.shape[-2:]
    starts = xp.ascontiguousarray(backend.asarray(coords)).reshape(_size(lead), r, k)
    out = xp.empty((_size(lead), len(filters), r, k))
    FILTER_COORDS.on(backend)(out, *_flat(spectrum, backend), filters, starts)
    return out.reshape(*lead, len(filters), r, k)


def coefficients(spectrum: Spectrum, response: Array, coords: Array) -> Array:
    """Form coefficients V (phi(S)/S) c, (..., L, d, k), from `response` (..., L, r) and coordinates (..., r, k): one GEMM."""
    xp = namespace(response)
    filtered = xp.moveaxis(apply_filters(response, coords), -3, -2)  # (..., r, L, k)
    *lead, r, L, k = filtered.shape
    with np.errstate(invalid="ignore", over="ignore"):
        product = matmul(spectrum.vectors, xp.ascontiguousarray(filtered).reshape(*lead, r, L * k), xp)
    return xp.ascontiguousarray(xp.moveaxis(product.reshape(*lead, spectrum.vectors.shape[-2], L, k), -2, -3))


def filtered_products(response: Array, coords: Array, first: Array, second: Array, backend: Backend) -> Array:
    """Sum (p_i - a_i)^2, (p_i - b_i)^2 and (b_i - p_i)(p_i - a_i) over i, with p = r * c.

    Parameters
    ----------
    response :
        (S, L, r) responses phi(s)/s of L filters for S items.
    coords :
        (S, T, r) coordinates of T right-hand sides.
    first, second :
        (S, T, r) goal vectors a and b, one pair per right-hand side.

    Returns
    -------
    (3, S, T, L) float64. Cost 8 S T L r flops; no temporary of that size on "numba" and "cupy".
    """
    out = backend.xp.empty((3, response.shape[0], coords.shape[1], response.shape[1]))
    PRODUCTS.on(backend)(out, *_arrays(backend, response, coords, first, second))
    return out


def filter_products(
    spectrum: Spectrum, filters: Filters, coords: Array, first: Array, second: Array, backend: Backend
) -> Array:
    """Sum as `filtered_products` for the responses of filters, (3, S, T, L); on "cupy" they are never stored.

    Parameters
    ----------
    spectrum :
        of S items: values (S, r), rank (S,).
    filters :
        L filters.
    coords, first, second, backend :
        as in `filtered_products`.
    """
    items, sides, _ = coords.shape
    out = backend.xp.empty((3, items, sides, len(filters)))
    arrays = (*_flat(spectrum, backend), filters, *_arrays(backend, coords, first, second))
    FILTER_PRODUCTS.on(backend)(out, PRODUCTS.on(backend), *arrays)
    return out


def condition(spectrum: Spectrum, filters: Filters) -> Array:
    """Compute the condition number of the system actually solved, (..., L).

    It is (s_max + lambda)/(s_min + lambda), where lambda is 1/t for flow and 1/(k eta) for steps, and s_min is the smallest
    eigenvalue that takes part: the last one kept for lambda = 0 and t = inf, the last of all otherwise. For "svd" it is the
    square root of that, since the rows were factored and not their square. It is 1 where nothing takes part.
    """
    xp = namespace(spectrum.values)
    s, r = spectrum.values, spectrum.values.shape[-1]
    kind, value, _, strength = parameters(filters, xp)
    limited = ((kind == RIDGE) & (value == 0)) | ((kind == FLOW) & xp.isinf(value))
    kept = xp.where(limited, spectrum.rank[..., None], r)  # (..., L)
    smallest = xp.take_along_axis(s, xp.maximum(kept - 1, 0), axis=-1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = (s[..., :1] + strength) / (smallest + strength)
    ratio = xp.where((kept == 0) | xp.isinf(strength), 1.0, ratio)
    return xp.sqrt(ratio) if spectrum.solver == "svd" else ratio


def _flat(spectrum: Spectrum, backend: Backend) -> tuple[Array, Array]:
    """Return the eigenvalues (B, r) float64 and the ranks (B,) int64 of all items, contiguous."""
    xp = backend.xp
    values = xp.ascontiguousarray(backend.asarray(spectrum.values)).reshape(-1, spectrum.values.shape[-1])
    return values, xp.ascontiguousarray(backend.asarray(spectrum.rank, np.int64)).reshape(-1)


def _arrays(backend: Backend, *arrays: Array) -> list[Array]:
    """Return contiguous float64 arrays in the library of the backend."""
    return [backend.xp.ascontiguousarray(backend.asarray(a)) for a in arrays]


def _size(lead: tuple[int, ...]) -> int:
    return int(np.prod(lead, dtype=np.int64))
