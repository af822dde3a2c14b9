"""Judges of answers and their thresholds: a fit by scikit-learn's own optimum conditions, hand values, laws; AUROC by pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.labels import fit_judge, threshold_for
from w2s.labels.judges import certainty, judged_features
from w2s.measure.ranking import auroc


def problems(seed=0, count=3, n=80, d=4):
    rng = np.random.default_rng(seed)
    x = 3.0 + 2.0 * rng.standard_normal((count, n, d))
    right = (rng.random((count, n)) < 1 / (1 + np.exp(-(x[..., 0] - 3.0) - 1.0))).astype(float)
    return x, right


@pytest.mark.parametrize("balanced", [True, False])
def test_the_fit_is_the_optimum(balanced):
    x, right = problems()
    judge = fit_judge(x, right, 0.1, balanced=balanced)
    for b in range(len(x)):
        rows = np.column_stack([(x[b] - x[b].mean(axis=0)) / x[b].std(axis=0), np.ones(80)])
        weights = np.where(right[b] == 1, 0.5 / right[b].sum(), 0.5 / (1 - right[b]).sum()) if balanced else np.full(80, 1 / 80)
        gradient = rows.T @ (weights * (judge.at(x)[b] - right[b])) + 0.1 * judge.slope[b]
        assert np.abs(gradient).max() < 1e-10
        alone = fit_judge(x[b : b + 1], right[b : b + 1], 0.1, balanced=balanced)
        np.testing.assert_array_equal(alone.at(x[b : b + 1])[0], judge.at(x)[b])


def test_rows_that_do_not_count_change_nothing():
    x, right = problems()
    keep = np.random.default_rng(1).random(right.shape) < 0.6
    judge = fit_judge(x, right, 0.1, rows=keep)
    for b in range(len(x)):
        own = fit_judge(x[b][keep[b]][None], right[b][keep[b]][None], 0.1)
        assert judge.at(x)[b] == pytest.approx(own.at(x[b : b + 1])[0], abs=1e-9)


def test_answers_that_are_all_right_have_a_constant_judge():
    x, right = problems(count=2)
    judge = fit_judge(x, np.stack([np.ones(80), np.zeros(80)]), 1e-3)
    assert np.isfinite(judge.at(x)).all()
    assert judge.at(x)[0].min() > 0.9
    assert judge.at(x)[1].max() < 0.1
    with pytest.raises(ValueError, match="ridge above 0"):
        fit_judge(x, right, 0.0)


SCORES, OWN, WEAK = [0.9, 0.8, 0.6, 0.6, 0.3], [1, 1, 1, 0, 0], [0, 1, 0, 1, 1]


@pytest.mark.parametrize(
    ("rule", "scores", "own", "weak", "expected"),
    [
        ("best", SCORES, OWN, WEAK, 0.85),  # gains by level: 1, 1, 1, 0; of equally good thresholds the highest
        ("not_worse", SCORES, OWN, WEAK, 0.0),
        ("not_worse", SCORES, [1, 1, 0, 0, 0], [1, 1, 0, 1, 1], 0.7),
        ("best", SCORES, [1, 1, 1, 1, 0], [0, 0, 0, 1, 1], 0.45),
        ("best", SCORES, [0] * 5, [1] * 5, 1.0),
        ("not_worse", SCORES, [0] * 5, [1] * 5, 1.0),
        ("best", [0.5, 0.5], [1, 1], [0, 0], 0.0),
        ("best", [], [], [], 1.0),
    ],
)
def test_thresholds_by_hand(rule, scores, own, weak, expected):
    assert threshold_for(scores, own, weak, rule) == pytest.approx(expected, abs=1e-12)


LISTS = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.booleans(), st.booleans()), min_size=1, max_size=30)


@given(LISTS)
def test_no_threshold_is_better_than_the_best(items):
    scores, own, weak = (np.array(values, dtype=float) for values in zip(*items, strict=True))

    def accuracy(tau):
        return np.where(scores > tau, own, weak).mean()

    best = threshold_for(scores, own, weak, "best")
    assert accuracy(best) == pytest.approx(max(accuracy(tau) for tau in (0.0, 0.1, 0.3, 0.6, 0.9, 1.0)))
    fine = threshold_for(scores, own, weak, "not_worse")
    chosen = scores > fine
    assert own[chosen].sum() >= weak[chosen].sum()
    assert 0 <= fine <= 1
    for tau in (0.0, 0.1, 0.3, 0.6, 0.9):
        if tau < fine and (scores > tau).sum() > chosen.sum():
            assert own[scores > tau].sum() < weak[scores > tau].sum()


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4]), st.booleans()), min_size=1, max_size=25))
def test_auroc_by_pairs(items):
    scores, hits = np.array([s for s, _ in items]), np.array([h for _, h in items])
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[hits] for b in scores[~hits]]
    found = auroc(scores, hits)
    assert found == pytest.approx(np.mean(pairs)) if pairs else np.isnan(found)
    turned = auroc([scores, scores], [hits, ~hits])
    assert turned.sum() == pytest.approx(1.0) if pairs else np.isnan(turned).all()


def test_certainty():
    assert certainty([[0.2, 0.8], [0.5, 0.5]]) == pytest.approx(np.array([[0.8, 0.6], [0.5, 0.0]]))
    assert certainty([[0.1, 0.3, 0.6]]) == pytest.approx(np.array([[0.6, 0.3]]))


def test_what_a_judge_sees():
    states, answers = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.2, 0.8], [0.7, 0.3]])
    np.testing.assert_array_equal(judged_features(states, answers, "states"), states)
    sure = [[0.8, 0.6], [0.7, 0.4]]
    assert judged_features(states, answers, "certainty") == pytest.approx(np.array(sure))
    assert judged_features(states, answers, "both") == pytest.approx(np.hstack([states, sure]))
    by_class = [[0, 0, 1, 2], [3, 4, 0, 0]]
    assert judged_features(states, answers) == pytest.approx(np.hstack([by_class, sure]))
