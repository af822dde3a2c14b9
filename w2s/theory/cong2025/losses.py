"""Losses of training on preferences, as functions of log-probability ratios."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["dpo_loss", "wspo_loss"]

Values = npt.NDArray[np.float64]


def dpo_loss(chosen: npt.ArrayLike, rejected: npt.ArrayLike, beta: npt.ArrayLike) -> Values:
    """Compute -log sigmoid(beta (chosen - rejected)) of log ratios of policy and reference, in nats.

    Domain: beta > 0. The arguments broadcast. Source: arXiv 2305.18290, equation 7.
    """
    strength = np.asarray(beta, dtype=np.float64)
    margin = strength * (np.asarray(chosen, dtype=np.float64) - np.asarray(rejected, dtype=np.float64))
    return np.asarray(np.where(strength > 0.0, np.logaddexp(0.0, -margin), np.nan))


def wspo_loss(strong: npt.ArrayLike, weak: npt.ArrayLike, gamma: npt.ArrayLike) -> Values:
    """Compute (gamma strong - weak)^2 of a token's log ratios: student to its reference, weak aligned to unaligned.

    Domain: gamma > 0. The arguments broadcast. A loss over tokens is the mean. Source: arXiv 2410.18640, and its code.
    """
    strength = np.asarray(gamma, dtype=np.float64)
    apart = strength * np.asarray(strong, dtype=np.float64) - np.asarray(weak, dtype=np.float64)
    return np.asarray(np.where(strength > 0.0, apart**2, np.nan))
