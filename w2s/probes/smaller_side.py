"""Ridge and minimum-norm least squares of rows in memory, by one Cholesky factor on the smaller side."""

from __future__ import annotations

from w2s_kernels import Backend, gram
from w2s_kernels.backend import Array
from w2s_kernels.cholesky import cholesky_gram, condition, solve_factor

__all__ = ["fit_smaller_side"]


def fit_smaller_side(rows: Array, values: Array, ridge: float, backend: Backend) -> tuple[Array, float]:
    """Solve min |rows w - values|^2 + n ridge |w|^2, of least norm where ridge = 0: coefficients (d, k) and a condition.

    ``rows`` (n, d) and ``values`` (n, k) are arrays of the backend. The Gram is of the rows where n <= d, else of the columns;
    the condition is its own, a square. Coefficients are NaN where it is singular to rounding. O(min(n, d)^2 max(n, d)).
    """
    n, d = rows.shape
    dual = n <= d
    factor, _ = cholesky_gram(gram(rows.T if dual else rows, backend=backend), n * ridge, backend)
    found = solve_factor(factor, values if dual else rows.T @ values, backend)
    pivots = backend.to_numpy(condition(factor, [min(n, d)]))
    return (rows.T @ found if dual else found), float(pivots[0])
