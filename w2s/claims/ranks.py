"""Tests of ranks: does something rise along an axis, and which of several such tests count together."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["holm", "page_p_value"]

Values = npt.NDArray[np.float64]


def page_p_value(values: Values) -> float:
    """Compute the one-sided p-value of Page's test that values (rows, k) rise along k levels, by its normal approximation.

    L = sum_j j R_j, where R_j adds the ranks that level j has within the rows, ties at their mean rank. Without a trend L has
    mean n k (k + 1)^2 / 4 and, without ties, variance n k^2 (k + 1)^2 (k - 1) / 144; ties make it smaller, so that p is too
    large rather than too small (Page 1963, J. Am. Stat. Assoc. 58, 216). Rows are independent repetitions, levels ascend.

    Raises ValueError for fewer than two rows or three levels. A value that is not finite gives NaN.
    """
    n, k = values.shape
    if n < 2 or k < 3:
        raise ValueError(f"Page's test needs two rows and three levels, not {n} and {k}")
    if not np.isfinite(values).all():
        return math.nan
    below = (values[:, :, None] > values[:, None, :]).sum(axis=2)
    tied = (values[:, :, None] == values[:, None, :]).sum(axis=2)
    ranks = below + (tied + 1) / 2
    statistic = float(np.arange(1, k + 1) @ ranks.sum(axis=0))
    mean = n * k * (k + 1) ** 2 / 4
    deviation = math.sqrt(n * k**2 * (k + 1) ** 2 * (k - 1) / 144)
    return 0.5 * math.erfc((statistic - mean) / deviation / math.sqrt(2.0))


def holm(p_values: Values) -> Values:
    """Adjust p-values (m,) for being looked at together, by Holm's step-down rule: the one of rank i times m - i + 1.

    Adjusted values do not fall with the rank, and are at most 1 (Holm 1979, Scand. J. Stat. 6, 65).
    """
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * (len(p_values) - np.arange(len(p_values)))
    found = np.empty(len(p_values))
    found[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return found
