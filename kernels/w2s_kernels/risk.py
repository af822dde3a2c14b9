"""Squared-error risks as quadratic forms in second moments.

For a linear predictor theta'x and a target y with S = E x x', c = E x y, p = E y^2:

    E (y - theta'x)^2 = p - 2 theta'c + theta' S theta          `risk`
    E (a'x - b'x)^2   = (a - b)' S (a - b)                       `distance`, nothing cancels
    E (v'z)^2         = v' M v = |R v|^2                         `joint_risk`, z = [weak, strong, target, ...]

`risk` loses relative accuracy when the error is far below p; then write the error as one vector v over the joint
features (for instance [theta_weak, -theta_strong]) and use `joint_risk`.

Shapes: coefficients are (*batch, d, k) or, with a filter axis, (*batch, L, d, k); the axis is there when coefficients
have one dimension more than `second` (*batch, d, d). Results keep one value per column: (*batch, [L,] k). All filters
go through one GEMM an item. Results that are negative within rounding become 0; others are returned as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array, namespace
from .items import matmul

_ROUNDING = 8.0 * float(np.finfo(np.float64).eps)


def risk(theta: Array, second: Array, cross: Array, power: Array | float) -> Array:
    """E (y - theta'x)^2 for each column.

    Parameters
    ----------
    theta :
        (*batch, [L,] d, k) coefficients.
    second :
        (*batch, d, d) E x x'.
    cross :
        (*batch, d, k) E x y, shared by the filters.
    power :
        (*batch, k) E y^2, or a scalar.

    Returns
    -------
    (*batch, [L,] k). Cost 2 L k d^2 flops an item.
    """
    xp = namespace(theta)
    power = xp.asarray(power, dtype=np.float64)
    if theta.ndim == second.ndim + 1:
        cross = cross[..., None, :, :]
        power = power[..., None, :] if power.ndim else power
    return _nonnegative(
        power - 2.0 * _dot(theta, cross, xp) + _quadratic(theta, second, xp),
        lambda: abs(power) + 2.0 * _dot(abs(theta), abs(cross), xp) + _quadratic(abs(theta), abs(second), xp),
        second.shape[-1],
        xp,
    )


def distance(theta_a: Array, theta_b: Array, second: Array) -> Array:
    """E (a'x - b'x)^2 = (a - b)' S (a - b), (*batch, [L,] k); either argument may lack the filter axis."""
    if theta_a.ndim < theta_b.ndim:
        theta_a, theta_b = theta_b, theta_a
    if theta_b.ndim == theta_a.ndim - 1:
        theta_b = theta_b[..., None, :, :]
    return joint_risk(theta_a - theta_b, second)


def joint_risk(coef_joint: Array, joint_second: Array | None = None, factor: Array | None = None) -> Array:
    """E (v'z)^2 for a difference of predictors written as one vector v over the joint features z.

    Parameters
    ----------
    coef_joint :
        (*batch, [L,] D, k) difference vectors v.
    joint_second :
        (*batch, D, D) M = E z z'. Give this or `factor`.
    factor :
        (*batch, m, D) R with R'R = M (a Cholesky factor, or rows / sqrt(n)): |R v|^2 is a sum of squares.

    Returns
    -------
    (*batch, [L,] k) in the units of M.

    Raises
    ------
    TypeError : neither or both of `joint_second` and `factor`.
    """
    xp = namespace(coef_joint)
    if (joint_second is None) == (factor is None):
        raise TypeError("give exactly one of joint_second and factor")
    if factor is not None:
        image = _times(coef_joint, xp.swapaxes(factor, -1, -2), xp)
        return xp.sum(image * image, axis=-1)
    M = xp.asarray(joint_second)
    return _nonnegative(_quadratic(coef_joint, M, xp), lambda: _quadratic(abs(coef_joint), abs(M), xp), M.shape[-1], xp)


def _quadratic(v: Array, M: Array, xp: Any) -> Array:
    """Quadratic form v' M v for each column, (*batch, [L,] k)."""
    return xp.sum(_times(v, M, xp) * xp.swapaxes(v, -1, -2), axis=-1)


def _dot(a: Array, b: Array, xp: Any) -> Array:
    """Product a'b for each column; the sum runs over the last axis so that an item sums as it does alone."""
    product = xp.ascontiguousarray(xp.swapaxes(a, -1, -2)) * xp.swapaxes(b, -1, -2)
    return xp.sum(xp.ascontiguousarray(product), axis=-1)


def _times(v: Array, M: Array, xp: Any) -> Array:
    """Product v' M as rows, (*batch, [L,] k, m): all filters and columns of an item in one GEMM with M (*batch, d, m)."""
    rows = xp.ascontiguousarray(xp.swapaxes(v, -1, -2))
    lead = v.shape[: M.ndim - 2]
    flat = rows.reshape(*lead, -1, rows.shape[-1])
    with np.errstate(invalid="ignore", over="ignore"):
        return matmul(flat, M, xp).reshape(*rows.shape[:-1], M.shape[-1])


def _nonnegative(value: Array, magnitude: Any, d: int, xp: Any) -> Array:
    """Set to 0 what is negative by no more than rounding; the magnitude is computed only if something is negative."""
    negative = value < 0
    if not bool(xp.any(negative)):
        return value
    return xp.where(negative & (-value <= _ROUNDING * d * magnitude()), 0.0, value)
