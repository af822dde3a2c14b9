"""Rows whose columns differ in size by many orders of magnitude, such as metres and grams in one table.

A singular value decomposition of such rows is accurate relative to the largest column alone: a column 1e16 times smaller drowns
in its rounding. Here every column keeps its own digits, and whether it adds a direction is asked relative to its own size, so
that no choice of units changes the rank. Columns are made orthogonal from the largest to the smallest, X/sqrt(n) = Q R, and R
is decomposed by one-sided Jacobi rotations, whose error does not depend on the sizes of rows and columns.

Source: Z. Drmac and K. Veselic, New fast and accurate Jacobi SVD algorithm, SIAM J. Matrix Anal. Appl. 29 (2008), as LAPACK's
dgejsv.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from w2s.probes.prepared import magnitudes, powers_of_two
from w2s_kernels import Backend, Spectrum
from w2s_kernels.backend import Array
from w2s_kernels.items import EPS

__all__ = ["WIDE", "factor_graded", "is_graded"]

Matrix = npt.NDArray[np.float64]

WIDE = 2.0**26
"""Columns are of different orders when their sizes differ by more than 1/sqrt(eps): the ordinary decomposition then has less
than half of the digits of the smallest."""

_ROW_AND_COLUMN_SCALES = 2
"""The word "F" of dgejsv's first argument: accurate whatever the sizes of rows and columns are."""


def is_graded(rows: Matrix, still: npt.NDArray[np.bool_]) -> bool:
    """Tell whether columns of rows (n, d) differ in size by more than :data:`WIDE`, those that are ``still`` (d,) left out."""
    sizes = magnitudes(rows)[~still]
    sizes = sizes[sizes > 0]
    return bool(len(sizes)) and bool(sizes.max() / WIDE > sizes.min())


def factor_graded(rows: Matrix, still: npt.NDArray[np.bool_], backend: Backend) -> tuple[Spectrum, Array]:
    """Decompose X'X/n from rows (n, d), as :func:`w2s_kernels.factor_rows`: a spectrum of the directions that count, and U.

    Columns that are ``still`` count as zero: they hold rounding of a size of their own. O(n d r), on the host.
    Raises LinAlgError where the rotations do not converge.
    """
    from scipy.linalg.lapack import dgejsv

    varying = np.where(still, 0.0, rows) / np.sqrt(len(rows))
    sizes = powers_of_two(magnitudes(varying))
    largest = sizes.max()
    left, upper, kept = _orthogonal(varying / sizes, np.argsort(-sizes, kind="stable"))
    values, right, turned, scales, _, info = dgejsv(
        np.asfortranarray((upper * (sizes / largest)).T), joba=_ROW_AND_COLUMN_SCALES, jobu=0, jobv=0, jobr=0, jobt=1, jobp=1
    )
    if info != 0:
        raise np.linalg.LinAlgError(f"the singular value decomposition of {len(rows)} graded rows did not converge")
    values = values * (scales[0] / scales[1])
    vectors = _right(upper, sizes / largest, kept, turned * values, right) / (sizes / largest)[:, None]
    vectors[still] = 0.0
    with np.errstate(over="ignore", under="ignore"):
        squares = (values * largest) ** 2
    send, none = backend.asarray, backend.asarray(0, np.int64)
    spectrum = Spectrum(send(squares), send(vectors), send(len(kept), np.int64), send(0.0), none, "svd", none > 0)
    return spectrum, send(np.ascontiguousarray(left @ turned))


def _right(upper: Matrix, sizes: Matrix, kept: Sequence[int], scaled: Matrix, right: Matrix) -> Matrix:
    """Compute the right singular vectors of R D times the sizes D (d, r), each row as exact as its own size asks for.

    ``scaled`` holds V T of R D = V T P', ``right`` is P: exact beside one, which is no digit of an entry 1e-16. Of the columns
    that R was made of the entries are R^-1 V T; what the others have beyond their part in these is theirs in P.
    """
    from scipy.linalg import solve_triangular

    others = np.setdiff1d(np.arange(upper.shape[1]), kept)
    beyond = sizes[others, None] * right[others]
    found = np.zeros(right.shape)
    found[kept] = solve_triangular(upper[:, kept], scaled - upper[:, others] @ beyond)
    found[others] = beyond
    return found


def _orthogonal(columns: Matrix, order: npt.NDArray[np.int64]) -> tuple[Matrix, Matrix, list[int]]:
    """Make columns (n, d) of one size orthogonal in some order: Q (n, r), R (r, d), and the r columns that add a direction.

    Rounding of a column lies in directions of those before it alone. A column that these hold but for max(n, d) eps of its own
    length adds none.
    """
    n, d = columns.shape
    basis, upper, kept = np.zeros((n, min(n, d))), np.zeros((min(n, d), d)), list[int]()
    for place in order.tolist():
        before = basis[:, : len(kept)]
        left, length = columns[:, place].copy(), float(np.linalg.norm(columns[:, place]))
        for _ in range(2):  # once leaves rounding of the size of what was taken off
            parts = before.T @ left
            left -= before @ parts
            upper[: len(kept), place] += parts
        rest = float(np.linalg.norm(left))
        if len(kept) < min(n, d) and rest > max(n, d) * EPS * length:
            basis[:, len(kept)], upper[len(kept), place] = left / rest, rest
            kept.append(place)
    return basis[:, : len(kept)], upper[: len(kept)], kept
