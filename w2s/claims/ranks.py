"""A test of ranks: does something rise along an axis."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["page_p_value"]

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
