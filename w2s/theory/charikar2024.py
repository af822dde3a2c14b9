"""Gain and misfit of a student that is a projection (Charikar, Pabbaraju and Shiragur 2024, arXiv 2405.15116).

With <a, b> the mean of a b over a sample, P the projection on a linear class of students and f_s = P f_w:

    gain - misfit = |f_w - f*|^2 - |f_s - f*|^2 - |f_w - f_s|^2 = 2 <f_w - f_s, f_s - f*> = -2 <(I - P) f_w, (I - P) f*>.

So gain = misfit for a target inside the class (their Theorem 1 with equality, because a linear class is a subspace), and by
Cauchy and Schwarz |gain - misfit| <= 2 sqrt(misfit epsilon) with epsilon = |(I - P) f*|^2 for any target: the constant of the
O(sqrt(epsilon)) in their Theorem 2, without its sampling terms. For a convex class that is no subspace and holds the target the
gain is at least the misfit. For any other student only the second form is left: :func:`w2s.measure.metrics.cross_term`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["gap_bound", "projection_gap", "residual"]

Matrix = npt.NDArray[np.float64]


def residual(values: Matrix, basis: Matrix) -> Matrix:
    """Compute (I - P) v for columns v of ``values`` (n, t), where ``basis`` (n, r) is orthonormal and spans the class.

    The projection is done twice, so that the residual is orthogonal to the class up to rounding of the residual, not of v.
    O(n r t).
    """
    once = values - basis @ (basis.T @ values)
    return np.asarray(once - basis @ (basis.T @ once))


def projection_gap(weak: Matrix, truth: Matrix, basis: Matrix) -> Matrix:
    """Compute gain - misfit = -2 <(I - P) f_w, (I - P) f*> on the student's own sample: (n, t), (n, t) -> (t,)."""
    products = residual(weak, basis) * residual(truth, basis)
    return np.asarray(-2.0 * products.mean(axis=0))


def gap_bound(misfit: npt.ArrayLike, epsilon: npt.ArrayLike) -> Matrix:
    """Compute 2 sqrt(misfit epsilon): on the student's own sample |gain - misfit| is no larger. Inputs broadcast.

    Domain: both are 0 or more; NaN outside. Theorem 2, its constant derived. O(1) a value.
    """
    misfit, epsilon = (np.asarray(value, dtype=np.float64) for value in (misfit, epsilon))
    known = (misfit >= 0) & (epsilon >= 0)
    return np.asarray(2.0 * np.sqrt(np.where(known, misfit * epsilon, np.nan)))
