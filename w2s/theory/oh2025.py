"""Weak-to-strong by features that a teacher cannot read (Oh, Song and Yun 2025, arXiv 2510.24812): regimes, linear teachers.

Symbols: n examples of the student, p_both the share of inputs with both signals, p_hard that of hard-only ones, mu and nu the
sizes of the easy and the hard signal, sigma the standard deviation of the noise on d dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["HARMFUL_SHARE", "benign_index", "harmful_error", "linear_error", "regime_index"]

Matrix = npt.NDArray[np.float64]

HARMFUL_SHARE = 0.12
"""In the harmful regime the student's error is at least this share of p_hard."""


def benign_index(n: npt.ArrayLike, p_both: npt.ArrayLike, nu: npt.ArrayLike, sigma: npt.ArrayLike, d: npt.ArrayLike) -> Matrix:
    """Compute n p_both^2 nu^4 / (sigma^4 d), which decides between benign and harmful overfitting where data are scarce.

    Above one constant the error of a student that fits the weak labels goes to 0, below another it stays above
    `harmful_error`. Domain: n, sigma, d > 0, nu >= 0, 0 <= p_both <= 1. Source: Theorem 3.4. Cost O(size).
    """
    n, p_both, nu, sigma, d = _floats(n, p_both, nu, sigma, d)
    return _inside(_sizes(n, p_both, nu, sigma, d), lambda: n * p_both**2 * (nu / sigma) ** 4 / d)


def regime_index(n: npt.ArrayLike, p_both: npt.ArrayLike, nu: npt.ArrayLike, sigma: npt.ArrayLike, d: npt.ArrayLike) -> Matrix:
    """Compute n p_both nu^2 / (sigma^2 d): far below 1 noise is memorised first, far above 1 the hard signal is learnt first.

    Domain: n, sigma, d > 0, nu >= 0, 0 <= p_both <= 1. Source: derived, from the growth of both in the
    first steps. Cost O(size).
    """
    n, p_both, nu, sigma, d = _floats(n, p_both, nu, sigma, d)
    return _inside(_sizes(n, p_both, nu, sigma, d), lambda: n * p_both * (nu / sigma) ** 2 / d)


def harmful_error(p_hard: npt.ArrayLike) -> Matrix:
    """Compute 0.12 p_hard, below which no student's error is in the harmful regime.

    Domain: 0 <= p_hard <= 1. Source: Theorem 3.4. Cost O(size).
    """
    (p_hard,) = _floats(p_hard)
    return _inside((p_hard >= 0) & (p_hard <= 1), lambda: HARMFUL_SHARE * p_hard)


def linear_error(
    easy: npt.ArrayLike, hard: npt.ArrayLike, noise: npt.ArrayLike, p_hard: npt.ArrayLike, p_both: npt.ArrayLike
) -> Matrix:
    """Compute the 0-1 error of a linear network of three patches on inputs of one label.

    ``easy`` and ``hard`` are y <w, mu_y> and y <w, nu_y>, ``noise`` is sigma times the norm of w off the signals. With Q the
    normal tail: (1 - p_hard - p_both) Q(easy / (sqrt(2) noise)) + p_hard / 2 + p_both (Q((easy + hard)/noise) + Q((easy -
    hard)/noise)) / 2. The sign of the hard signal is random, so hard-only inputs are a coin. Domain: noise > 0, p_hard and
    p_both >= 0 with a sum of at most 1. Source: derived. Cost O(size).
    """
    from scipy.special import ndtr

    easy, hard, noise, p_hard, p_both = _floats(easy, hard, noise, p_hard, p_both)
    fine = (noise > 0) & (p_hard >= 0) & (p_both >= 0) & (p_hard + p_both <= 1 + 1e-12)

    def formula() -> Any:
        both = (ndtr(-(easy + hard) / noise) + ndtr(-(easy - hard) / noise)) / 2.0
        return (1.0 - p_hard - p_both) * ndtr(-easy / (np.sqrt(2.0) * noise)) + p_hard / 2.0 + p_both * both

    return _inside(fine, formula)


def _floats(*given: npt.ArrayLike) -> tuple[Matrix, ...]:
    return tuple(np.asarray(a, dtype=np.float64) for a in given)


def _sizes(n: Matrix, p_both: Matrix, nu: Matrix, sigma: Matrix, d: Matrix) -> Any:
    return (n > 0) & (sigma > 0) & (d > 0) & (nu >= 0) & (p_both >= 0) & (p_both <= 1)


def _inside(fine: Any, formula: Any) -> Matrix:
    with np.errstate(all="ignore"):
        return np.asarray(np.where(fine, formula(), np.nan))
