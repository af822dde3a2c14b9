"""How well scores tell right answers from wrong ones, and how alike two lists are ordered."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["auroc", "rank_correlation"]

Matrix = npt.NDArray[np.float64]


def auroc(scores: npt.ArrayLike, hits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Compute the area under the ROC curve: P(score of a hit > score of a miss) + P(equal) / 2, (...).

    ``scores`` and ``hits`` have shape (..., n) and broadcast. NaN where there is no hit or no miss, or a score is NaN. Cost
    O(n log n) for each leading index.
    """
    given, right = np.broadcast_arrays(np.asarray(scores, dtype=np.float64), np.asarray(hits, dtype=bool))
    found = np.empty(given.shape[:-1])
    for index in np.ndindex(found.shape):
        found[index] = _area(given[index], right[index])
    return found


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Compute Spearman's correlation of two lists, ties at their mean rank; NaN where one is constant or not finite."""
    pair = np.array([first, second], dtype=np.float64)
    if not np.isfinite(pair).all() or (pair == pair[:, :1]).all(axis=1).any():
        return float("nan")
    centre = (pair.shape[1] + 1.0) / 2.0
    one, other = (_ranks(values) - centre for values in pair)
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def _area(scores: npt.NDArray[np.float64], hits: npt.NDArray[np.bool_]) -> float:
    good, bad = int(hits.sum()), int((~hits).sum())
    if not good or not bad or np.isnan(scores).any():
        return float("nan")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(count) - 0.5 * (count - 1)  # the mean rank of equal scores
    return float((ranks[place][hits].sum() - good * (good + 1) / 2) / (good * bad))


def _ranks(values: Matrix) -> Matrix:
    """Rank values (n,) from 1 on, ties at their mean rank."""
    order = np.argsort(values)
    ordered, ranks = values[order], np.empty(len(values))
    ranks[order] = np.arange(1.0, len(values) + 1.0)
    if (ordered[1:] == ordered[:-1]).any():
        _, groups = np.unique(values, return_inverse=True)
        return np.asarray((np.bincount(groups, ranks) / np.bincount(groups))[groups])
    return ranks
