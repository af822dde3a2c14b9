"""The float32 factor of one matrix and its solves, by LAPACK."""

from __future__ import annotations

import numpy as np

from ..backend import Array
from ..scipy_parts import lapack


def factor(S: Array) -> Array | None:
    """Factor S (d, d), and return an upper triangular float32 R with R'R near S, or None where there is none.

    Entries of R below the diagonal are not to be read.
    """
    with np.errstate(over="ignore"):  # only an indefinite matrix has entries above its diagonal, and it has no factor
        A = np.ascontiguousarray(S, dtype=np.float32)
    # Row-major upper is column-major lower: nothing is copied.
    made, fail = lapack().spotrf(A.T, lower=1, clean=0, overwrite_a=1)
    return None if fail else np.asarray(made.T)


def solve(R: Array, rows: Array) -> Array:
    """Solve R'R x = row for float32 rows x (k, w); the given rows are overwritten."""
    return np.asarray(lapack().spotrs(R.T, rows.T, lower=1, overwrite_b=1)[0].T)
