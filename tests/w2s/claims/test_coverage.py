"""Key coverages of docs/statistics.md, on fewer tables: each bound lies between the interval and the one that it replaced.

``benchmarks/interval_coverage.py`` has the whole study.
"""

from __future__ import annotations

import numpy as np

from w2s.claims.resampled import resampled_ends
from w2s.claims.seed_intervals import means_of_resamples, over_means, over_share
from w2s.measure.closed_forms import wilson_ends
from w2s.measure.item_intervals import mean_bounds
from w2s.summary.intervals import bootstrap_ratio, fieller, mean_interval

TABLES = 1500


def drawn(key: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape)


def share(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    return float(np.mean((low <= truth) & (truth <= high)))


def test_means_of_skewed_numbers() -> None:
    """Squared normals, twelve seeds: Student's interval covers .89 instead of .95."""
    found = mean_interval(drawn(1, (TABLES, 12)) ** 2)
    assert 0.925 < share(found.low, found.high, 1.0) < 0.98


def test_means_of_normal_numbers_and_of_heavy_tails_on_both_sides() -> None:
    """The correction for skewness alone covers .91 of the second kind."""
    normal = mean_interval(drawn(2, (TABLES, 8)))
    assert 0.935 < share(normal.low, normal.high, 0.0) < 0.985
    tails = mean_interval(drawn(3, (TABLES, 16)) ** 2 - drawn(4, (TABLES, 16)) ** 2)
    assert 0.935 < share(tails.low, tails.high, 0.0) < 0.985


def test_ratios_and_a_bootstrap_that_knows_its_seeds_are_few() -> None:
    weak, student, ceiling = np.array([1.0, 0.6, 0.2])[:, None, None] * (1.0 + 0.3 * drawn(5, (3, TABLES, 12)))
    exact, resampled = fieller(weak - student, weak - ceiling), bootstrap_ratio(weak - student, weak - ceiling)
    assert 0.93 < share(exact.low, exact.high, 0.5) < 0.97
    assert share(resampled.low, resampled.high, 0.5) < 0.93
    assert set(resampled.status) == {"few_seeds"}
    many = 1.0 + 0.1 * drawn(6, (2, 400))
    assert str(bootstrap_ratio(many[0], many[1]).status) == "ok"


def test_claims_on_skewed_numbers() -> None:
    """Squared normals, twelve seeds, 99 %: the hull of percentiles and Student's interval covers .95."""
    values = drawn(7, (TABLES, 12)) ** 2
    means = means_of_resamples(values.T, 1000).T
    low, high = resampled_ends(means[:, 0], means[:, 1:1001], means[:, 1001:], 12, 0.99)
    assert share(low, high, 1.0) > 0.97
    _, first, _ = over_means(range(12), values[0], float)
    np.testing.assert_allclose(first, [low[0], high[0]], rtol=1e-9)


def test_shares_of_seeds_that_nearly_all_agree() -> None:
    """Nine in ten, twelve seeds: all of them agree in .28 of the tables, and a bootstrap then has no width."""
    hits = (np.random.Generator(np.random.Philox(key=8)).random((600, 12)) < 0.9).astype(float)
    low, high = np.array([over_share(range(12), row)[1] for row in hits]).T
    assert share(low, high, 0.9) > 0.98


def test_items_that_are_rarely_wrong() -> None:
    """One in fifty of a hundred items: resampled items cover .86."""
    wrong = (np.random.Generator(np.random.Philox(key=9)).random((TABLES, 100)) < 0.02).astype(float)
    low, high = np.array([mean_bounds(row, "student_error_01") for row in wrong]).T
    assert 0.91 < share(low, high, 0.02) < 0.98
    np.testing.assert_allclose([low, high], wilson_ends(wrong.mean(axis=1), 100, 0.95))
