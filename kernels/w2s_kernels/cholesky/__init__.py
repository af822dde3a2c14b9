"""Cholesky factors of Grams with a status for each item, and triangular solves.

Everything is upper triangular, R'R = G. A leading block of R is the factor of the leading block of G, so a Gram that is
singular from some order on still serves every narrower width: the status says up to where.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, Backend, namespace, require_finite, to_host
from ..dispatch import operation
from ..items import EPS

__all__ = [
    "checked_widths",
    "cholesky_gram",
    "condition",
    "condition_estimate",
    "forward",
    "inverse_norm",
    "one_norm",
    "operands",
    "positive_ridge",
    "solve_factor",
    "solve_rows",
    "usable",
]

POTRF = operation("cholesky", "potrf", "cupy")
SOLVE_ROWS = operation("cholesky", "solve_rows", "cupy")
SOLVE_BOTH = operation("cholesky", "solve_both", "cupy")


def cholesky_gram(gram: Array, ridge: Array | float, backend: Backend) -> tuple[Array, Array]:
    """Factor gram + ridge I = R'R with R upper triangular, and return R with a status for each item.

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
    info : (...) int64 on the host, where it decides what is done next: 0, or the first order j whose leading minor is not
        positive definite to rounding: the pivot R_jj^2 is at or below j eps of the diagonal entry it came from. The first
        j - 1 rows of R are right, the others are nan from the diagonal on; neighbours in the batch are untouched.

    Cost d^3/3 flops an item. ValueError: wrong shape, non-finite values, a negative ridge.
    """
    xp = backend.xp
    R = xp.array(backend.asarray(gram), dtype=np.float64, order="C")
    if R.ndim < 2 or R.shape[-1] != R.shape[-2] or R.shape[-1] == 0:
        raise ValueError(f"gram must have shape (..., d, d) with d >= 1, got {R.shape}")
    require_finite(R, "gram", xp)
    source, strength = backend.asarray(gram), positive_ridge(ridge, R.shape[:-2], xp)
    d, potrf = R.shape[-1], POTRF.on(backend)
    at = xp.arange(d)
    R[..., at, at] += strength[..., None]
    floor = xp.arange(1, d + 1) * (EPS * R[..., at, at])
    good = np.array([potrf(A) for A in R.reshape(-1, d, d)], dtype=np.int64).reshape(R.shape[:-2])
    with np.errstate(over="ignore", invalid="ignore"):  # a failed item holds anything
        small = xp.any(R[..., at, at] ** 2 <= floor, axis=-1)
    info = np.zeros(R.shape[:-2], dtype=np.int64)
    if (good < d).any() or bool(small.any()):
        for index in _places((good < d) | to_host(small)):
            original = source[index] + strength[index] * xp.eye(d)
            info[index] = _singular(R[index], original, int(good[index]), floor[index], backend)
    return R, info


def forward(R: Array, rhs: Array, backend: Backend) -> Array:
    """Solve R'z = rhs, (..., d, k), for right-hand sides X'y (..., d, k) in the units of R'R.

    Cost d^2 k flops an item. A joint factor of [X, y] needs no solve: its last columns hold z in their upper part. Rows of
    z from the first unusable pivot on (see `usable`) are nan.
    """
    xp = backend.xp
    R, rhs = operands(R, rhs, "rhs", backend)
    z = xp.full(rhs.shape, np.nan)
    good = usable(R)
    for index in np.ndindex(*R.shape[:-2]):
        w = int(good[index])
        z[index][:w] = solve_rows(R[index][:w, :w], rhs[index][:w].T, backend, transposed=True).T
    return z


def solve_factor(R: Array, rhs: Array, backend: Backend) -> Array:
    """Solve R'R x = rhs, (..., d, k), for right-hand sides (..., d, k); nan for an item with an unusable pivot.

    Cost 2 d^2 k flops an item.
    """
    xp = backend.xp
    R, rhs = operands(R, rhs, "rhs", backend)
    rows = xp.full((*rhs.shape[:-2], rhs.shape[-1], rhs.shape[-2]), np.nan)
    for at in _places(usable(R) == R.shape[-1]):
        rows[at] = _solve_both(R[at], rhs[at].T, backend)
    return xp.swapaxes(rows, -1, -2)


def usable(R: Array) -> Array:
    """Count the leading columns of R (..., d, d) with nonzero finite pivots, (...) int64: the largest width that can be solved.

    The counts are a NumPy array on every backend, since loops over items use them. A device sends one number if all pivots
    are good.
    """
    good = _good(R)
    return to_host(_leading(good)) if not bool(good.all()) else np.full(good.shape[:-1], good.shape[-1])


def _good(R: Array) -> Array:
    """Tell which pivots are nonzero and finite, (..., d) bool."""
    xp = namespace(R)
    pivots = xp.abs(xp.diagonal(R, axis1=-2, axis2=-1))
    return (pivots > 0) & (pivots < np.inf)


def _leading(good: Array) -> Array:
    xp = namespace(good)
    return xp.sum(xp.cumprod(good.astype(np.int64), axis=-1), axis=-1)


def condition(R: Array, widths: Sequence[int] | Array) -> Array:
    """Divide the largest by the smallest R_ii^2, i < w, (..., W): a lower bound of the condition number for each width w."""
    xp = namespace(R)
    pivots = xp.diagonal(R, axis1=-2, axis2=-1) ** 2
    last = [width - 1 for width in checked_widths(widths, R.shape[-1])]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if xp is np:  # CuPy accumulates sums and products only
            return (np.maximum.accumulate(pivots, axis=-1) / np.minimum.accumulate(pivots, axis=-1))[..., last]
        leading = [pivots[..., : w + 1] for w in last]
        return xp.stack([xp.max(part, axis=-1) / xp.min(part, axis=-1) for part in leading], axis=-1)


def condition_estimate(gram: Array, R: Array, ridge: Array | float, backend: Backend) -> Array:
    """Estimate the condition of gram + ridge I, (...), from its factor R: the 1-norm over the smallest eigenvalue.

    The method is three inverse iterations from two fixed vectors, 12 d^2 flops. The estimate is at worst about d^(1/6) below
    the spectral condition number, and at most sqrt(d) above it; it is nan where R is. (LAPACK's dpocon starts from equal
    entries. That start is orthogonal to the difference of two nearly equal features, the usual reason for a small eigenvalue.)
    """
    gram, R = operands(gram, R, "R", backend)
    xp, norms = backend.xp, one_norm(gram, ridge, backend.xp)
    found, d = xp.full(norms.shape, np.nan), R.shape[-1]
    places = _places(usable(R) == d)

    def solve(rows: Array) -> Array:
        return xp.stack([_solve_both(R[at], item, backend) for at, item in zip(places, rows, strict=True)])

    if not places:
        return found
    inverse = inverse_norm(solve, d, xp, (len(places),))
    with np.errstate(over="ignore"):  # features whose units differ by more than float64 can say
        for at, value in zip(places, inverse, strict=True):
            found[at] = norms[at] * value
    return found


def one_norm(gram: Array, ridge: Array | float, xp: Any) -> Array:
    """Return the largest absolute column sum of gram + ridge I, (...); ValueError for a negative ridge."""
    strength, diagonal = positive_ridge(ridge, gram.shape[:-2], xp), xp.diagonal(gram, axis1=-2, axis2=-1)
    sums = xp.sum(xp.abs(gram), axis=-2) - xp.abs(diagonal) + xp.abs(diagonal + strength[..., None])
    return xp.max(sums, axis=-1)


def inverse_norm(solve: Callable[[Array], Array], d: int, xp: Any, lead: tuple[int, ...] = ()) -> Array:
    """Estimate spectral norms (*lead) of symmetric inverses from below, by how much `solve` makes rows (*lead, 2, d) grow."""
    # Multiples of an irrational number modulo one: without structure, and the same on every machine.
    counts = xp.arange(1, d + 1)
    start = xp.stack([counts * 0.6180339887498949, counts * 0.7548776662466927]) % 1.0 - 0.5
    rows = xp.broadcast_to(start, (*lead, 2, d))
    lengths = _lengths(rows, xp)
    with np.errstate(invalid="ignore", over="ignore"):  # a factor without a digit may give anything
        for _ in range(3):
            rows = solve(rows / lengths[..., None])
            lengths = _lengths(rows, xp)
        return xp.max(lengths, axis=-1)


def _lengths(rows: Array, xp: Any) -> Array:
    """Return the Euclidean norms of rows, also where their squares would overflow or underflow."""
    largest = xp.max(xp.abs(rows), axis=-1)
    scaled = rows / largest[..., None]
    return largest * xp.sqrt(xp.sum(scaled * scaled, axis=-1))


def _places(chosen: Array) -> list[tuple[int, ...]]:
    """Return the indices of the chosen items of a batch; `chosen` is (...) bool on the host."""
    return [tuple(index) for index in np.argwhere(chosen)]


def _solve_both(R: Array, rows: Array, backend: Backend) -> Array:
    """Solve R'R v = row for rows v (m, d)."""
    found: Array = rows if 0 in rows.shape else SOLVE_BOTH.on(backend)(R, rows)
    return found


