"""Elementary bounds on a student of weak labels (Yao et al. 2025, arXiv 2502.01458).

Two models that answer nearly alike have nearly the same error, whatever the truth:

    |P(student wrong) - P(teacher wrong)| <= P(their first choices differ)
    |E TV(student, truth) - E TV(teacher, truth)| <= E TV(teacher, student) <= sqrt(E KL(teacher || student) / 2)

The last step is Pinsker's inequality and Jensen's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["error_interval", "pinsker_bound"]

Matrix = npt.NDArray[np.float64]


def pinsker_bound(divergence: npt.ArrayLike) -> Matrix:
    """Compute sqrt(KL / 2), which the mean total variation of two models does not exceed; KL is the mean divergence in nats.

    Domain: divergences of zero or more; NaN elsewhere.

    Source: Pinsker's inequality and the concavity of the root. Cost O(size).
    """
    kl = np.asarray(divergence, dtype=np.float64)
    return np.asarray(np.where(kl >= 0, np.sqrt(np.maximum(kl, 0.0) / 2.0), np.nan))


def error_interval(weak_error: npt.ArrayLike, disagreement: npt.ArrayLike) -> Matrix:
    """Compute the least and the largest error (..., 2) of a student that differs from its teacher on a share of the items.

    [max(0, weak_error - disagreement), min(1, weak_error + disagreement)], for shares of wrong answers.

    Domain: both in [0, 1]; NaN elsewhere.

    Source: derived; the elementary form of the paper's upper and lower bounds. Cost O(size).
    """
    weak, apart = np.broadcast_arrays(*(np.asarray(item, dtype=np.float64) for item in (weak_error, disagreement)))
    inside = np.asarray((weak >= 0) & (weak <= 1) & (apart >= 0) & (apart <= 1))
    ends = np.stack([np.maximum(0.0, weak - apart), np.minimum(1.0, weak + apart)], axis=-1)
    return np.asarray(np.where(inside[..., None], ends, np.nan))
