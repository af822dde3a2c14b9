"""Weights of items by how sure supervisors are and whether they agree, and weights of supervisors by their errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["boosting_weights", "matched_temperatures", "reliability"]

Matrix = npt.NDArray[np.float64]
_HALVINGS = 50


def _entropy(values: Matrix) -> Matrix:
    return np.asarray(-np.sum(values * np.log(np.maximum(values, 1e-300)), axis=-1))


def reliability(labels: Matrix, sharpness: float) -> Matrix:
    """Compute weights (n,) of items in (0, 1] from soft labels (n, M, K): exp(-sharpness H / log K), H of the mean label.

    Where supervisors disagree the mean is spread, so H counts their doubts and their disagreement alike: it is the mean of
    their entropies plus the mean divergence of each from their mean, in nats. Sharpness 0 gives 1. O(n M K).

    Source: after Guo and Yang, arXiv 2406.19032 (reconstruction: theirs are several answers of one model).
    """
    return np.asarray(np.exp(-sharpness * _entropy(labels.mean(axis=1)) / np.log(labels.shape[2])))


def boosting_weights(errors: Matrix, classes: int) -> Matrix:
    """Compute weights (M,) of supervisors from their shares of errors (M,): max(log((1 - e) / e) + log(K - 1), 0), scaled.

    Shares are kept within [1e-3, 1 - 1e-3]. A supervisor that is no better than chance has no weight; where none is better, all
    weigh the same. O(M).

    Source: the weights of SAMME (J. Zhu et al., Stat. Interface 2 (2009) 349-360), as in Sang et al., arXiv 2402.00667.
    """
    kept = np.clip(errors, 1e-3, 1.0 - 1e-3)
    raw = np.maximum(np.log((1.0 - kept) / kept) + np.log(classes - 1.0), 0.0)
    return np.asarray(raw / raw.sum()) if raw.sum() > 0 else np.full(len(errors), 1.0 / len(errors))


def matched_temperatures(labels: Matrix) -> Matrix:
    """Find a temperature (M,) for each supervisor that brings the mean entropy of its soft labels (n, M, K) to that of all.

    No truth is used. Labels at temperature T are proportional to p^(1/T), p below 1e-12 counting as 1e-12: so one-hot labels
    are smoothed to the entropy of the others, or stay as they are where all are one-hot. Found by 50 halvings of log T in
    [1e-2, 1e2]. O(50 n M K).
    """
    logs, goal = np.log(np.maximum(labels, 1e-12)), float(np.mean(_entropy(labels)))
    low, high = (np.full(labels.shape[1], np.log(end)) for end in (1e-2, 1e2))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        scores = logs * np.exp(-middle)[:, None]
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        hotter = _entropy(powers / powers.sum(axis=-1, keepdims=True)).mean(axis=0) > goal
        low, high = np.where(hotter, low, middle), np.where(hotter, middle, high)
    return np.asarray(np.exp(0.5 * (low + high)))
