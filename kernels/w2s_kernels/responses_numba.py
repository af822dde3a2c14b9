"""Compiled filter responses: one scalar function, alone or fused with the multiplication by coordinates."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from .backend import Array
from .filters import FLOW, RIDGE, STEPS


@njit(cache=True, error_model="numpy")
def _flow(s: float, kept: bool, time: float) -> float:
    x = time * s
    if time == np.inf:
        return 1.0 / s if kept else 0.0
    if x == 0:
        return time
    done = -math.expm1(-x)
    return done / s if x > 1 else time * (done / x)


@njit(cache=True, error_model="numpy")
def _steps(s: float, count: float, step: float) -> float:
    x = step * s
    if count == 0:
        return 0.0
    if x == 0:
        return count * step
    if x > 2:
        return np.inf
    u = x if x < 1 else 2.0 - x
    lost = -1.0 if u == 1 else math.expm1(count * math.log1p(-u))
    done = -lost if x < 1 or count % 2 == 0 else 2.0 + lost
    return step * (done / x)


@njit(cache=True, error_model="numpy")
def _response(kind: int, value: float, step: float, s: float, kept: bool, index: int) -> float:
    if kind == RIDGE and value != 0:
        return 1.0 / (s + value)
    factor: float = 1.0 / s if kept and (kind == RIDGE or index < value) else 0.0
    if kind == FLOW:
        factor = _flow(s, kept, value)
    elif kind == STEPS:
        factor = _steps(s, value, step)
    return factor


@njit(cache=True, parallel=True, error_model="numpy")
def response(out: Array, values: Array, rank: Array, kind: Array, value: Array, step: Array) -> None:
    """Fill out (B, L, r) with phi(s)/s from eigenvalues (B, r), ranks (B,) and filters (L,)."""
    filters = kind.shape[0]
    for item in prange(values.shape[0] * filters):
        b, f = item // filters, item % filters
        for i in range(values.shape[1]):
            out[b, f, i] = _response(kind[f], value[f], step[f], values[b, i], i < rank[b], i)


@njit(cache=True, parallel=True, error_model="numpy")
def filter_coords(out: Array, values: Array, rank: Array, kind: Array, value: Array, step: Array, coords: Array) -> None:
    """Fill out (B, L, r, k) with phi(s)/s times coordinates (B, r, k); no (B, L, r) array in between."""
    filters = kind.shape[0]
    for item in prange(values.shape[0] * filters):
        b, f = item // filters, item % filters
        for i in range(values.shape[1]):
            factor = _response(kind[f], value[f], step[f], values[b, i], i < rank[b], i)
            for k in range(coords.shape[2]):
                out[b, f, i, k] = factor * coords[b, i, k]
