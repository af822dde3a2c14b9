"""Page's test against SciPy's, Holm's rule against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import page_trend_test

from w2s.claims.ranks import page_p_value


@pytest.mark.parametrize(("rows", "levels", "slope"), [(8, 4, 0.0), (8, 4, 0.5), (16, 5, 0.1), (30, 3, -0.4)])
def test_page_is_that_of_scipy(rows: int, levels: int, slope: float) -> None:
    values = np.random.default_rng(rows).standard_normal((rows, levels)) + slope * np.arange(levels)
    assert page_p_value(values) == pytest.approx(page_trend_test(values, method="asymptotic").pvalue, rel=1e-12)


def test_the_normal_approximation_is_near_the_exact_law_where_claims_need_it() -> None:
    """At eight seeds and four sizes, around one in a hundred."""
    rng, found = np.random.default_rng(0), []
    for _ in range(200):
        values = rng.standard_normal((8, 4)) + 0.3 * np.arange(4)
        exact = page_trend_test(values, method="exact").pvalue
        if 0.002 < exact < 0.03:
            found.append(page_p_value(values) / exact)
    assert len(found) > 10
    assert 0.7 < min(found) <= max(found) < 1.3


def test_without_a_trend_p_is_small_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    small = np.mean([page_p_value(rng.standard_normal((8, 4))) < 0.05 for _ in range(4000)])
    assert small == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4000))


def test_ties_are_no_trend_and_no_number_is_none() -> None:
    assert page_p_value(np.ones((8, 4))) == pytest.approx(0.5)
    tied = np.tile([1.0, 1.0, 2.0, 2.0], (8, 1))
    assert 1e-6 < page_p_value(tied) < 1e-3
    assert math.isnan(page_p_value(np.full((8, 4), np.nan)))
    for shape in ((1, 4), (8, 2)):
        with pytest.raises(ValueError, match="two rows and three levels"):
            page_p_value(np.zeros(shape))
