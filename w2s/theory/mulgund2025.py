"""Gain and misfit beyond the squared loss (Mulgund and Pabbaraju 2025, arXiv 2501.19105): Bregman divergences of classifiers.

For a Bregman divergence D and three points, D(a, c) = D(a, b) + D(b, c) + <a - b, grad(b) - grad(c)>. The last term decides
whether a gain is at least the misfit. For the Kullback-Leibler divergence of probabilities the gradient is the logarithm:

    KL(a || c) - KL(a || b) - KL(b || c) = sum_o (a_o - b_o) (log b_o - log c_o)

With (a, b, c) = (truth, student, teacher) the left side is gain - misfit of the errors KL(truth || .). It is not negative where
the student minimises KL(student || teacher) over a convex set of probabilities that holds the truth. With (teacher, student,
truth) it is gain - misfit of the errors KL(. || truth). It is zero in the mean over the rows of an unregularised fit of a
linear softmax head by cross-entropy, if the truth is such a head.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["class_rate", "three_point_term"]

Matrix = npt.NDArray[np.float64]

_SUM = 1e-9  # how far probabilities may be from summing to one


def three_point_term(first: npt.ArrayLike, middle: npt.ArrayLike, last: npt.ArrayLike) -> Matrix:
    """Compute KL(first || last) - KL(first || middle) - KL(middle || last) = sum_o (first - middle)_o log(middle_o / last_o).

    Options are on the last axis, which the result has not; leading axes broadcast. In nats. The sum of products loses no digits
    where the three divergences nearly cancel.

    Domain: probabilities that sum to one, those of ``middle`` and ``last`` above zero; NaN elsewhere.

    Source: the three-point identity of Bregman divergences; derived. Cost O(size).
    """
    a, b, c = np.broadcast_arrays(*(np.asarray(item, dtype=np.float64) for item in (first, middle, last)))
    inside = np.asarray((b > 0).all(axis=-1) & (c > 0).all(axis=-1) & (a >= 0).all(axis=-1))
    for item in (a, b, c):
        inside = inside & (np.abs(item.sum(axis=-1) - 1.0) <= _SUM)
    safe = [np.where(inside[..., None], item, 1.0) for item in (a, b, c)]
    term = ((safe[0] - safe[1]) * (np.log(safe[1]) - np.log(safe[2]))).sum(axis=-1)
    return np.asarray(np.where(inside, term, np.nan))


def class_rate(classes: npt.ArrayLike, components: npt.ArrayLike) -> Matrix:
    """Compute sqrt(c / k), the order at which mixtures of k heads for c classes come to obey gain >= misfit.

    The constant is unknown to us. Inputs broadcast.

    Domain: two classes or more, one component or more; NaN elsewhere.

    Source: the paper's result on convex combinations of k strong models, an order and not a level. Cost O(size).
    """
    c, k = (np.asarray(item, dtype=np.float64) for item in (classes, components))
    inside = (c >= 2) & (k >= 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(inside, np.sqrt(c / k), np.nan))
