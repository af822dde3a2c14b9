"""Cholesky factors of Grams with a status for each item, and triangular solves.

Everything is upper triangular, R'R = G. A leading block of R is the factor of the leading block of G, so a Gram that is
singular from some order on still serves every narrower width: the status says up to where.
"""

from __future__ import annotations

import importlib
import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .backend import Array, Backend, namespace, require_finite

EPS = float(np.finfo(np.float64).eps)
_BLOCK = 64


def cholesky_gram(gram: Array, ridge: Array | float, backend: Backend) -> tuple[Array, Array]:
    """Upper triangular R with R'R = gram + ridge I, and a status for each item.

    Parameters
    ----------
    gram :
        (..., d, d) symmetric; its upper triangle is read. A joint Gram of [X, y] is welcome when ridge = 0.
    ridge :
        scalar or (...), >= 0, in the units of `gram` (lambda for X'X/n, n lambda for X'X).
    backend :
        "numpy" and "numba" share LAPACK and its bits.

    Returns
    -------
    R : (..., d, d) float64, zero below the diagonal, diagonal > 0.
    info : (...) int64, 0, or the first order j whose leading minor is not positive definite to rounding: the pivot
        R_jj^2 is at or below j eps of the diagonal entry it came from. The first j - 1 rows of R are right, the others
        are nan from the diagonal on; neighbours in the batch are untouched.

    Cost d^3/3 flops an item. ValueError: wrong shape, non-finite values, a negative ridge.
    """
    xp = backend.xp
    R = xp.array(backend.asarray(gram), dtype=np.float64, order="C")
    if R.ndim < 2 or R.shape[-1] != R.shape[-2] or R.shape[-1] == 0:
        raise ValueError(f"gram must have shape (..., d, d) with d >= 1, got {R.shape}")
    require_finite(R, "gram", xp)
    source, strength = backend.asarray(gram), xp.broadcast_to(xp.asarray(ridge, dtype=np.float64), R.shape[:-2])
    if not bool(xp.all(strength >= 0)):
        raise ValueError("ridge must be >= 0")
    at = xp.arange(R.shape[-1])
    R[..., at, at] += strength[..., None]
    info = np.zeros(R.shape[:-2], dtype=np.int64)
    for index in np.ndindex(*R.shape[:-2]):
        info[index] = _factor_in_place(R[index], source[index], strength[index], xp)
    return R, xp.asarray(info)


def forward(R: Array, rhs: Array, backend: Backend) -> Array:
    """Solution z = R^-T rhs, (..., d, k), for right-hand sides X'y (..., d, k) in the units of R'R.

    Cost d^2 k flops an item. A joint factor of [X, y] needs no solve: z is the upper part of its last columns. Rows of
    z from the first unusable pivot on (see `usable`) are nan.
    """
    xp = backend.xp
    R, rhs = operands(R, rhs, "rhs", backend)
    z = xp.full(rhs.shape, np.nan)
    good = usable(R)
    for index in np.ndindex(*R.shape[:-2]):
        w = int(good[index])
        z[index][:w] = solve_rows(R[index][:w, :w], rhs[index][:w].T, xp, transposed=True).T
    return z


def usable(R: Array) -> Array:
    """How many leading columns of R (..., d, d) have nonzero finite pivots, (...) int64: the largest width to ask for."""
    xp = namespace(R)
    pivots = xp.abs(xp.diagonal(R, axis1=-2, axis2=-1))
    return xp.sum(xp.cumprod(((pivots > 0) & (pivots < np.inf)).astype(np.int64), axis=-1), axis=-1)


def condition(R: Array, widths: Sequence[int] | Array) -> Array:
    """Ratio of the largest to the smallest R_ii^2, i < w, (..., W): a lower bound of the condition of each Gram."""
    xp = namespace(R)
    pivots = xp.diagonal(R, axis1=-2, axis2=-1) ** 2
    leading = [pivots[..., :w] for w in checked_widths(widths, R.shape[-1])]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return xp.stack([xp.max(part, axis=-1) / xp.min(part, axis=-1) for part in leading], axis=-1)


