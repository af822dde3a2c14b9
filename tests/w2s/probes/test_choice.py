"""Conditional logits: the optimum against scikit-learn's and against a descent of another kind, laws of the loss, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_array

from w2s.probes.choice import Alternatives, fit_choice, most_probable


def drawn(seed: int, counts: list[int], width: int = 3) -> tuple[Alternatives, np.ndarray]:
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(counts)])
    labels = rng.random(starts[-1]) + 0.01
    return Alternatives(rng.standard_normal((starts[-1], width)), starts), labels / np.repeat(
        np.add.reduceat(labels, starts[:-1]), counts
    )


def loss(weights: np.ndarray, moves: Alternatives, labels: np.ndarray, ridge: float) -> float:
    """The definition, item by item."""
    total = 0.0
    for a, b in zip(moves.starts[:-1], moves.starts[1:], strict=True):
        scores = moves.rows[a:b] @ weights
        total -= float(labels[a:b] @ (scores - np.log(np.exp(scores - scores.max()).sum()) - scores.max()))
    return total / (len(moves.starts) - 1) + 0.5 * ridge * float(weights @ weights)


@pytest.mark.parametrize("ridge", [1e-3, 0.1, 10.0])
def test_a_fit_is_the_least_of_the_definition(ridge: float) -> None:
    moves, labels = drawn(0, [2, 5, 3, 1, 7, 4] * 5)
    found = fit_choice(moves, labels, ridge)
    assert found.gradient <= 1e-7
    other = minimize(
        loss,
        np.zeros(3),
        args=(moves, labels, ridge),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-15, "maxiter": 4000},
    )
    np.testing.assert_allclose(found.weights, other.x, atol=2e-6)
    wrong = fit_choice(
        Alternatives(moves.rows, np.array([0, len(labels)])), labels / labels.sum(), ridge
    )  # one item of all moves
    assert np.abs(found.weights - wrong.weights).max() > 1e-3


def test_pairs_are_logistic_regression_on_differences() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    rows = rng.standard_normal((200, 2, 4))
    chosen = (rng.random(200) < 1 / (1 + np.exp(-(rows[:, 1] - rows[:, 0]) @ [1.0, -2.0, 0.5, 0.0]))).astype(int)
    moves = Alternatives(rows.reshape(-1, 4), 2 * np.arange(201))
    found = fit_choice(moves, np.eye(2)[chosen].ravel(), 0.05)
    peer = LogisticRegression(C=1 / (0.05 * 200), fit_intercept=False, tol=1e-10).fit(rows[:, 1] - rows[:, 0], chosen)
    np.testing.assert_allclose(found.weights, peer.coef_[0], atol=1e-5)


def test_sparse_rows_give_the_same_fit() -> None:
    moves, labels = drawn(2, [3, 4, 2] * 6)
    sparse = Alternatives(csr_array(moves.rows), moves.starts)
    np.testing.assert_allclose(fit_choice(sparse, labels, 0.1).weights, fit_choice(moves, labels, 0.1).weights, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 1000), st.floats(-700, 700))
def test_probabilities_sum_to_one_within_items_and_ignore_a_shift(counts: list[int], seed: int, shift: float) -> None:
    moves, _ = drawn(seed, counts)
    scores = 100 * np.random.default_rng(seed).standard_normal(moves.starts[-1])
    logs = moves.log_softmax(scores)
    np.testing.assert_allclose(np.add.reduceat(np.exp(logs), moves.starts[:-1]), 1.0, rtol=1e-12)
    np.testing.assert_allclose(moves.log_softmax(scores + shift), logs, atol=1e-9)
    best = [int(logs[a:b].argmax()) for a, b in zip(moves.starts[:-1], moves.starts[1:], strict=True)]
    assert most_probable(moves, logs).tolist() == best


def test_of_equal_alternatives_the_first_is_most_probable() -> None:
    moves = Alternatives(np.zeros((5, 1)), np.array([0, 2, 5]))
    assert most_probable(moves, np.array([0.0, 0.0, -1.0, 0.0, 0.0])).tolist() == [0, 1]


@pytest.mark.parametrize("labels", [[0.5, 0.4, 1.0], [1.5, -0.5, 1.0]])
def test_labels_that_are_no_probabilities_are_refused(labels: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        fit_choice(Alternatives(np.ones((3, 1)), np.array([0, 2, 3])), np.array(labels), 0.1)
