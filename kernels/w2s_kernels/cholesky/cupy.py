"""The factorisation and the triangular solves of one matrix on a CUDA device, by cuSOLVER and cuBLAS."""

from __future__ import annotations

import numpy as np

from ..backend import Array, namespace
from . import plain


def potrf(A: Array) -> int:
    """Replace a symmetric A (d, d) by its upper factor, and return how many leading columns succeeded, as in `plain`."""
    import cupyx

    size: int = A.shape[-1]
    try:
        with cupyx.errstate(linalg="raise"):
            A[:] = namespace(A).linalg.cholesky(A).T
    except np.linalg.LinAlgError:
        return min(plain.potrf(A.get()), size - 1)  # only the host says at which order it failed
    return size


def solve_rows(R: Array, rows: Array, transposed: bool) -> Array:
    """Solve R v = row, or R'v = row if transposed, for rows v (m, d), as in `plain`."""
    from cupyx.scipy.linalg import solve_triangular

    return solve_triangular(R, rows.T, trans=int(transposed), lower=False).T


def solve_both(R: Array, rows: Array) -> Array:
    """Solve R'R v = row for rows v (m, d), as in `plain`."""
    return solve_rows(R, solve_rows(R, rows, transposed=True), transposed=False)
