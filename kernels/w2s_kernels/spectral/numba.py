"""Compiled loops: the check and scaling of a Gram while it is in cache, and sums over eigendirections."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from numba import njit, prange

from ..backend import Array
from . import kept
from .lanes import LANES

_BLOCK = 32  # rows and columns whose mirror image is still in cache when it is compared


def symmetric(gram: Array) -> tuple[Array, Array]:
    """Check and scale as in `plain`."""
    return kept.scaled_by(largest, gram)


@njit(cache=True)
def largest(out: Array, G: Array) -> None:
    """Fill out (B,) with the largest |entry| of each item of G (B, d, d), or -1 where it is not its own transpose.

    An item with a nan never is.
    """
    d = G.shape[1]
    for b in range(len(G)):
        found, same = 0.0, True
        for top in range(0, d, _BLOCK):
            for left in range(0, top + 1, _BLOCK):
                for i in range(top, min(top + _BLOCK, d)):
                    for j in range(left, min(left + _BLOCK, d)):
                        same &= G[b, i, j] == G[b, j, i]
                        found = max(found, abs(G[b, i, j]))
        out[b] = found if same else -1.0


@njit(cache=True, parallel=True)
def products(out: Array, response: Array, coords: Array, first: Array, second: Array) -> None:
    """Fill out (3, S, T, L) as `filtered_products` says, in parallel over items, with sums in four lanes."""
    items, filters, rank = response.shape
    for s in prange(items):
        for t in range(coords.shape[1]):
            for k in range(filters):
                _sums(out[:, s, t, k], response[s, k], coords[s, t], first[s, t], second[s, t], rank)


@njit(cache=True)
def _sums(out: Array, r: Array, c: Array, a: Array, b: Array, rank: int) -> None:
    x0 = x1 = x2 = x3 = 0.0
    y0 = y1 = y2 = y3 = 0.0
    z0 = z1 = z2 = z3 = 0.0
    whole = rank - rank % LANES
    for i in range(0, whole, LANES):
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
