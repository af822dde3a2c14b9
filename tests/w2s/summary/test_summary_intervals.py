"""Intervals: hand values, independent oracles, coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from w2s.measure.closed_forms import corrected_quantiles, quadratic_set, wilson_ends
from w2s.summary.intervals import (
    Beyond,
    bootstrap_ratio,
    fieller,
    fieller_by,
    holm,
    mean_interval,
    mean_interval_by,
    paired_interval,
)

# With two samples and level 0.5 Student's quantile is exactly 1, so everything below can be done on paper.


def test_mean_interval_by_hand():
    result = mean_interval([[1.0, 3.0], [5.0, np.nan], [np.nan, np.nan]], level=0.5)
    np.testing.assert_allclose(result.mean, [2.0, 5.0, np.nan])
    np.testing.assert_allclose(result.low, [1.0, np.nan, np.nan])
    np.testing.assert_allclose(result.high, [3.0, np.nan, np.nan])
    assert result.samples.tolist() == [2, 1, 0]


def symmetric(seed, half):
    """Numbers without skewness."""
    x = np.random.default_rng(seed).standard_normal(half)
    return np.concatenate([1.0 + x, 1.0 - x])


def test_mean_interval_of_symmetric_samples_is_students():
    x = symmetric(0, 8)
    low, high = stats.t.interval(0.9, 15, loc=x.mean(), scale=stats.sem(x))
    result = mean_interval(x, 0.9)
    np.testing.assert_allclose([result.low, result.high], [low, high], rtol=1e-12)


def test_mean_interval_of_skewed_samples_ends_where_halls_cubic_has_the_quantile():
    x = np.random.default_rng(1).exponential(size=11)
    result, se, g = mean_interval(x, 0.9), stats.sem(x), stats.skew(x, bias=False) / np.sqrt(11)
    t = (x.mean() - float(result.high)) / se
    assert t + g * t**2 / 3 + g**2 * t**3 / 27 + g / 6 == pytest.approx(stats.t.ppf(0.05, 10), rel=1e-12)
    assert float(result.low) == pytest.approx(stats.t.interval(0.9, 10, x.mean(), se)[0], rel=1e-12)  # never narrower
    assert result.high - result.mean > 1.2 * (result.mean - result.low)
    mirrored = mean_interval(-x, 0.9)
    np.testing.assert_allclose([-mirrored.high, -mirrored.low], [result.low, result.high], rtol=1e-12)


def test_equal_samples_have_no_interval():
    result = mean_interval([[0.1] * 9, [0.1] * 8 + [0.2], [0.0] * 9])
    assert result.status.tolist() == ["tied", "ok", "tied"]
    assert float(result.mean[0]) == 0.1
    assert np.isnan(result.low).tolist() == np.isnan(result.high).tolist() == [True, False, True]
    ratio = fieller([[0.1, 0.2, 0.3], [0.0] * 3], [[0.3, 0.6, 0.9], [0.3, 0.6, 0.9]])
    assert ratio.status.tolist() == ["unbounded", "unbounded"]
    ratio = fieller([[0.1, 0.2, 0.3] * 9, [0.0] * 27], [[0.3, 0.6, 0.9] * 9, [0.3, 0.6, 0.9] * 9])
    assert ratio.status.tolist() == ["tied", "tied"]
    assert mean_interval_by(np.full(4, 0.1), np.zeros(4, int), 1, beyond=Beyond(added=0.01)).status.tolist() == ["ok"]


def test_what_lies_beyond_the_seeds_widens_an_interval():
    x, codes = symmetric(2, 8), np.zeros(16, int)
    half = (mean_interval(x).high - mean_interval(x).low) / 2
    wider = mean_interval_by(x, codes, 1, beyond=Beyond(factor=np.array([0.3])))
    assert float(wider.high[0] - wider.low[0]) / 2 == pytest.approx(float(half) * np.sqrt(1 + 16 * 0.3))
    added = mean_interval_by(x, codes, 1, beyond=Beyond(added=np.array([0.5])))
    seen = stats.sem(x) ** 2
    freedom = 15 * ((seen + 0.5) / seen) ** 2
    assert float(added.high[0] - added.low[0]) / 2 == pytest.approx(stats.t.ppf(0.975, freedom) * np.sqrt(seen + 0.5), rel=1e-9)
    unknown = mean_interval_by(x, codes, 1, beyond=Beyond(added=np.array([np.nan])))
    assert float(unknown.high[0]) == float(mean_interval(x).high)


def test_the_correction_is_steady_where_skewness_vanishes():
    near, none = corrected_quantiles(2.0, 2e-6), corrected_quantiles(2.0, 0.0)
    np.testing.assert_allclose(near, none, rtol=1e-5)
    assert (float(none[0]), float(none[1])) == (-2.0, 2.0)


def test_wilson_by_hand():
    # z = 1.96: 0 of 10 leave shares up to z^2 / (10 + z^2); 8 of 10 are known from tables.
    low, high = wilson_ends([0.0, 0.8, 1.0], 10, 0.95)
    np.testing.assert_allclose(low, [0.0, 0.490162, 0.722467], atol=1e-6)
    np.testing.assert_allclose(high, [0.277533, 0.943318, 1.0], atol=1e-6)
    assert np.isnan(wilson_ends(0.5, 0, 0.95)).all()


def test_fieller_interval_by_hand():
    # N = 2, D = 5, v = 1, 1, 1: 24 r^2 - 18 r + 3 <= 0, roots 1/4 and 1/2.
    result = fieller([1.0, 3.0], [4.0, 6.0], level=0.5)
    assert str(result.status) == "ok"
    np.testing.assert_allclose([result.ratio, result.low, result.high], [0.4, 0.25, 0.5], rtol=1e-14)


def test_fieller_complement_by_hand():
    # N = 3, D = 1, v_NN = 1, v_ND = 2, v_DD = 4: 3 r^2 + 2 r - 8 >= 0, so r <= -2 or r >= 4/3.
    result = fieller([2.0, 4.0], [-1.0, 3.0], level=0.5)
    assert str(result.status) == "unbounded"
    np.testing.assert_allclose([result.ratio, result.low, result.high], [3.0, 4 / 3, -2.0], rtol=1e-14)


def test_fieller_half_line_by_hand():
    # N = 2, D = 1, v = 1, 1, 1: the square term vanishes, -2 r + 3 <= 0.
    result = fieller([1.0, 3.0], [0.0, 2.0], level=0.5)
    assert str(result.status) == "unbounded"
    assert float(result.low) == pytest.approx(1.5)
    assert abs(float(result.high)) > 1e12  # infinite up to the last bit of Student's quantile


def test_quadratic_set_without_square_term():
    low, high = quadratic_set(np.zeros(3), np.array([1.0, -1.0, 0.0]), np.array([3.0, 3.0, -1.0]))
    assert low.tolist() == [1.5, -np.inf, -np.inf]
    assert high.tolist() == [np.inf, -1.5, np.inf]


def test_fieller_whole_line():
    result = fieller([1.1, -0.9, 1.1, -0.9], [1.1, 1.1, -0.9, -0.9])
    assert str(result.status) == "unbounded"
    assert (float(result.low), float(result.high)) == (-np.inf, np.inf)


def test_fieller_zero_denominator_and_few_samples():
    result = fieller([[1.0, 2.0], [1.0, np.nan], [np.nan, np.nan]], [[0.0, 0.0], [2.0, 1.0], [1.0, 1.0]])
    assert result.status.tolist() == ["unbounded", "one_sample", "no_sample"]
    np.testing.assert_array_equal(result.ratio, [np.nan, 0.5, np.nan])
    assert np.isnan(result.low[1:]).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 30), st.floats(0.05, 3.0), st.floats(-0.9, 0.9))
def test_fieller_bounds_are_where_the_t_test_turns(seed, n, center, slope):
    rng = np.random.default_rng(seed)
    den = center + rng.standard_normal(n)
    num = slope * den + 0.5 + rng.standard_normal(n)
    result = fieller(num, den, 0.9)
    for bound in (float(result.low), float(result.high)):
        if np.isfinite(bound) and abs(bound) < 1e6:
            assert stats.ttest_1samp(num - bound * den, 0.0).pvalue == pytest.approx(0.1, abs=1e-6)


def test_fieller_keeps_its_digits_when_top_and_bottom_are_proportional():
    den = 1.0 + 0.1 * np.random.default_rng(3).standard_normal(12)
    noise = 1e-9 * np.random.default_rng(4).standard_normal(12)
    result = fieller(0.7 * den + noise, den)
    reference = mean_interval(noise / den.mean())
    width, expected = float(result.high - result.low), float(reference.high - reference.low)
    assert width == pytest.approx(expected, rel=0.05)  # the plain discriminant loses all of it


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([2.0, 0.125]), st.floats(1.5, 20.0))
def test_fieller_scales_and_shifts(seed, scale, center):
    rng = np.random.default_rng(seed)
    den, num = center + 0.2 * rng.standard_normal((2, 9))
    base, scaled = fieller(num, den), fieller(scale * num, den)
    shifted = fieller(num + 3.0 * den, den)
    for name in ("ratio", "low", "high"):
        assert float(getattr(scaled, name)) == pytest.approx(scale * float(getattr(base, name)), rel=1e-9)
        assert float(getattr(shifted, name)) == pytest.approx(3.0 + float(getattr(base, name)), rel=1e-9)


def covers(low, high, truth):
    return float(np.mean((low <= truth) & (truth <= high)))


def test_coverage_with_the_anchor_noise_inside_and_with_fixed_anchors():
    """20 seeds, gain and gap correlated through the weak error; 20 000 tables, standard error 0.0015."""
    rng = np.random.default_rng(20)
    weak, student, ceiling = np.array([1.0, 0.5, 0.2])[:, None, None] + np.array([0.3, 0.15, 0.1])[
        :, None, None
    ] * rng.standard_normal((3, 20_000, 20))
    truth, four_errors = 0.5 / 0.8, 4 * np.sqrt(0.95 * 0.05 / 20_000)
    result = fieller(weak - student, weak - ceiling)
    assert (result.status == "ok").all()
    assert abs(covers(result.low, result.high, truth) - 0.95) <= four_errors
    # The common practice: the anchors' means taken as known, only the student varies.
    top, gap = weak.mean(axis=1, keepdims=True), (weak - ceiling).mean(axis=1, keepdims=True)
    fixed = mean_interval((top - student) / gap)
    assert covers(fixed.low, fixed.high, truth) < 0.90
    few = slice(0, 4000)
    percentile = bootstrap_ratio((weak - student)[few], (weak - ceiling)[few])
    assert 0.90 < covers(percentile.low, percentile.high, truth) < 0.95


def test_coverage_when_the_denominator_is_lost_in_noise():
    rng = np.random.default_rng(21)
    den = 0.1 + 0.3 * rng.standard_normal((20_000, 10))
    num = 0.05 + 0.3 * rng.standard_normal((20_000, 10)) + 0.2 * den
    result, truth = fieller(num, den), 0.7
    outside_in = np.where(
        result.low <= result.high,
        (result.low <= truth) & (truth <= result.high),
        (truth <= result.high) | (truth >= result.low),
    )
    assert 0.5 < np.mean(result.status == "unbounded") < 0.9
    assert abs(outside_in.mean() - 0.95) <= 4 * np.sqrt(0.95 * 0.05 / 20_000)


def test_bootstrap_by_hand():
    # Two pairs have three resamples: 1/4, 2/5, 3/6 with weights 1/4, 1/2, 1/4.
    result = bootstrap_ratio([1.0, 3.0], [4.0, 6.0], level=0.9)
    assert str(result.status) == "unbounded"  # Fieller's set is: t(1) is 6.3
    tight = bootstrap_ratio([1.0, 3.0], [4.0, 6.0], level=0.6)
    np.testing.assert_allclose([tight.ratio, tight.low, tight.high], [0.4, 0.25, 0.5])
    assert str(tight.status) == "few_seeds"


def test_bootstrap_is_deterministic_and_near_fieller_for_many_seeds():
    rng = np.random.default_rng(7)
    den = 2.0 + 0.3 * rng.standard_normal((3, 400))
    num = 1.0 + 0.3 * rng.standard_normal((3, 400))
    first, again, alone = bootstrap_ratio(num, den), bootstrap_ratio(num, den), bootstrap_ratio(num[1], den[1])
    np.testing.assert_array_equal(first.low, again.low)
    np.testing.assert_allclose(float(alone.high), first.high[1], rtol=1e-12)
    exact = fieller(num, den)
    np.testing.assert_allclose(first.low, exact.low, atol=0.002)
    np.testing.assert_allclose(first.high, exact.high, atol=0.002)
    flipped = bootstrap_ratio(num, -den)
    np.testing.assert_allclose(flipped.low, -first.high, rtol=1e-12)


def test_bootstrap_refuses_too_few_resamples():
    with pytest.raises(ValueError, match="use at least 40"):
        bootstrap_ratio([1.0, 2.0], [1.0, 2.0], resamples=20)


def test_flat_layout_equals_dense_layout_for_unequal_groups():
    rng = np.random.default_rng(9)
    codes = np.array([2, 0, 2, 2, 0, 0, 0, 2])
    num, den = rng.standard_normal(8), 5.0 + rng.standard_normal(8)
    flat, means = fieller_by(num, den, codes, 3), mean_interval_by(num, codes, 3)
    for group in (0, 2):
        dense = fieller(num[codes == group], den[codes == group])
        np.testing.assert_allclose([flat.low[group], flat.high[group]], [dense.low, dense.high], rtol=1e-12)
        np.testing.assert_allclose(means.low[group], mean_interval(num[codes == group]).low, rtol=1e-12)
    assert flat.status[1] == "no_sample"
    assert means.samples.tolist() == [4, 0, 4]


def test_paired_interval_of_symmetric_differences_matches_scipy():
    y = np.random.default_rng(11).standard_normal(16)
    x = y + symmetric(12, 8)
    result, oracle = paired_interval(x, y, 0.9), stats.ttest_rel(x, y)
    assert float(result.p_value) == pytest.approx(oracle.pvalue, rel=1e-10)
    np.testing.assert_allclose([result.low, result.high], oracle.confidence_interval(0.9), rtol=1e-10)


def test_a_p_value_is_the_level_at_which_the_interval_ends_at_zero():
    x = 0.6 + np.random.default_rng(13).exponential(size=9) - 1.0
    p = float(paired_interval(x, 0.0).p_value)
    assert 0.01 < p < 0.5
    assert float(paired_interval(x, 0.0, 1 - p).low) == pytest.approx(0.0, abs=1e-9)


def test_paired_interval_without_spread():
    result = paired_interval([[1.0, 2.0], [1.0, 2.0]], [[1.0, 2.0], [0.0, 1.0]])
    assert result.status.tolist() == ["tied", "tied"]
    assert np.isnan([result.p_value, result.low, result.high]).all()


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, running maximum .04 .06 .06 .06
    np.testing.assert_allclose(holm([0.04, 0.01, np.nan, 0.03, 0.02]), [0.06, 0.04, np.nan, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1.0, 1.0])
    assert holm([]).shape == (0,)


def test_holm_rejects_what_stepping_down_rejects():
    rng = np.random.default_rng(2)
    for _ in range(200):
        p = rng.uniform(size=rng.integers(1, 8)) ** 3
        level, order = 0.1, np.argsort(p)
        rejected = np.zeros(len(p), dtype=bool)
        for rank, k in enumerate(order):
            if p[k] > level / (len(p) - rank):
                break
            rejected[k] = True
        assert ((holm(p) <= level) == rejected).all()
        assert (holm(p) >= p).all()
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_level_is_a_probability(level):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        mean_interval([1.0, 2.0], level)


def test_a_single_number_is_no_sample():
    with pytest.raises(ValueError, match="single number"):
        mean_interval(1.0)
