"""Scores of classifiers: hand-made numbers, laws, and intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s.measure.item_intervals import ratio_bounds
from w2s.measure.scores import SCORE_COLUMNS, brier, calibration_error, cross_entropy, divergence, scores

TRUTH = np.array([0, 0, 1, 1])
WEAK = np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.1, 0.9]])
STUDENT = np.array([[0.9, 0.1], [0.6, 0.4], [0.55, 0.45], [0.2, 0.8]])
CEILING = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])


def test_by_hand():
    row = scores(TRUTH, WEAK, STUDENT, CEILING, strong=WEAK)
    assert row["weak_error"] == pytest.approx(-np.log([0.8, 0.3, 0.4, 0.9]).mean())
    assert (row["weak_error_01"], row["student_error_01"], row["ceiling_error_01"]) == (0.5, 0.25, 0.0)
    assert row["strong_error"] == row["weak_error"]
    assert row["agreement"] == 0.75
    assert row["disagreement"] == 0.25
    assert (row["agreement_right"], row["agreement_wrong"]) == (1.0, 0.5)
    assert row["misfit"] == pytest.approx(
        np.mean([sum(p * np.log(p / q) for p, q in zip(a, b, strict=True)) for a, b in zip(WEAK, STUDENT, strict=True)])
    )
    assert row["misfit_squared"] == pytest.approx(np.square(WEAK - STUDENT).sum(axis=1).mean())
    assert row["weak_brier"] == pytest.approx(np.mean([0.08, 0.98, 0.72, 0.02]))
    assert row["n_items"] == 4
    assert set(SCORE_COLUMNS) <= set(row)


def test_calibration_by_hand():
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35]])
    truth = np.array([0, 1, 0])
    assert calibration_error(probabilities, truth) == pytest.approx((2 * abs(0.5 - 0.95) + abs(1 - 0.65)) / 3)
    assert calibration_error(np.eye(2)[truth], truth) == 0.0


def test_extremes_stay_finite():
    certain = np.eye(2)[[0, 1]]
    assert np.isfinite(cross_entropy(certain, np.array([1, 0])))
    assert np.isfinite(divergence(certain, certain[::-1]))
    assert divergence(certain, certain) == 0.0
    row = scores(np.array([0, 1]), certain, certain, certain)
    assert np.isnan(row["agreement_wrong"])


def test_a_model_that_is_not_finite_gives_nan_and_leaves_the_others_alone():
    row = scores(TRUTH, WEAK, np.full((4, 2), np.nan), CEILING)
    assert np.isnan([row[name] for name in ("student_error", "student_error_01", "misfit", "agreement")]).all()
    assert (row["weak_error_01"], row["ceiling_error_01"]) == (0.5, 0.0)
    assert np.isnan(calibration_error(np.full((4, 2), np.nan), TRUTH))


def pgr_interval(weak, student, ceiling):
    """From which items each model gets right."""
    base = weak.astype(float)
    return ratio_bounds(student - base, ceiling - base)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 40))
def test_laws(seed, classes, count):
    generator = np.random.default_rng(seed)
    first, second = generator.dirichlet(np.ones(classes), size=(2, count))
    truth = generator.integers(classes, size=count)
    assert divergence(first, second) >= -1e-12
    assert abs(divergence(first, first)) < 1e-12
    assert 0.0 <= brier(first, truth) <= 2.0
    assert 0.0 <= calibration_error(first, truth) <= 1.0
    order = generator.permutation(count)
    plain, mixed = scores(truth, first, second, first), scores(truth[order], first[order], second[order], first[order])
    for name in ("weak_error", "misfit", "agreement", "weak_calibration"):
        assert mixed[name] == pytest.approx(plain[name], nan_ok=True)


def test_the_interval_of_the_pgr_covers():
    generator = np.random.default_rng(0)
    n, hits = 300, 0
    for _ in range(100):  # weak .6, student .7, ceiling .8, correlated through a common difficulty
        common = generator.random(n)
        weak, student, ceiling = (common * 0.5 + generator.random(n) * 0.5 < share for share in (0.55, 0.62, 0.68))
        low, high = pgr_interval(weak, student, ceiling)
        hits += low <= TARGET <= high
    assert hits / 100 > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 100)


def _share(limit: float) -> float:
    """P(u + v < 2 limit) for independent uniforms: the accuracy of the models above."""
    total = 2 * limit
    return total**2 / 2 if total <= 1 else 1 - (2 - total) ** 2 / 2


TARGET = (_share(0.62) - _share(0.55)) / (_share(0.68) - _share(0.55))


def test_an_unresolved_gap_has_no_interval():
    generator = np.random.default_rng(1)
    weak, student, ceiling = generator.random((3, 50)) < 0.7
    low, high = pgr_interval(weak, student, weak)
    assert np.isnan([low, high]).all()
    low, high = pgr_interval(np.zeros(50, bool), np.ones(50, bool), np.ones(50, bool))
    assert (low, high) == (1.0, 1.0)
    assert student.shape == ceiling.shape
