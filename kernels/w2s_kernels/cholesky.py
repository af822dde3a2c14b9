"""Cholesky factors of Grams with a status for each item, and triangular solves.

Everything is upper triangular, R'R = G. A leading block of R is the factor of the leading block of G, so a Gram that is
singular from some order on still serves every narrower width: the status says up to where.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .backend import Array, Backend, namespace, require_finite

EPS = float(np.finfo(np.float64).eps)
_BLOCK = 64
_BELOW = np.tri(_BLOCK, k=-1, dtype=np.bool_)


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
    source, strength = backend.asarray(gram), positive_ridge(ridge, R.shape[:-2], xp)
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


def solve_factor(R: Array, rhs: Array, backend: Backend) -> Array:
    """Solution of R'R x = rhs, (..., d, k), for right-hand sides (..., d, k); nan for an item with an unusable pivot.

    Cost 2 d^2 k flops an item.
    """
    xp = backend.xp
    R, rhs = operands(R, rhs, "rhs", backend)
    rows, whole = xp.full((*rhs.shape[:-2], rhs.shape[-1], rhs.shape[-2]), np.nan), usable(R) == R.shape[-1]
    for index in np.ndindex(*R.shape[:-2]):
        if whole[index]:
            rows[index] = _inverse(R[index], xp, rhs[index].T)
    return xp.swapaxes(rows, -1, -2)


def usable(R: Array) -> Array:
    """How many leading columns of R (..., d, d) have nonzero finite pivots, (...) int64: the largest width to ask for."""
    xp = namespace(R)
    pivots = xp.abs(xp.diagonal(R, axis1=-2, axis2=-1))
    good = (pivots > 0) & (pivots < np.inf)
    if bool(good.all()):
        return xp.full(good.shape[:-1], good.shape[-1])
    return xp.sum(xp.cumprod(good.astype(np.int64), axis=-1), axis=-1)


def condition(R: Array, widths: Sequence[int] | Array) -> Array:
    """Ratio of the largest to the smallest R_ii^2, i < w, (..., W): a lower bound of the condition of each Gram."""
    xp = namespace(R)
    pivots = xp.diagonal(R, axis1=-2, axis2=-1) ** 2
    last = np.array(checked_widths(widths, R.shape[-1])) - 1
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if xp is np:  # CuPy accumulates sums and products only
            return (np.maximum.accumulate(pivots, axis=-1) / np.minimum.accumulate(pivots, axis=-1))[..., last]
        leading = [pivots[..., : w + 1] for w in last.tolist()]
        return xp.stack([xp.max(part, axis=-1) / xp.min(part, axis=-1) for part in leading], axis=-1)


def condition_estimate(gram: Array, R: Array, ridge: Array | float, backend: Backend) -> Array:
    """Condition number of gram + ridge I, (...), from its factor R: the 1-norm over the smallest eigenvalue, estimated.

    Three inverse iterations from two fixed vectors, 12 d^2 flops: about d^(1/6) below the spectral condition number at worst,
    and at most sqrt(d) above it; nan where R is. (LAPACK's dpocon starts from equal entries, to which the difference of two
    nearly equal features, the usual reason for a small eigenvalue, is orthogonal.)
    """
    gram, R = operands(gram, R, "R", backend)
    xp, norms = backend.xp, one_norm(gram, ridge, backend.xp)
    found, whole = xp.full(norms.shape, np.nan), usable(R) == R.shape[-1]
    with np.errstate(over="ignore"):  # features whose units differ by more than float64 can say
        for index in np.ndindex(*norms.shape):
            if whole[index]:
                found[index] = norms[index] * inverse_norm(functools.partial(_inverse, R[index], xp), R.shape[-1], xp)
    return found


def one_norm(gram: Array, ridge: Array | float, xp: Any) -> Array:
    """Largest absolute column sum of gram + ridge I, (...); ValueError for a negative ridge."""
    strength, diagonal = positive_ridge(ridge, gram.shape[:-2], xp), xp.diagonal(gram, axis1=-2, axis2=-1)
    sums = xp.sum(xp.abs(gram), axis=-2) - xp.abs(diagonal) + xp.abs(diagonal + strength[..., None])
    return xp.max(sums, axis=-1)


def inverse_norm(solve: Callable[[Array], Array], d: int, xp: Any) -> Array:
    """Spectral norm of a symmetric inverse, estimated from below: growth of rows (2, d) under `solve`, three times."""
    # Multiples of an irrational number modulo one: without structure, and the same on every machine.
    rows = ((xp.arange(1, d + 1) * xp.asarray([[0.6180339887498949], [0.7548776662466927]])) % 1.0) - 0.5
    growth = xp.ones(())
    with np.errstate(invalid="ignore", over="ignore"):  # a factor without a digit may give anything
        for _ in range(3):
            rows = solve(rows / _lengths(rows, xp)[:, None])
            growth = xp.max(_lengths(rows, xp))
    return growth


def _lengths(rows: Array, xp: Any) -> Array:
    """Euclidean norms of rows, whose squares may have no place in float64."""
    largest = xp.max(xp.abs(rows), axis=1)
    scaled = rows / largest[:, None]
    return largest * xp.sqrt(xp.sum(scaled * scaled, axis=1))


def _inverse(R: Array, xp: Any, rows: Array) -> Array:
    """Rows v (m, d) with R'R v = row."""
    if xp is not np or 0 in rows.shape:
        return solve_rows(R, solve_rows(R, rows, xp, transposed=True), xp, transposed=False)
    from scipy.linalg.lapack import dpotrs

    right = np.array(rows, order="C")
    return np.asarray(dpotrs(np.ascontiguousarray(R).T, right.T, lower=1, overwrite_b=1)[0].T)


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
        square = panel[:, low : low + _BLOCK]
        np.copyto(square, 0.0, where=_BELOW[: len(square), : len(square)])
    return int(fail) - 1 if fail > 0 else int(A.shape[-1])


def _potrf_device(A: Array, xp: Any) -> int:
    size: int = A.shape[-1]
    try:
        with importlib.import_module("cupyx").errstate(linalg="raise"):
            A[:] = xp.linalg.cholesky(A).T
    except np.linalg.LinAlgError:
        return min(_potrf(A.get(), np), size - 1)  # only the host says at which order it failed
    return size


def positive_ridge(ridge: Array | float, lead: tuple[int, ...], xp: Any) -> Array:
    """Ridge strengths (...) of a batch; ValueError where one is negative or not a number."""
    strength = xp.broadcast_to(xp.asarray(ridge, dtype=np.float64), lead)
    if not bool(xp.all(strength >= 0)):
        raise ValueError("ridge must be >= 0")
    return strength


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
