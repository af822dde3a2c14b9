"""Rows whose columns differ in size by many orders of magnitude, such as metres and grams in one table.

A singular value decomposition of such rows is accurate relative to the largest column alone: a column 1e16 times smaller drowns
in its rounding. Here every column keeps its own digits, and the rank is that of the columns brought to one size, which no
choice of units changes. With D the sizes, X/sqrt(n) D^-1 = U S V' by the ordinary decomposition and D V S = P T Q' by one-sided
Jacobi rotations, whose error does not depend on the sizes of rows and columns, X/sqrt(n) = (U Q) T P'.

Source: Z. Drmac and K. Veselic, New fast and accurate Jacobi SVD algorithm, SIAM J. Matrix Anal. Appl. 29 (2008), as LAPACK's
dgejsv.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s.probes.prepared import powers_of_two
from w2s_kernels import NUMPY, Backend, Spectrum
from w2s_kernels.backend import Array

__all__ = ["WIDE", "factor_graded", "is_graded"]

Matrix = npt.NDArray[np.float64]

WIDE = 2.0**26
"""Columns are of different orders when their sizes differ by more than 1/sqrt(eps): the ordinary decomposition then has less
than half of the digits of the smallest."""

_ROW_AND_COLUMN_SCALES = 2
"""The word "F" of dgejsv's first argument: accurate whatever the sizes of rows and columns are."""


def is_graded(rows: Matrix, still: npt.NDArray[np.bool_]) -> bool:
    """Whether the columns of rows (n, d) differ in size by more than :data:`WIDE`, those that are ``still`` (d,) left out."""
    sizes = np.max(np.abs(rows), axis=0)[~still]
    sizes = sizes[sizes > 0]
    return bool(len(sizes)) and bool(sizes.max() / WIDE > sizes.min())


def factor_graded(rows: Matrix, still: npt.NDArray[np.bool_], backend: Backend) -> tuple[Spectrum, Array]:
    """Decompose X'X/n from rows (n, d), as :func:`w2s_kernels.factor_rows`: a spectrum of the directions that count, and U.

    Columns that are ``still`` count as zero: they hold rounding of a size of their own. O(n d r), and O(d r^2) on the host.
    Raises LinAlgError where the rotations do not converge.
    """
    from scipy.linalg.lapack import dgejsv

    varying = np.where(still, 0.0, rows)
    sizes = powers_of_two(np.max(np.abs(varying), axis=0))
    whole, left = kernels.factor_rows(varying / sizes, NUMPY)
    rank = int(whole.rank)
    largest = sizes.max()
    inner = (sizes / largest)[:, None] * (whole.vectors * np.sqrt(whole.values))[:, :rank]
    values, vectors, turned, scales, _, info = dgejsv(
        np.asfortranarray(inner), joba=_ROW_AND_COLUMN_SCALES, jobu=0, jobv=0, jobr=0, jobt=1, jobp=1
    )
    if info != 0:
        raise np.linalg.LinAlgError(f"the singular value decomposition of {len(rows)} graded rows did not converge")
    with np.errstate(over="ignore", under="ignore"):
        squares = (values * (scales[0] / scales[1]) * largest) ** 2
    send, none = backend.asarray, backend.asarray(0, np.int64)
    spectrum = Spectrum(
        send(squares), send(np.ascontiguousarray(vectors)), send(rank, np.int64), send(0.0), none, "svd", none > 0
    )
    return spectrum, send(np.ascontiguousarray(left[:, :rank] @ turned))
