"""Errors of all filtered estimators at once, in the coordinates of one factorisation.

With an orthonormal eigenbasis V, coordinates c = V'X'y/n of the coefficients and a goal vector g in the same coordinates,
the squared distance |V diag(r) c - V g|^2 is sum_i (r_i c_i - g_i)^2: one pass over r numbers per filter, and no coefficient
vector is formed. The sums are of differences, so a small distance keeps its digits.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from .backend import Array, Backend
from .filters import Filters
from .spectral import Spectrum, flat, response

__all__ = ["filter_products", "filtered_products"]

_COMPILED = {"numba": ".filtered_numba", "cupy": ".responses_cupy"}


def filtered_products(response: Array, coords: Array, first: Array, second: Array, backend: Backend) -> Array:
    """Sums over i of (p_i - a_i)^2, (p_i - b_i)^2 and (b_i - p_i)(p_i - a_i), with p = r * c.

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
    if backend.name == "numpy":
        return reference(response, coords, first, second, np)
    out = backend.xp.empty((3, response.shape[0], coords.shape[1], response.shape[1]))
    compiled = importlib.import_module(_COMPILED[backend.name], __package__)
    compiled.products(out, *_arrays(backend, response, coords, first, second))
    return out


def filter_products(
    spectrum: Spectrum, filters: Filters, coords: Array, first: Array, second: Array, backend: Backend
) -> Array:
    """`filtered_products(response(spectrum, filters, backend), ...)`, (3, S, T, L), without the responses on "cupy".

    Parameters
    ----------
    spectrum :
        of S items: values (S, r), rank (S,).
    filters :
        L filters.
    coords, first, second, backend :
        as in `filtered_products`.
    """
    if backend.name != "cupy":
        return filtered_products(response(spectrum, filters, backend), coords, first, second, backend)
    from . import responses_cupy

    items, sides, _ = coords.shape
    out = backend.xp.empty((3, items, sides, len(filters)))
    responses_cupy.filter_products(out, *flat(spectrum, filters, backend), *_arrays(backend, coords, first, second))
    return out


def _arrays(backend: Backend, *arrays: Array) -> list[Array]:
    """Contiguous float64 arrays where the backend computes."""
    return [backend.xp.ascontiguousarray(backend.asarray(a)) for a in arrays]


def reference(response: Array, coords: Array, first: Array, second: Array, xp: Any) -> Array:
    """Plain version, one right-hand side at a time: shapes as in `filtered_products`."""
    out = xp.empty((3, response.shape[0], coords.shape[1], response.shape[1]))
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged filter is data, not an accident
        for t in range(coords.shape[1]):
            fitted = response * coords[:, t, None, :]
            to_first, to_second = fitted - first[:, t, None, :], second[:, t, None, :] - fitted
            out[0, :, t] = xp.sum(to_first * to_first, axis=-1)
            out[1, :, t] = xp.sum(to_second * to_second, axis=-1)
            out[2, :, t] = xp.sum(to_second * to_first, axis=-1)
    return out