def solve_rows(R: Array, rows: Array, backend: Backend, *, transposed: bool) -> Array:
    """Solve R v = row, or R'v = row if transposed, for rows v (m, d), one factor R (d, d) and `rows` (m, d)."""
    found: Array = rows if 0 in rows.shape else SOLVE_ROWS.on(backend)(R, rows, transposed)
    return found


def _singular(A: Array, original: Array, good: int, floor: Array, backend: Backend) -> int:
    """Finish a factor A with a failed or too small pivot, and return the first failing order (0 if there is none).

    `good` columns of A succeeded so far; the rows of A from the first failing one on become nan.
    """
    xp, d = backend.xp, A.shape[-1]
    if good < d:
        good = _restart(A, original, good, backend)
    small = xp.diagonal(A)[:good] ** 2 <= floor[:good]
    if bool(xp.any(small)):
        good = int(xp.argmax(small))
    if good < d:
        A[good:, good:] = xp.triu(xp.full((d - good, d - good), np.nan))
    return 0 if good == d else good + 1


def _restart(A: Array, original: Array, good: int, backend: Backend) -> int:
    """Factor the leading `good` columns again, and return how many succeed.

    What LAPACK leaves in the matrix after a failure depends on its block size.
    """
    A[:] = 0.0
    potrf = POTRF.on(backend)
    lead = original[:good, :good].copy()
    while good and potrf(lead) < good:
        good -= 1
        lead = original[:good, :good].copy()
    A[:good, :good] = lead
    A[:good, good:] = solve_rows(lead, original[:good, good:].T, backend, transposed=True).T
    return good


