"""Softmax heads by Newton steps: against a general minimiser, alone and in company, and where labels are extreme."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from w2s.probes.softmax import fit_softmax, log_softmax
from w2s_kernels import NUMPY

RNG = np.random.default_rng(5)
ROWS = RNG.standard_normal((3, 60, 4))


def labels(classes: int, spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(classes)
    return log_softmax(ROWS @ rng.standard_normal((3, 4, classes)) + spread * rng.standard_normal((3, 60, classes)))


def loss(free: np.ndarray, k: int, log_q: np.ndarray, reverse: bool, ridge: float, weights: np.ndarray) -> float:
    logits = np.column_stack([ROWS[k] @ free.reshape(4, -1), np.zeros(60)])
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    each = np.exp(logs) * (logs - log_q[k]) if reverse else -np.exp(log_q[k]) * logs
    return float(weights @ each.sum(axis=1) / weights.sum() + ridge / 2 * (free**2).sum())


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_it_finds_what_a_general_minimiser_finds(classes: int, reverse: bool, ridge: float) -> None:
    log_q, weights = labels(classes), RNG.uniform(0, 2, 60)
    found, gradient = fit_softmax(ROWS, log_q, NUMPY, reverse=reverse, ridge=ridge, weights=weights[None])
    assert gradient.max() < 1e-8
    assert (found[..., -1] == 0).all()
    for k in range(3):
        best = minimize(loss, np.zeros(4 * (classes - 1)), (k, log_q, reverse, ridge, weights), tol=1e-12)
        value = loss(found[k, :, :-1].reshape(-1), k, log_q, reverse, ridge, weights)
        assert value == pytest.approx(best.fun, abs=1e-9)
        np.testing.assert_allclose(found[k, :, :-1].reshape(-1), best.x, atol=2e-4)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_problem_has_the_bits_it_has_alone(reverse: bool) -> None:
    log_q = labels(3)
    together, _ = fit_softmax(ROWS, log_q, NUMPY, reverse=reverse)
    for k in range(3):
        alone, _ = fit_softmax(ROWS[k : k + 1], log_q[k : k + 1], NUMPY, reverse=reverse)
        np.testing.assert_array_equal(alone[0], together[k])


def test_labels_of_a_head_give_it_back() -> None:
    weights = np.concatenate([RNG.standard_normal((3, 4, 2)), np.zeros((3, 4, 1))], axis=-1)
    for reverse in (False, True):
        found, _ = fit_softmax(ROWS, log_softmax(ROWS @ weights), NUMPY, reverse=reverse)
        np.testing.assert_allclose(found, weights, atol=1e-9)


def test_hard_labels_and_a_ridge() -> None:
    """Separable one-hot labels: the ridge holds the head, and a class that is certain costs no infinity."""
    with np.errstate(divide="ignore"):
        log_q = np.log(np.eye(2)[(ROWS[..., 0] > 0).astype(int)])
    found, gradient = fit_softmax(ROWS, log_q, NUMPY, ridge=1e-3)
    assert np.isfinite(found).all()
    assert gradient.max() < 1e-10
    assert ((ROWS @ found).argmax(axis=-1) == (ROWS[..., 0] > 0)).mean() > 0.97


def test_a_feature_that_is_there_twice() -> None:
    """The weights are not unique then; the predictions are."""
    twice = np.concatenate([ROWS, ROWS[..., :1]], axis=-1)
    once, _ = fit_softmax(ROWS, labels(2), NUMPY)
    found, gradient = fit_softmax(twice, labels(2), NUMPY)
    assert gradient.max() < 1e-9
    np.testing.assert_allclose(log_softmax(twice @ found), log_softmax(ROWS @ once), atol=1e-7)
