"""Many small symmetric positive definite systems at once: factor, solve, quadratic forms.

For each item A x = b with A = L L':  L y = b,  L'x = y,  b'A^-1 b = |y|^2, which no rounding can make negative.

Only the lower triangle of A is read. A matrix that is not positive definite is data, not an exception: its `info` is 1 and
its results are nan; its neighbours do not notice. Whether a matrix singular within rounding counts as positive definite is
up to the rounding of the backend. An item in a batch has the bits it has alone.

Errors: |x - exact| <= c d eps condition(A) |exact|, with c of order one, on every backend.
"""

from __future__ import annotations

import numpy as np

from .backend import Array, Backend, require_finite, resolve

MAX_ORDER = 64
MAX_COLUMNS = 32


def solve_spd(A: Array, B: Array, backend: Backend | None = None) -> tuple[Array, Array]:
    """Solution of A x = b for each item and column.

    Parameters
    ----------
    A :
        (*batch, d, d) real, symmetric positive definite, 1 <= d <= 64; the strict upper triangle is ignored. Integers and
        float32 are converted first, inputs are never written to.
    B :
        (*batch, d, k) real right-hand sides, 1 <= k <= 32.
    backend :
        None means the reference in the library where the arrays live.

    Returns
    -------
    x :
        (*batch, d, k) float64, nan where info is 1.
    info :
        (*batch,) int64; 0: solved, 1: A is not positive definite, or its lower triangle is not finite.

    Raises
    ------
    ValueError : shapes that do not match or exceed the limits; non-finite values in B (how many, where first).

    Notes
    -----
    Cost d^3 / 3 + 2 d^2 k flops an item.
    """
    x, _, info = solve_quadratic(A, B, backend)
    return x, info


def solve_quadratic(A: Array, B: Array, backend: Backend | None = None) -> tuple[Array, Array, Array]:
    """Solution of A x = b together with b'A^-1 b for each item and column.

    Parameters and errors are those of `solve_spd`.

    Returns
    -------
    x :
        (*batch, d, k) float64, nan where info is 1.
    quadratic :
        (*batch, k) float64, >= 0, nan where info is 1.
    info :
        (*batch,) int64, as in `solve_spd`.
    """
    chosen = resolve(backend, A, B)
    xp = chosen.xp
    A, B = (xp.ascontiguousarray(chosen.asarray(a)) for a in (A, B))
    lead, d, k = _checked(A.shape, B.shape)
    x, quadratic, info = _solve(A.reshape(-1, d, d), B.reshape(-1, d, k), chosen)
    # A non-finite b makes its quadratic form non-finite, so the usual case needs no pass over B.
    if not bool(xp.isfinite(quadratic).all()):
        require_finite(B, "B", xp)
    return x.reshape(*lead, d, k), quadratic.reshape(*lead, k), info.reshape(lead)


def _solve(A: Array, B: Array, backend: Backend) -> tuple[Array, Array, Array]:
    if backend.name == "numba" and len(A):
        from . import small_numba

        return small_numba.solve(A, B)
    if backend.name == "cupy" and len(A):
        from . import small_cupy

        return small_cupy.solve(A, B)
    return _plain(A, B)


def _plain(A: Array, B: Array) -> tuple[Array, Array, Array]:
    """One LAPACK call an item and step: NumPy's stacked routines are loops over items."""
    L = _cholesky(A)
    failed = ~np.isfinite(L).all(axis=(-2, -1))
    L[failed] = np.eye(A.shape[-1])
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        y = np.linalg.solve(L, B)
        x = np.linalg.solve(np.ascontiguousarray(np.swapaxes(L, -1, -2)), y)
        quadratic = np.sum(np.ascontiguousarray(np.swapaxes(y * y, -1, -2)), axis=-1)
    x[failed], quadratic[failed] = np.nan, np.nan
    return x, quadratic, failed.astype(np.int64)


def _cholesky(A: Array) -> Array:
    """Lower factors (items, d, d); an item that has none comes back as nan."""
    with np.errstate(all="ignore"):
        try:
            return np.linalg.cholesky(A)
        except np.linalg.LinAlgError:
            pass  # one bad item must not change its neighbours: find it by going one by one
        factors = np.full(A.shape, np.nan)
        for item, matrix in enumerate(A):
            try:
                factors[item] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                continue
    return factors


def _checked(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    """Batch shape, order and number of columns."""
    if len(left) < 2 or len(left) != len(right) or left[-1] != left[-2] or left[:-1] != right[:-1]:
        raise ValueError(f"expected A (*batch, d, d) and B (*batch, d, k), got shapes {left} and {right}")
    d, k = right[-2:]
    if not (1 <= d <= MAX_ORDER and 1 <= k <= MAX_COLUMNS):
        raise ValueError(f"expected 1 <= d <= {MAX_ORDER} and 1 <= k <= {MAX_COLUMNS}, got d = {d}, k = {k}")
    return left[:-2], d, k
