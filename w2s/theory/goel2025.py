"""What similarity means for models that err at random (Goel et al. 2025, arXiv 2502.04313).

The measure itself, CAPA, is :func:`w2s.measure.similarity.capa`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s.measure.similarity import chance_agreement

__all__ = ["copied_similarity", "independent_oracle_error"]

Matrix = npt.NDArray[np.float64]


def copied_similarity(
    accuracy: npt.ArrayLike, own_accuracy: npt.ArrayLike, copied: npt.ArrayLike, options: npt.ArrayLike
) -> Matrix:
    """Compute the similarity of a model and another that copies a share ``copied`` of its answers and finds the rest alone.

    With accuracies a and b of the two on their own, errors independent and spread evenly over K options, the second model has
    accuracy b' = s a + (1 - s) b, and

        c_obs = s + (1 - s) c_exp(a, b),   kappa = (c_obs - c_exp(a, b')) / (1 - c_exp(a, b'))

    For a = b this is s: similarity is the share of copied answers. Inputs broadcast.

    Domain: accuracies and share in [0, 1], two options or more, not both accuracies 1; NaN elsewhere.

    Source: derived from the definition of CAPA. Cost O(size).
    """
    a, b, s, k = (np.asarray(item, dtype=np.float64) for item in (accuracy, own_accuracy, copied, options))
    inside = (s >= 0) & (s <= 1)
    together = chance_agreement(a, s * a + (1.0 - s) * b, k)
    observed = s + (1.0 - s) * chance_agreement(a, b, k)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (observed - together) / (1.0 - together)
    return np.asarray(np.where(inside & (together < 1), found, np.nan))


def independent_oracle_error(weak_error: npt.ArrayLike, strong_error: npt.ArrayLike) -> Matrix:
    """Compute the share of items that neither of two models gets right, if they err independently: the product of their errors.

    It is the error of the oracle that takes the strong model's answer where that is right, and the weak model's elsewhere.
    Inputs broadcast.

    Domain: shares of wrong answers in [0, 1]; NaN elsewhere.

    Source: derived; the paper's code calls the oracle a difference ceiling. Cost O(size).
    """
    weak, strong = (np.asarray(item, dtype=np.float64) for item in (weak_error, strong_error))
    inside = (weak >= 0) & (weak <= 1) & (strong >= 0) & (strong <= 1)
    return np.asarray(np.where(inside, weak * strong, np.nan))
