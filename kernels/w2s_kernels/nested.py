"""One Cholesky factor of the largest width serves every smaller one, for one ridge strength.

With R upper triangular, R'R = X'X + n lambda I (or both sides divided by n) and z = R^-T X'y, the leading w features
alone have coefficients R[:w, :w]^-1 z[:w]. All widths are one triangular solve whose right-hand side for width w is z
masked to its first w rows. Rows are taken in panels from the bottom up, and a panel touches only the widths that reach
it, so width w costs w^2 flops a right-hand side, not d^2. Risks use the same panels.

Widths are for least squares and ridge; gradient flow and truncation need the spectrum of each width.
Coefficients are (..., W, d, k), zero from row w on: what `risk` and `joint_risk` call the filter axis. Items of a batch
go one by one: an item has the bits it has alone.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .backend import Array, Backend, namespace
from .cholesky import checked_widths, cholesky_gram, condition, forward, operands, solve_rows, usable
from .risk import risk as dense_risk

__all__ = [
    "cholesky_gram",
    "coefficients",
    "condition",
    "factor_risks",
    "forward",
    "quadratics",
    "residual_power",
    "risks",
    "usable",
]

PANEL = 64  # rows: wide enough for GEMM, narrow enough to waste little below the diagonal


def coefficients(R: Array, z: Array, widths: Sequence[int] | Array, backend: Backend) -> Array:
    """Coefficients R[:w, :w]^-1 z[:w] of every width, padded with zeros.

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
    good = usable(R)
    for index in np.ndindex(*R.shape[:-2]):
        solvable = [w for w in asked if w <= int(good[index])]
        for w, row in zip(asked, rows[index], strict=True):
            row[:, :w] = z[index][:w].T if w <= int(good[index]) else np.nan
        _substitute(R[index], rows[index][: len(solvable)], solvable, xp)
    return xp.swapaxes(rows, -1, -2)


def risks(theta: Array, widths: Sequence[int] | Array, second: Array, cross: Array, power: Array | float) -> Array:
    """`risk.risk(theta, second, cross, power)`, E (y - theta'x)^2, for coefficients that end at their width.

    Parameters
    ----------
    theta :
        (..., W, d, k) from `coefficients`, with the same `widths`.
    second, cross, power :
        as in `risk`; `second` (..., d, d) must be symmetric, only its upper triangle is multiplied.

    Returns
    -------
    (..., W, k). Cost sum_w w^2 k flops an item where `risk` needs 2 W k d^2.
    """
    xp = namespace(theta)
    power = xp.asarray(power, dtype=np.float64)
    inner = xp.sum(_rows(theta, xp) * xp.swapaxes(cross, -1, -2)[..., None, :, :], axis=-1)
    value = (power[..., None, :] if power.ndim else power) - 2.0 * inner + quadratics(theta, widths, second)
    if bool(xp.any(value < 0)):  # only the dense form knows how much of that is rounding
        value = xp.where(value < 0, dense_risk(theta, _per_item(second, theta, xp), cross, power), value)
    return value


def quadratics(theta: Array, widths: Sequence[int] | Array, second: Array) -> Array:
    """Quadratic forms theta' S theta, (..., W, k), of coefficients (..., W, d, k) that end at their width."""
    xp = namespace(theta)
    rows, asked = _rows(theta, xp), _fitting(widths, theta)
    second = _per_item(second, theta, xp)
    value = xp.zeros(rows.shape[:-1])
    with np.errstate(invalid="ignore", over="ignore"):  # a width that has no solution is nan
        for index in np.ndindex(*second.shape[:-2]):
            for first, low, high in _panels(asked):
                active = rows[index][first:].reshape(-1, rows.shape[-1])[:, :high]
                value[index][first:] += _panel_form(active, second[index], low, xp).reshape(-1, rows.shape[-2])
    return value


