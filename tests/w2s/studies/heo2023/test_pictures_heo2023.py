"""Shares with intervals, as figures of heo2023 show them."""

from __future__ import annotations

import numpy as np

from w2s.studies.heo2023.pictures import share_over_seeds
from w2s.summary.intervals import mean_interval


def test_ends_are_those_of_summaries_and_no_share_is_beyond_one() -> None:
    values = np.array([0.30, 0.35, 0.28, 0.33, 0.31])
    mean, ends = share_over_seeds(values)
    found = mean_interval(values)
    np.testing.assert_allclose([mean, mean - ends[0, 0], mean + ends[1, 0]], [found.mean, found.low, found.high])
    mean, ends = share_over_seeds(np.array([1.0, 1.0, 1.0, 0.6]))
    assert mean + ends[1, 0] == 1.0
    assert share_over_seeds(np.array([1.0, 1.0, 1.0]))[1].tolist() == [[0.0], [0.0]]
    assert share_over_seeds(np.array([0.4]))[1].tolist() == [[0.0], [0.0]]
