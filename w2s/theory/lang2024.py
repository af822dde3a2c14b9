"""Errors of students of wrong and missing pseudolabels (Lang, Sontag and Vijayaraghavan 2024, arXiv 2405.16043).

A teacher labels a covered set S with error alpha and abstains on the rest T. The student f corrects pseudolabels where
err(f, y | S) < alpha, and expands coverage where err(f, y | T) is small. The closed forms here are for two classes: an identity
between the student's errors, and the limit of unlimited labels for two Gaussian classes with means at -+ ``distance`` on the
first axis and standard deviation ``spread``. The identity and the limit were derived here. The paper's own bounds, which rest
on expansion constants of sets, are not in this module.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

__all__ = ["bayes_error", "error_from_agreement", "inherited_error", "region_threshold"]

Array = npt.NDArray[np.float64]


def bayes_error(distance: npt.ArrayLike, spread: npt.ArrayLike) -> Array:
    """Compute Phi(-distance / spread), the least error for two Gaussian classes at -+ ``distance``; arguments broadcast.

    Domain: distance >= 0, spread > 0, both finite. Source: derived. O(1) an entry.
    """
    a, s = (np.asarray(value, dtype=np.float64) for value in (distance, spread))
    valid = (a >= 0) & (s > 0) & np.isfinite(a) & np.isfinite(s)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(valid, ndtr(-a / np.where(s > 0, s, 1.0)), np.nan))


def region_threshold(mass: npt.ArrayLike, spread: npt.ArrayLike) -> Array:
    """Compute t with P(x > t) = ``mass`` for x of N(0, spread^2): infinite for a mass of 0 or 1; arguments broadcast.

    Domain: 0 <= mass <= 1, spread > 0. Source: derived. O(1) an entry.
    """
    part, s = (np.asarray(value, dtype=np.float64) for value in (mass, spread))
    valid = (part >= 0) & (part <= 1) & (s > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(valid, -s * ndtri(np.clip(part, 0.0, 1.0)), np.nan))


def error_from_agreement(misfit: npt.ArrayLike, teacher_error: npt.ArrayLike, error_on_bad: npt.ArrayLike) -> Array:
    """Compute err(f, y|S) = err(f, y~|S) + alpha (2 err(f, y|S_bad) - 1) for two classes; arguments broadcast.

    ``misfit`` is err(f, y~|S), the share of pseudolabels that the student does not follow; S_bad are the covered points with
    wrong ones, on which a wrong student agrees with its teacher. So a student gains only by errors that it does not repeat.
    Domain: all arguments in [0, 1]. Source: derived. O(1) an entry.
    """
    off, alpha, bad = (np.asarray(value, dtype=np.float64) for value in (misfit, teacher_error, error_on_bad))
    valid = _share(off) & _share(alpha) & _share(bad)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(valid, off + alpha * (2.0 * bad - 1.0), np.nan))


def inherited_error(teacher_error: npt.ArrayLike, structured: npt.ArrayLike, least: npt.ArrayLike) -> Array:
    """Compute the error of a student of any class that sees unlimited pseudolabels: arguments broadcast.

    A part ``structured`` of the teacher's error alpha fills a region, the rest are coins of probability q = alpha (1 -
    structured) / (1 - alpha structured) outside of it; both are independent of the class. The student follows the majority of
    the pseudolabels at a point: with Bayes error beta = ``least`` and the region's mass m = alpha structured its error is
    beta + m (1 - 2 beta) for q < 1/2, and 1 - beta for q > 1/2. Domain: 0 <= alpha < 1, structured in [0, 1], beta in
    [0, 1/2], q != 1/2. Source: derived. O(1) an entry.
    """
    alpha, part, beta = (np.asarray(value, dtype=np.float64) for value in (teacher_error, structured, least))
    valid = (alpha >= 0) & (alpha < 1) & _share(part) & (beta >= 0) & (beta <= 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        mass = alpha * part
        coin = (alpha - mass) / (1.0 - mass)
        error = np.where(coin < 0.5, beta + mass * (1.0 - 2.0 * beta), 1.0 - beta)
        return np.asarray(np.where(valid & (coin != 0.5), error, np.nan))


def _share(value: Array) -> npt.NDArray[np.bool_]:
    return np.asarray((value >= 0) & (value <= 1))