def solve_rows(R: Array, rows: Array, xp: Any, transposed: bool) -> Array:
    """Row vectors v (m, d) with R v = row, or R'v = row if transposed, for one factor R (d, d) and `rows` (m, d)."""
    if 0 in rows.shape:
        return rows
    if xp is not np:
        linalg = importlib.import_module("cupyx.scipy.linalg")
        return linalg.solve_triangular(R, rows.T, trans=int(transposed), lower=False).T
    from scipy.linalg.lapack import dtrtrs

    # Row-major R is column-major R', so LAPACK is told "lower" and the opposite transposition, and nothing is copied.
    right = np.array(rows, order="C")
    lower = np.ascontiguousarray(R).T
    return np.asarray(dtrtrs(lower, right.T, lower=1, trans=int(not transposed), overwrite_b=1)[0].T)


def _factor_in_place(A: Array, item: Array, strength: Array, xp: Any) -> int:
    """Cholesky factor over A = item + strength I; returns the first failing order, 0 if there is none."""
    d = A.shape[-1]
    floor = xp.arange(1, d + 1) * (EPS * xp.diagonal(A))
    good = _potrf(A, xp)
    if good < d:
        good = _restart(A, item + strength * xp.eye(d), good, xp)
    small = xp.diagonal(A)[:good] ** 2 <= floor[:good]
    if bool(xp.any(small)):
        good = int(xp.argmax(small))
    if good < d:
        A[good:, good:] = xp.triu(xp.full((d - good, d - good), np.nan))
    return 0 if good == d else good + 1


def _restart(A: Array, original: Array, good: int, xp: Any) -> int:
    """Factor the leading `good` columns anew: what LAPACK leaves behind a failure depends on its blocking."""
    A[:] = 0.0
    lead = original[:good, :good].copy()
    while good and _potrf(lead, xp) < good:
        good -= 1
        lead = original[:good, :good].copy()
    A[:good, :good] = lead
    A[:good, good:] = solve_rows(lead, original[:good, good:].T, xp, transposed=True).T
    return good


def _potrf(A: Array, xp: Any) -> int:
    """Replace a contiguous symmetric A by its upper factor; returns how many leading columns succeeded."""
    if xp is not np:
        return _potrf_device(A, xp)
    from scipy.linalg.lapack import dpotrf

    made, fail = dpotrf(A.T, lower=1, clean=0, overwrite_a=1)
    if not np.may_share_memory(made, A):
        A[:] = made.T
    # LAPACK's own clean-up walks across cache lines: at d = 1024 half as long as the factorisation.
    for low in range(0, A.shape[-1], _BLOCK):
        panel = A[low : low + _BLOCK]
        panel[:, :low] = 0.0
        panel[:, low : low + _BLOCK] = np.triu(panel[:, low : low + _BLOCK])
    return int(fail) - 1 if fail > 0 else int(A.shape[-1])


def _potrf_device(A: Array, xp: Any) -> int:
    size: int = A.shape[-1]
    try:
        with importlib.import_module("cupyx").errstate(linalg="raise"):
            A[:] = xp.linalg.cholesky(A).T
    except np.linalg.LinAlgError:
        return min(_potrf(A.get(), np), size - 1)  # only the host says at which order it failed
    return size


def operands(R: Array, other: Array, name: str, backend: Backend) -> tuple[Array, Array]:
    """Float64 arrays of the backend with shapes (..., d, d) and (..., d, k); ValueError where they do not match."""
    R, other = backend.asarray(R), backend.asarray(other)
    if R.ndim < 2 or R.shape[-1] != R.shape[-2] or R.shape[-1] == 0:
        raise ValueError(f"R must have shape (..., d, d) with d >= 1, got {R.shape}")
    if other.ndim != R.ndim or other.shape[:-1] != R.shape[:-1]:
        raise ValueError(f"{name} must have shape (..., d, k) to match R {R.shape}, got {other.shape}")
    return R, other


def checked_widths(widths: Sequence[int] | Array, d: int) -> list[int]:
    """Widths as a list; ValueError unless strictly increasing integers in 1..d."""
    checked = [operator.index(w) for w in np.asarray(widths).tolist()]
    increasing = all(a < b for a, b in itertools.pairwise(checked))
    if not checked or not increasing or checked[0] < 1 or checked[-1] > d:
        raise ValueError(f"widths must be strictly increasing integers in 1..{d}, got {checked}")
    return checked
