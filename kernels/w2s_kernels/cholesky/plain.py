"""The factorisation and the triangular solves of one matrix, by LAPACK.

Row-major upper is column-major lower, so LAPACK is told "lower" and nothing is copied or transposed.
"""

from __future__ import annotations

import numpy as np

from ..backend import Array
from ..scipy_parts import lapack

_BLOCK = 64
_BELOW = np.tri(_BLOCK, k=-1, dtype=np.bool_)


def potrf(A: Array) -> int:
    """Replace a contiguous symmetric A (d, d) by its upper factor, and return how many leading columns succeeded."""
    made, fail = lapack().dpotrf(A.T, lower=1, clean=0, overwrite_a=1)
    if not np.may_share_memory(made, A):
        A[:] = made.T
    # LAPACK's own clean-up walks across cache lines: at d = 1024 half as long as the factorisation.
    for low in range(0, A.shape[-1], _BLOCK):
        panel = A[low : low + _BLOCK]
        panel[:, :low] = 0.0
        square = panel[:, low : low + _BLOCK]
        np.copyto(square, 0.0, where=_BELOW[: len(square), : len(square)])
    return int(fail) - 1 if fail > 0 else int(A.shape[-1])


def solve_rows(R: Array, rows: Array, transposed: bool) -> Array:
    """Solve R v = row, or R'v = row if transposed, for a factor R (d, d) and `rows` (m, d), neither of them empty."""
    right = np.array(rows, order="C")
    lower = np.ascontiguousarray(R).T
    return np.asarray(lapack().dtrtrs(lower, right.T, lower=1, trans=int(not transposed), overwrite_b=1)[0].T)


def solve_both(R: Array, rows: Array) -> Array:
    """Solve R'R v = row for a factor R (d, d) and `rows` (m, d), neither of them empty."""
    right = np.array(rows, order="C")
    return np.asarray(lapack().dpotrs(np.ascontiguousarray(R).T, right.T, lower=1, overwrite_b=1)[0].T)