def positive_ridge(ridge: Array | float, lead: tuple[int, ...], xp: Any) -> Array:
    """Return the ridge strengths (...) of a batch; ValueError where one is negative or not a number."""
    if isinstance(ridge, float | int):  # filled where it is needed, not sent there
        strength = xp.full(lead, float(ridge))
    else:
        strength = xp.broadcast_to(xp.asarray(ridge, dtype=np.float64), lead)
    if not bool(xp.all(strength >= 0)):
        raise ValueError("ridge must be >= 0")
    return strength


def operands(R: Array, other: Array, name: str, backend: Backend) -> tuple[Array, Array]:
    """Return both as float64 arrays of the backend, (..., d, d) and (..., d, k); ValueError where their shapes do not match."""
    R, other = backend.asarray(R), backend.asarray(other)
    if R.ndim < 2 or R.shape[-1] != R.shape[-2] or R.shape[-1] == 0:
        raise ValueError(f"R must have shape (..., d, d) with d >= 1, got {R.shape}")
    if other.ndim != R.ndim or other.shape[:-1] != R.shape[:-1]:
        raise ValueError(f"{name} must have shape (..., d, k) to match R {R.shape}, got {other.shape}")
    return R, other


def checked_widths(widths: Sequence[int] | Array, d: int) -> list[int]:
    """Return widths as a list; ValueError unless they are strictly increasing integers in 1..d."""
    checked = [operator.index(w) for w in np.asarray(widths).tolist()]
    increasing = all(a < b for a, b in itertools.pairwise(checked))
    if not checked or not increasing or checked[0] < 1 or checked[-1] > d:
        raise ValueError(f"widths must be strictly increasing integers in 1..{d}, got {checked}")
    return checked