def factor_risks(theta: Array, widths: Sequence[int] | Array, factor: Array, image: Array | None = None) -> Array:
    """Sum of squares |F theta - g|^2, (..., W, k): excess risks that do not cancel.

    Parameters
    ----------
    theta :
        (..., W, d, k) from `coefficients`, with the same `widths`.
    factor :
        (..., d, d) upper triangular F with F'F = E x x'.
    image :
        (..., d, k) g = F theta*, so that the result is E (theta'x - theta*'x)^2; None means zero.

    Cost sum_w w^2 k flops an item, as `risks`.
    """
    xp = namespace(theta)
    rows, asked = _rows(theta, xp), _fitting(widths, theta)
    factor = _per_item(factor, theta, xp)
    gap = xp.zeros(rows.shape)
    if image is not None:
        gap -= xp.swapaxes(image, -1, -2)[..., None, :, :]
    with np.errstate(invalid="ignore", over="ignore"):
        for index in np.ndindex(*factor.shape[:-2]):
            for first, low, high in _panels(asked):
                active = rows[index][first:].reshape(-1, rows.shape[-1])[:, low:high]
                gap[index][first:].reshape(-1, rows.shape[-1])[:, :high] += active @ factor[index][:high, low:high].T
        return xp.sum(gap * gap, axis=-1)


def residual_power(joint: Array, widths: Sequence[int] | Array, targets: int) -> Array:
    """Residual sum of squares of each width, (..., W, k), not divided by n.

    The factor of [X, y_1 ... y_k] holds it already: the squares of target column j from row w down to its own diagonal,
    sums of positive terms. For the factor of a ridge Gram it is |y - X theta|^2 + n lambda |theta|^2.

    Parameters
    ----------
    joint :
        (..., d + k, d + k) upper triangular.
    widths :
        strictly increasing integers 1 <= w <= d.
    targets :
        k, the number of target columns, which are the last ones.
    """
    xp = namespace(joint)
    d = joint.shape[-1] - operator.index(targets)
    asked = checked_widths(widths, d)
    # Targets before it do not help to explain a target: their rows count, what is below its own diagonal is zero.
    squares = xp.triu(joint)[..., d:] ** 2
    tails = xp.cumsum(squares[..., ::-1, :], axis=-2)[..., ::-1, :]
    return tails[..., xp.asarray(asked), :]


def _substitute(R: Array, rows: Array, widths: list[int], xp: Any) -> None:
    """Back substitution in place: rows (W, k, d) hold masked z and come out as coefficients."""
    for first, low, high in reversed(list(_panels(widths))):
        active = rows[first:].reshape(-1, rows.shape[-1])
        solved = solve_rows(R[low:high, low:high], active[:, low:high], xp, transposed=False)
        active[:, low:high] = solved
        if low:
            active[:, :low] -= solved @ R[:low, low:high].T


def _panels(widths: list[int]) -> Iterator[tuple[int, int, int]]:
    """Row ranges [low, high) that end at widths and have PANEL rows or more, with the first width that reaches them."""
    first, low = 0, 0
    for at, width in enumerate(widths):
        if width - low >= PANEL or at == len(widths) - 1:
            yield first, low, width
            first, low = at + 1, width


def _panel_form(active: Array, S: Array, low: int, xp: Any) -> Array:
    """Terms of v'Sv, for rows v (m, high), with an index in [low, high): twice the block above the diagonal, and it."""
    high = active.shape[-1]
    here = active[:, low:]
    half = 0.5 * (here @ S[low:high, low:high])
    if low:
        half += active[:, :low] @ S[:low, low:high]
    return 2.0 * xp.sum(half * here, axis=-1)


def _rows(theta: Array, xp: Any) -> Array:
    """Coefficients as contiguous rows (..., W, k, d); free for what `coefficients` returns."""
    return xp.ascontiguousarray(xp.swapaxes(theta, -1, -2))


def _per_item(matrix: Array, theta: Array, xp: Any) -> Array:
    """One matrix (d, d) for each item of theta, or one for all."""
    return xp.broadcast_to(matrix, theta.shape[:-3] + (theta.shape[-2],) * 2)


def _fitting(widths: Sequence[int] | Array, theta: Array) -> list[int]:
    checked = checked_widths(widths, theta.shape[-2])
    if theta.ndim < 3 or theta.shape[-3] != len(checked):
        raise ValueError(f"theta must have shape (..., {len(checked)}, d, k) for these widths, got {theta.shape}")
    return checked
