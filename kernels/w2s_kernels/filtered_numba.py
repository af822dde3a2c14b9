# mypy: disable-error-code="untyped-decorator"
"""Compiled loops of `filtered`: parallel over items, sums kept in four lanes."""

from __future__ import annotations

from typing import Any

from numba import njit, prange

_LANES = 4


@njit(cache=True, parallel=True)
def products(out: Any, response: Any, coords: Any, first: Any, second: Any) -> None:
    """Fill out (3, S, T, L) as `filtered_products` says."""
    items, filters, rank = response.shape
    for s in prange(items):
        for t in range(coords.shape[1]):
            for k in range(filters):
                _sums(out[:, s, t, k], response[s, k], coords[s, t], first[s, t], second[s, t], rank)


@njit(cache=True)
def _sums(out: Any, r: Any, c: Any, a: Any, b: Any, rank: int) -> None:
    x0 = x1 = x2 = x3 = 0.0
    y0 = y1 = y2 = y3 = 0.0
    z0 = z1 = z2 = z3 = 0.0
    whole = rank - rank % _LANES
    for i in range(0, whole, _LANES):
        p0, p1, p2, p3 = r[i] * c[i], r[i + 1] * c[i + 1], r[i + 2] * c[i + 2], r[i + 3] * c[i + 3]
        f0, f1, f2, f3 = p0 - a[i], p1 - a[i + 1], p2 - a[i + 2], p3 - a[i + 3]
        g0, g1, g2, g3 = b[i] - p0, b[i + 1] - p1, b[i + 2] - p2, b[i + 3] - p3
        x0, x1, x2, x3 = x0 + f0 * f0, x1 + f1 * f1, x2 + f2 * f2, x3 + f3 * f3
        y0, y1, y2, y3 = y0 + g0 * g0, y1 + g1 * g1, y2 + g2 * g2, y3 + g3 * g3
        z0, z1, z2, z3 = z0 + g0 * f0, z1 + g1 * f1, z2 + g2 * f2, z3 + g3 * f3
    for i in range(whole, rank):
        p = r[i] * c[i]
        f, g = p - a[i], b[i] - p
        x0, y0, z0 = x0 + f * f, y0 + g * g, z0 + g * f
    out[0], out[1], out[2] = (x0 + x1) + (x2 + x3), (y0 + y1) + (y2 + y3), (z0 + z1) + (z2 + z3)
