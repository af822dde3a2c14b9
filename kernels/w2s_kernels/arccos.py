"""Population Grams of random features in closed form: no input is ever drawn.

ReLU features of inputs uniform on the sphere of R^d have E relu(u'x) relu(v'x) = |u||v| g(r)/(2 pi d), r the cosine of u and v
and g(r) = sqrt(1 - r^2) + r (pi - arccos r), the arc-cosine kernel of order one. Linear features have E (u'x)(v'x) = u' Lam v.

With e = pi - arccos r = arccos(-r), g = sin e - e cos e: nothing cancels but the two terms of g, and those only where e is
small, which a series takes over. Towards r = 1 g is flat in the angle, so a cosine with rounding error is as good as an angle.

Source: Y. Cho and L. K. Saul, Kernel Methods for Deep Learning, NeurIPS 2009, section 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .backend import Array, Backend, require_finite

__all__ = ["SERIES", "SERIES_BELOW", "arc_cosine", "arccos_gram", "linear_gram"]

SERIES = tuple((-1.0) ** n * 2.0 * (n + 1) / math.factorial(2 * n + 3) for n in range(6))
"""sin e - e cos e = e^3 (SERIES[0] + SERIES[1] e^2 + ...)."""

SERIES_BELOW = 0.25
"""Angle below which the series is used: there its rest is below 1e-16 of it, and the closed form loses six bits."""

_TILE = 256, 512  # temporaries stay in cache


def arccos_gram(u: Array, v: Array | None = None, *, backend: Backend) -> Array:
    """Gram E relu(u_i'x) relu(v_j'x) over inputs x uniform on the unit sphere.

    Parameters
    ----------
    u :
        (m, d) bottom weights of any length, d >= 1; a row of zeros is a feature that is zero.
    v :
        (n, d); None stands for `u`, gives a matrix that is symmetric to the bit, and half the work.
    backend :
        "numba" replaces the elementwise part by one compiled pass, "cupy" by one kernel, in place.

    Returns
    -------
    (m, n) float64, >= 0, with |u|^2/(2d) on the diagonal of a Gram with itself. Error of an entry: about d eps |u||v|/(2d).
    No temporary of that size is made. Cost 2 m n d flops for the cosines and about 30 m n for g.

    Raises
    ------
    ValueError : wrong shapes, or non-finite weights.
    """
    xp = backend.xp
    left, left_length = _directions(u, "u", backend)
    right, right_length = (left, left_length) if v is None else _directions(v, "v", backend)
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"u and v must have the same number of columns, got {left.shape} and {right.shape}")
    d = left.shape[1]
    lengths = left_length / (2.0 * math.pi * d), right_length
    if backend.name == "cupy":
        from . import arccos_cupy

        out = xp.ascontiguousarray(left @ right.T)
        arccos_cupy.fill(out, *lengths, mirrored=v is None)
        return _with_diagonal(out, left_length, d, xp) if v is None else out
    out = xp.empty((len(left), len(right)))
    for rows, columns in _tiles(out.shape, mirrored=v is None):
        cosines = left[rows] @ right[columns].T
        _fill(out, cosines, rows, columns, lengths, backend, mirrored=v is None)
    return _with_diagonal(out, left_length, d, xp) if v is None else out


def linear_gram(u: Array, v: Array | None = None, *, scales: Array, backend: Backend) -> Array:
    """Gram u_i' Lam v_j, (m, n), of linear features for inputs with covariance Lam = diag(`scales`), (d,) and >= 0.

    Symmetric to the bit when `v` is None. Cost 2 m n d flops, half of that for one set of rows.
    """
    xp = backend.xp
    root = xp.sqrt(backend.asarray(scales))
    left = xp.ascontiguousarray(backend.asarray(u) * root)
    right = left if v is None else xp.ascontiguousarray(backend.asarray(v) * root)
    return left @ right.T


def arc_cosine(r: Array, xp: Any) -> Array:
    """g(r) = sqrt(1 - r^2) + r (pi - arccos r) for r in [-1, 1]: from 0 at -1 to pi at 1, relative error below 5e-14."""
    angle = xp.arccos(-r)
    square = angle * angle
    series = xp.full_like(square, SERIES[-1])
    for coefficient in SERIES[-2::-1]:
        series = coefficient + square * series
    closed = xp.sqrt((1.0 - r) * (1.0 + r)) + r * angle
    return xp.where(angle < SERIES_BELOW, angle * square * series, closed)


def _directions(rows: Array, name: str, backend: Backend) -> tuple[Array, Array]:
    """Unit rows (zero where a row is zero) and their lengths."""
    xp = backend.xp
    rows = backend.asarray(rows)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"{name} must have shape (rows, d) with d >= 1, got {rows.shape}")
    require_finite(rows, name, xp)
    length = xp.sqrt(xp.sum(rows * rows, axis=1))
    return xp.ascontiguousarray(rows / xp.where(length > 0, length, 1.0)[:, None]), length


def _with_diagonal(out: Array, length: Array, d: int, xp: Any) -> Array:
    at = xp.arange(len(out))
    out[at, at] = length * length / (2.0 * d)
    return out


def _tiles(shape: tuple[int, int], *, mirrored: bool) -> Iterator[tuple[slice, slice]]:
    """Row and column ranges that cover the matrix, or its upper triangle."""
    height, width = _TILE
    for top in range(0, shape[0], height):
        bottom = min(top + height, shape[0])
        for first in range(top if mirrored else 0, shape[1], width):
            yield slice(top, bottom), slice(first, min(first + width, shape[1]))


def _fill(
    out: Array,
    cosines: Array,
    rows: slice,
    columns: slice,
    lengths: tuple[Array, Array],
    backend: Backend,
    *,
    mirrored: bool,
) -> None:
    """Write one tile, and its mirror image; a tile on the diagonal is at least as wide as high, and its upper part decides."""
    height, width = lengths[0][rows], lengths[1][columns]
    if backend.name == "numba":
        from . import arccos_numba

        arccos_numba.fill(out, cosines, rows.start, columns.start, height, width)
        if mirrored:
            arccos_numba.mirror(out, rows.start, columns.start, *cosines.shape)
        return
    xp = backend.xp
    out[rows, columns] = arc_cosine(xp.clip(cosines, -1.0, 1.0), xp) * (height[:, None] * width)
    if mirrored:
        out[columns, rows] = out[rows, columns].T.copy()
    if mirrored and columns.start == rows.start:
        out[rows, rows] = xp.triu(out[rows, rows]) + xp.triu(out[rows, rows], 1).T
