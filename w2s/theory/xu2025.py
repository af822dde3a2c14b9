"""Gain and misfit of a student that is the mean of its teachers (Xu et al. 2025, arXiv 2505.24313).

For squared errors and k teachers with mean m: mean |f_k - f*|^2 = |m - f*|^2 + mean |f_k - m|^2. So the student m has
gain = misfit, whatever its class. For classifiers and KL(f* || .) the same holds of the dual mean, whose logarithm is the mean
of the teachers' logarithms up to a constant. It does not hold of the mean of the probabilities.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["dual_mean", "fresh_teacher_ratio"]

Matrix = npt.NDArray[np.float64]


def dual_mean(probabilities: npt.ArrayLike) -> Matrix:
    """Compute the dual mean of k teachers' probabilities, (..., k, c) to (..., c): exp(mean of logarithms), normalised.

    Domain: probabilities above zero (they need not sum to one: a factor of a teacher's changes nothing); NaN elsewhere.

    Source: derived; the mean for which the Bregman bias-variance decomposition is exact. Cost O(size).
    """
    p = np.asarray(probabilities, dtype=np.float64)
    inside = np.asarray((p > 0).all(axis=(-2, -1)))
    logs = np.log(np.where(inside[..., None, None], p, 1.0)).mean(axis=-2)
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(np.where(inside[..., None], powers / powers.sum(axis=-1, keepdims=True), np.nan))


def fresh_teacher_ratio(teachers: npt.ArrayLike) -> Matrix:
    """Compute expected gain / misfit, (B - 1)/(B + 1), of the mean of B teachers beside a teacher that is not among them.

    Teachers are drawn alike, with variance V around their law's mean. The student's variance is V/B: it gains V (1 - 1/B) on
    a fresh teacher, and is V (1 + 1/B) away from it. One teacher: no gain; many: gain = misfit.

    Domain: one teacher or more; NaN elsewhere.

    Source: derived; the limit is the paper's student that is the posterior mean. Cost O(size).
    """
    count = np.asarray(teachers, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(count >= 1, (count - 1.0) / (count + 1.0), np.nan))
