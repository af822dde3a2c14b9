"""The elementwise part of the arc-cosine Gram in array code, a tile of cosines at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..backend import Array, namespace

__all__ = ["SERIES", "SERIES_BELOW", "arc_cosine", "gram", "tiles"]

SERIES = tuple((-1.0) ** n * 2.0 * (n + 1) / math.factorial(2 * n + 3) for n in range(6))
"""sin e - e cos e = e^3 (SERIES[0] + SERIES[1] e^2 + ...)."""

SERIES_BELOW = 0.25
"""Angle below which the series is used: there its rest is below 1e-16 of it, and the closed form loses six bits."""

_TILE = 256, 512  # temporaries stay in cache


def gram(left: Array, right: Array, height: Array, width: Array, mirrored: bool) -> Array:
    """Compute entries g(cosine) height_i width_j, (m, n), of unit rows `left` (m, d) and `right` (n, d).

    With `mirrored`, both are the same rows and the lower triangle is copied from the upper one: symmetric to the bit.
    """
    xp = namespace(left, right)
    out = xp.empty((len(left), len(right)))
    for rows, columns in tiles(out.shape, mirrored=mirrored):
        cosines = left[rows] @ right[columns].T
        out[rows, columns] = arc_cosine(xp.clip(cosines, -1.0, 1.0), xp) * (height[rows][:, None] * width[columns])
        if mirrored:
            out[columns, rows] = out[rows, columns].T.copy()
        if mirrored and columns.start == rows.start:
            # A tile on the diagonal is at least as wide as high.
            out[rows, rows] = xp.triu(out[rows, rows]) + xp.triu(out[rows, rows], 1).T
    return out


def arc_cosine(r: Array, xp: Any) -> Array:
    """Compute g(r) = sqrt(1 - r^2) + r (pi - arccos r) for r in [-1, 1]: 0 at -1, pi at 1, relative error below 5e-14."""
    angle = xp.arccos(-r)
    square = angle * angle
    series = xp.full_like(square, SERIES[-1])
    for coefficient in SERIES[-2::-1]:
        series = coefficient + square * series
    closed = xp.sqrt((1.0 - r) * (1.0 + r)) + r * angle
    return xp.where(angle < SERIES_BELOW, angle * square * series, closed)


def tiles(shape: tuple[int, int], *, mirrored: bool) -> Iterator[tuple[slice, slice]]:
    """Yield row and column ranges that cover the matrix, or its upper triangle."""
    height, width = _TILE
    for top in range(0, shape[0], height):
        bottom = min(top + height, shape[0])
        for first in range(top if mirrored else 0, shape[1], width):
            yield slice(top, bottom), slice(first, min(first + width, shape[1]))
