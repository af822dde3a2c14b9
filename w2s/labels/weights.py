"""Weights of labels as numbers of visits: how often a training of a fixed number of steps sees each item."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["repeated"]


def repeated(weights: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """List n places of n items such that item i occurs n w_i / sum(w) times, rounded down or up: (n,), in rising order.

    Place j is the item in whose share of the total weight the point (j + 1/2) / n lies. So items of weight 0 never occur,
    equal weights give every item once, in order, and neighbours make up for each other's rounding: the number of visits to
    items a..b differs from n (w_a + ... + w_b) / sum(w) by at most one. A student that learns from these places takes as many
    steps, of as many items, as one that learns from all of them.

    Parameters
    ----------
    weights : (n,) finite, not negative, one of them positive.

    Raises ValueError for other weights. Cost O(n log n).
    """
    given = np.asarray(weights, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all() or (given < 0).any() or not (given > 0).any():
        raise ValueError("weights of labels must be finite and not negative, and one of them positive: no item would be left")
    ends = np.cumsum(given / given.max())
    count = len(given)
    found = np.searchsorted(ends, (np.arange(count) + 0.5) * (ends[-1] / count), side="right")
    return np.asarray(found, dtype=np.int64)
