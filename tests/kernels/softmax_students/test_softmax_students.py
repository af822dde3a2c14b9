"""Softmax students of several supervisors: hand values, limits, laws of permutations, and gradients by finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_kernels import NUMPY, choose
from w2s_kernels.softmax_students import Rules, raised_entropy, teach
from w2s_kernels.softmax_students.plain import _descended


def problem(seed: int = 0, supervisors: int = 3, n: int = 40, steps: int = 20) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    labels = rng.dirichlet(np.ones(4), (1, n, supervisors))
    return rng.standard_normal((1, n, 5)), labels, rng.integers(0, n, (1, steps, 8))


def run(inputs: Any, labels: Any, order: Any, rules: Rules, backend: Any = NUMPY, **more: Any) -> Any:
    starts = np.full((1, labels.shape[2]), 1 / labels.shape[2])
    return teach(inputs, labels, order, (np.zeros(1, int),) * 3, starts, rules, backend=backend, **more)


@pytest.mark.parametrize(("rate", "expected"), [(0.1, [0.548520, 0.451480]), (1.0, [0.985203, 0.014797])])
def test_a_step_of_the_weights_by_hand(rate: float, expected: list[float]) -> None:
    """A student at (.8, .2) between labels (.9, .1) and (.2, .8): cross-entropies 0.361773 and 1.332179."""
    slopes = -np.array([[0.9, 0.1], [0.2, 0.8]]) @ np.log([0.8, 0.2])
    assert slopes == pytest.approx([0.361773, 1.332179], abs=1e-6)
    assert _descended(np.array([0.5, 0.5]), slopes, rate, 0.0) == pytest.approx(expected, abs=1e-6)


def test_a_student_descends_the_mean_cross_entropy() -> None:
    """The first step of Adam from zero is the step size times the sign of the gradient, found by differences."""
    inputs, labels, order = problem(steps=1)
    x, y = inputs[0, order[0, 0]], labels[0, order[0, 0]].mean(axis=1)

    def loss(w: Any) -> float:
        z = x @ w
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - (y * z).sum(axis=1)))

    gradient = np.zeros((5, 4))
    for place in np.ndindex(5, 4):
        step = np.zeros((5, 4))
        step[place] = 1e-5
        gradient[place] = (loss(step) - loss(-step)) / 2e-5
    found = run(inputs, labels, order, Rules(), learning_rate=0.1).students[0]
    np.testing.assert_allclose(found, -0.1 * np.sign(gradient), rtol=1e-3)


def test_one_supervisor_is_naive_and_no_rate_is_the_average() -> None:
    inputs, labels, order = problem()
    one = labels[:, :, :1]
    learned = run(inputs, one, order, Rules(rate=0.5, easy=0.3))
    assert (learned.students == run(inputs, one, order, Rules()).students).all()
    assert learned.weights.tolist() == [[1.0]]
    uniform = run(inputs, labels, order, Rules())
    mean = run(inputs, labels.mean(axis=2, keepdims=True), order, Rules())
    np.testing.assert_allclose(uniform.students, mean.students, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("permuted", [[2, 0, 1], [1, 0, 2], [2, 1, 0]])
def test_permuting_supervisors_permutes_weights_and_no_other_bit(backend: str, permuted: list[int]) -> None:
    inputs, labels, order = problem()
    rules = Rules(rate=0.5, easy=0.2, floor=0.3)
    one = run(inputs, labels, order, rules, choose(backend))
    other = run(inputs, labels[:, :, permuted], order, rules, choose(backend))
    assert (one.students == other.students).all()
    assert (one.weights[:, permuted] == other.weights).all()
    assert (one.history[:, :, permuted] == other.history).all()


def test_weights_stay_to_the_bit_in_the_easy_part_and_move_after_it() -> None:
    inputs, labels, order = problem()
    history = run(inputs, labels, order, Rules(rate=0.5, easy=0.5), parts=10).history[0]
    assert (history[:5] == 1 / 3).all()
    assert (history[5] != 1 / 3).all()
    np.testing.assert_allclose(history.sum(axis=1), 1.0)


def test_a_minibatch_without_an_easy_item_changes_nothing() -> None:
    labels = np.array([[[[0.9, 0.1], [0.2, 0.8]]] * 4])
    found = run(np.ones((1, 4, 2)), labels, np.zeros((1, 3, 2), int), Rules(rate=0.5, easy=1.0))
    assert (found.students == 0).all()
    assert found.weights.tolist() == [[0.5, 0.5]]


def test_restarts_decay_and_floor() -> None:
    inputs, labels, order = problem()
    again = run(inputs, labels, order, Rules(rate=0.5, reset=10), parts=20).history[0]
    assert again[9].tolist() == again[19].tolist() == [1 / 3] * 3
    assert again[8].tolist() != [1 / 3] * 3
    plain, slowed = (run(inputs, labels, order, Rules(rate=0.05, decay=d)).weights[0] for d in (0.0, 1.0))
    assert np.abs(slowed - 1 / 3).max() < np.abs(plain - 1 / 3).max()
    held = run(inputs, labels, order, Rules(rate=5.0, floor=0.9)).weights[0]
    assert -np.sum(held * np.log(held)) >= 0.9 * np.log(3) - 1e-12


def test_a_student_in_a_batch_has_the_bits_it_has_alone() -> None:
    inputs, labels, order = problem()
    rates, starts = np.array([0.0, 0.3, 2.0]), np.full((3, 3), 1 / 3)
    which = (np.zeros(3, int),) * 3
    for backend in (NUMPY, choose("numba")):
        whole = teach(inputs, labels, order, which, starts, Rules(rate=rates), backend=backend)
        for k, rate in enumerate(rates):
            alone = run(inputs, labels, order, Rules(rate=rate), backend)
            assert (alone.students[0] == whole.students[k]).all()
            assert (alone.weights[0] == whole.weights[k]).all()


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.floats(1e-9, 1.0), min_size=2, max_size=6), st.floats(0.0, 1.0))
def test_raised_entropy_is_enough_and_stays_on_the_simplex(raw: list[float], floor: float) -> None:
    weights = np.array(raw) / np.sum(raw)
    found = raised_entropy(weights, floor)
    entropy = -np.sum(found[found > 0] * np.log(found[found > 0]))
    assert entropy >= floor * np.log(len(raw)) - 1e-9
    assert found.sum() == pytest.approx(1.0)
    assert (np.argsort(found, kind="stable") == np.argsort(weights, kind="stable")).all() or np.ptp(found) < 1e-9


@pytest.mark.parametrize("fault", ["starts", "order", "labels", "rate"])
def test_malformed_problems_are_refused(fault: str) -> None:
    inputs, labels, order = problem()
    starts, which, more = np.full((1, 3), 1 / 3), (np.zeros(1, int),) * 3, {}
    if fault == "starts":
        starts = np.full((1, 3), 0.5)
    elif fault == "order":
        order = order + 40
    elif fault == "labels":
        labels = labels[:, :-1]
    else:
        more = {"learning_rate": 0.0}
    with pytest.raises(ValueError, match=r"expected|must|match"):
        teach(inputs, labels, order, which, starts, Rules(), **more)
