"""What the figures of both studies share: a share of wrong classes, with its interval over seeds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s.measure.scales import SHARE
from w2s.summary.intervals import mean_interval

__all__ = ["share_over_seeds"]


def share_over_seeds(values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
    """Return the mean of shares (seeds,) and how far the ends of its interval of 95 % are, below and above: array (2, 1).

    The ends lie in [0, 1]; the distances are zero where there is one seed, or all seeds have one share.
    """
    found = mean_interval(values)
    low, high = SHARE.clip(np.array([found.low, found.high], dtype=float))
    return float(found.mean), np.nan_to_num(np.array([[found.mean - low], [high - found.mean]], dtype=float))
