"""Intervals over items: against other libraries and by hand, and what they do not say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from w2s.measure.item_intervals import INTERVAL_COLUMNS, item_intervals, mean_bounds, ratio_bounds


def test_zeros_and_ones_have_wilsons_interval() -> None:
    hits = np.array([1.0] * 7 + [0.0] * 23)
    wilson = stats.binomtest(7, 30).proportion_ci(method="wilson")
    assert mean_bounds(hits) == pytest.approx((wilson.low, wilson.high))
    none = stats.binomtest(0, 30).proportion_ci(method="wilson")
    assert mean_bounds(np.zeros(30), "student_error_01") == pytest.approx((0.0, none.high), abs=1e-12)


def test_other_numbers_have_students_interval_where_they_are_symmetric() -> None:
    half = np.random.default_rng(0).exponential(size=20)
    terms = np.concatenate([half, -half])
    expected = stats.t.interval(0.95, 39, loc=0.0, scale=stats.sem(terms))
    assert mean_bounds(terms, "gain") == pytest.approx(expected)


def test_skewed_errors_reach_farther_up_and_not_below_zero() -> None:
    terms = np.array([0.0] * 18 + [0.1, 3.0])
    low, high = mean_bounds(terms, "weak_error")
    assert low == 0.0
    assert high > terms.mean() + 2.5 * stats.sem(terms)
    assert mean_bounds(terms, "cross_term")[0] < 0.0


def test_gains_of_hits_stay_within_one() -> None:
    low, high = mean_bounds(np.array([1.0, 1.0, 1.0, 0.0]), "gain_01")
    assert -1.0 <= low < 0.75 < high == 1.0


@pytest.mark.parametrize("terms", [[0.3], [0.25] * 50, [1.0, math.nan]])
def test_items_that_say_nothing_about_others(terms: list[float]) -> None:
    assert np.isnan(mean_bounds(np.array(terms), "weak_error")).all()


def test_a_ratio_ends_where_the_t_test_turns() -> None:
    rng = np.random.default_rng(1)
    bottom = 0.5 + rng.standard_normal(60)
    top = 0.4 * bottom + 0.3 * rng.standard_normal(60)
    for end in ratio_bounds(top, bottom):
        assert stats.ttest_1samp(top - end * bottom, 0.0).pvalue == pytest.approx(0.05, abs=1e-9)


def test_a_gap_that_the_items_do_not_show_has_no_ratio() -> None:
    assert np.isnan(ratio_bounds(np.ones(100), np.linspace(-1.0, 1.02, 100))).all()
    assert np.isnan(ratio_bounds(np.ones(100), -np.ones(100))).all()
    assert np.isnan(ratio_bounds(np.ones(1), np.ones(1))).all()


def test_agreement_is_among_the_items_that_the_weak_model_has_wrong() -> None:
    wrong = np.array([1.0] * 10 + [0.0] * 30)
    same = np.array([1.0] * 4 + [0.0] * 6 + [1.0] * 30)
    found = item_intervals(
        {
            "weak_error_01": wrong,
            "student_error_01": wrong,
            "ceiling_error_01": 0 * wrong,
            "agreement": same,
            "same_wrong": same * wrong,
        }
    )
    wilson = stats.binomtest(4, 10).proportion_ci(method="wilson")
    assert (found["agreement_wrong_low"], found["agreement_wrong_high"]) == pytest.approx((wilson.low, wilson.high))
    assert found["agreement_right_high"] == 1.0
    assert np.isnan(found["gain_01_low"])  # the student is its teacher
    assert set(found) <= set(INTERVAL_COLUMNS)
