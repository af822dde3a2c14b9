"""Nominal floating-point operations of the dense factorisations and products, for choosing and for predicting.

Leading terms for real square matrices of order d, times ``batch``. An eigendecomposition or SVD is iterative; its count is the
usual one for all vectors. They decide (which solver, where a block is cut), so they never come from a clock.

Source: G. H. Golub and C. F. Van Loan, Matrix Computations, 4th ed., sections 4.2, 5.2, 8.3 and 8.6.
"""

from __future__ import annotations

__all__ = ["cholesky", "eigh", "gemm", "qr", "svd", "syrk", "trsm"]


def gemm(m: float, k: float, n: float, batch: float = 1.0) -> float:
    """Count the flops of a product of (m, k) and (k, n): 2 m k n."""
    return 2.0 * m * k * n * batch


def syrk(n: float, d: float, batch: float = 1.0) -> float:
    """Count the flops of one triangle of X'X for n rows and d columns: n d (d + 1)."""
    return n * d * (d + 1.0) * batch


def cholesky(d: float, batch: float = 1.0) -> float:
    """Count the flops of a Cholesky factorisation: d^3 / 3."""
    return d**3 / 3.0 * batch


def trsm(d: float, rhs: float, batch: float = 1.0) -> float:
    """Count the flops of one triangular solve with ``rhs`` right-hand sides: d^2 rhs."""
    return d**2 * rhs * batch


def eigh(d: float, batch: float = 1.0) -> float:
    """Count the flops of all eigenvalues and eigenvectors of a symmetric matrix: 9 d^3."""
    return 9.0 * d**3 * batch


def qr(n: float, d: float, batch: float = 1.0) -> float:
    """Count the flops of the Householder factor R of n >= d rows, with Q not formed: 2 d^2 (n - d / 3)."""
    return 2.0 * d**2 * (n - d / 3.0) * batch


def svd(n: float, d: float, batch: float = 1.0) -> float:
    """Count the flops of a thin SVD of n >= d rows with the vectors of both sides: 6 n d^2 + 20 d^3."""
    long, short = max(n, d), min(n, d)
    return (6.0 * long * short**2 + 20.0 * short**3) * batch
