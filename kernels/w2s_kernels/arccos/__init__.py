"""Population Grams of random features in closed form: no input is ever drawn.

ReLU features of inputs uniform on the sphere of R^d have E relu(u'x) relu(v'x) = |u||v| g(r)/(2 pi d), r the cosine of u and v
and g(r) = sqrt(1 - r^2) + r (pi - arccos r), the arc-cosine kernel of order one. Linear features have E (u'x)(v'x) = u' Lam v.

With e = pi - arccos r = arccos(-r), g = sin e - e cos e: nothing cancels but the two terms of g, and those only where e is
small, which a series takes over. Towards r = 1 g is flat in the angle, so a cosine with rounding error is as good as an angle.

Source: Y. Cho and L. K. Saul, Kernel Methods for Deep Learning, NeurIPS 2009, section 2.2.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, Backend, require_finite
from ..dispatch import operation

__all__ = ["arccos_gram", "linear_gram"]

GRAM = operation("arccos", "gram", "numba", "cupy")


def arccos_gram(u: Array, v: Array | None = None, *, backend: Backend) -> Array:
    """Compute the Gram E relu(u_i'x) relu(v_j'x) over inputs x uniform on the unit sphere.

    Parameters
    ----------
    u :
        (m, d) bottom weights of any length, d >= 1; a row of zeros is a feature that is zero.
    v :
        (n, d); None means `u` itself: a matrix that is symmetric to the bit, for half the work.
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
    out = GRAM.on(backend)(left, right, *lengths, v is None)
    return _with_diagonal(out, left_length, d, xp) if v is None else out


def linear_gram(u: Array, v: Array | None = None, *, scales: Array, backend: Backend) -> Array:
    """Compute the Gram u_i' Lam v_j, (m, n), of linear features of inputs with covariance Lam = diag(`scales`), (d,), >= 0.

    The result is symmetric to the bit when `v` is None. Cost 2 m n d flops, half of that for one set of rows.
    """
    xp = backend.xp
    root = xp.sqrt(backend.asarray(scales))
    left = xp.ascontiguousarray(backend.asarray(u) * root)
    right = left if v is None else xp.ascontiguousarray(backend.asarray(v) * root)
    return left @ right.T


def _directions(rows: Array, name: str, backend: Backend) -> tuple[Array, Array]:
    """Return rows of length one (zero where a row is zero) and the lengths of the given rows."""
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
