"""One Cholesky factor of the largest width serves every smaller one, for one ridge strength.

With R upper triangular, R'R = X'X + n lambda I (or both sides divided by n) and z = R^-T X'y, the leading w features
alone have coefficients R[:w, :w]^-1 z[:w]. All widths are one triangular solve whose right-hand side for width w is z
masked to its first w rows. Rows are taken in panels from the bottom up, and a panel touches only the widths that reach
it, so width w costs w^2 flops a right-hand side, not d^2. Quadratic forms use the same panels.

Widths are for least squares and ridge; gradient flow needs the spectrum of each width.
Coefficients are (..., W, d, k), zero from row w on: what `joint_risk` calls the filter axis. Items of a batch are computed one
by one: an item has the bits it has alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..backend import Array, Backend, resolve
from ..cholesky import checked_widths, cholesky_gram, condition, forward, operands, usable
from ..dispatch import operation

__all__ = ["cholesky_gram", "coefficients", "condition", "forward", "quadratics", "usable"]

SUBSTITUTE = operation("nested", "substitute")
FORMS = operation("nested", "forms")


def coefficients(R: Array, z: Array, widths: Sequence[int] | Array, backend: Backend) -> Array:
    """Solve for the coefficients R[:w, :w]^-1 z[:w] of every width, padded with zeros.

    Parameters
    ----------
    R :
        (..., d, d) upper triangular; what is below the diagonal is not read.
    z :
        (..., d, k) R^-T X'y, from `forward` or a joint factor.
    widths :
        strictly increasing integers 1 <= w <= d.
    backend :
        as in `cholesky_gram`.

    Returns
    -------
    (..., len(widths), d, k) float64. Widths beyond `usable(R)` are nan in their first w rows. Cost sum_w w^2 k flops.
    """
    xp = backend.xp
    R, z = operands(R, z, "z", backend)
    asked = checked_widths(widths, R.shape[-1])
    rows = xp.zeros((*R.shape[:-2], len(asked), z.shape[-1], R.shape[-1]))
    good, substitute = usable(R), SUBSTITUTE.on(backend)
    for index in np.ndindex(*R.shape[:-2]):
        solvable = [w for w in asked if w <= int(good[index])]
        for w, row in zip(asked, rows[index], strict=True):
            row[:, :w] = z[index][:w].T if w <= int(good[index]) else np.nan
        substitute(R[index], rows[index][: len(solvable)], solvable, backend)
    return xp.swapaxes(rows, -1, -2)


def quadratics(theta: Array, widths: Sequence[int] | Array, second: Array) -> Array:
    """Compute quadratic forms theta' S theta of coefficients that end at their width.

    Parameters
    ----------
    theta :
        (..., W, d, k) from `coefficients`, with the same `widths`.
    second :
        (..., d, d) or (d, d) for all items, symmetric: only its upper triangle is multiplied.

    Returns
    -------
    (..., W, k), nan for a width that has no solution. Cost sum_w w^2 k flops an item where `joint_risk` needs 2 W k d^2.
    """
    backend = resolve(None, theta)
    xp, asked = backend.xp, checked_widths(widths, theta.shape[-2])
    if theta.ndim < 3 or theta.shape[-3] != len(asked):
        raise ValueError(f"theta must have shape (..., {len(asked)}, d, k) for these widths, got {theta.shape}")
    rows = xp.ascontiguousarray(xp.swapaxes(theta, -1, -2))  # free for what `coefficients` returns
    second = xp.broadcast_to(second, theta.shape[:-3] + (theta.shape[-2],) * 2)
    value = xp.zeros(rows.shape[:-1])
    with np.errstate(invalid="ignore", over="ignore"):
        for index in np.ndindex(*second.shape[:-2]):
            FORMS.on(backend)(value[index], rows[index], second[index], asked)
    return value
