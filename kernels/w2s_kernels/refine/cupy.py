"""The float32 factor of one matrix and its solves on a CUDA device."""

from __future__ import annotations

import numpy as np

from ..backend import Array, namespace


def factor(S: Array) -> Array | None:
    """Factor S (d, d) into an upper triangular float32 R with R'R near S, as in `plain`."""
    import cupyx

    xp = namespace(S)
    try:
        with cupyx.errstate(linalg="raise"):
            return xp.ascontiguousarray(xp.linalg.cholesky(xp.ascontiguousarray(S, dtype=np.float32)).T)
    except np.linalg.LinAlgError:
        return None


def solve(R: Array, rows: Array) -> Array:
    """Solve R'R x = row for float32 rows x (k, w)."""
    from cupyx.scipy.linalg import solve_triangular

    half = solve_triangular(R, rows.T, trans=1, lower=False)
    return solve_triangular(R, half, lower=False).T
