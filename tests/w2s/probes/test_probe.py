"""Linear probes against least squares, scikit-learn's ridge and literal gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from w2s.probes.filters import LABEL_RULES, filters_of, hard_labels
from w2s.probes.moments import MomentProbe
from w2s.probes.rows import RowProbe
from w2s_kernels import NUMPY, Filters, flow, ridge, steps

Matrix = npt.NDArray[np.float64]

SHAPES = {"tall": (60, 9), "square": (20, 20), "wide": (15, 40)}
PREPROCESS = ("none", "center", "standardise")


def data(shape: str, seed: int = 0) -> tuple[Matrix, Matrix, Matrix]:
    """Training rows with a mean and unequal scales, two targets, other rows."""
    n, d = SHAPES[shape]
    rng = np.random.default_rng(seed)
    scales, mean = rng.uniform(0.3, 3, d), rng.uniform(-2, 2, d)
    X, T = (rng.standard_normal((m, d)) * scales + mean for m in (n, 25))
    return X, X[:, :2] + rng.standard_normal((n, 2)) + 5.0, T


def predictions(X: Matrix, Y: Matrix, T: Matrix, filters: Filters, preprocess: str = "none") -> Matrix:
    probe = RowProbe(X, preprocess, NUMPY)
    return probe.fit(Y, filters).at(probe.basis(T))


def close(got: Any, want: Any, rel: float = 1e-9) -> None:
    np.testing.assert_allclose(got, want, rtol=0, atol=rel * np.abs(want).max())


def by_lstsq(X: Matrix, Y: Matrix, T: Matrix, preprocess: str) -> Matrix:
    mean, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
    offset = np.zeros(Y.shape[1])
    if preprocess != "none":
        mean, offset = X.mean(axis=0), Y.mean(axis=0)
    if preprocess == "standardise":
        scale = X.std(axis=0)
    return (T - mean) / scale @ np.linalg.lstsq((X - mean) / scale, Y - offset, rcond=None)[0] + offset


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("preprocess", PREPROCESS)
@pytest.mark.parametrize("shape", list(SHAPES))
def test_no_ridge_is_least_squares_of_minimum_norm(shape: str, preprocess: str) -> None:
    X, Y, T = data(shape)
    close(predictions(X, Y, T, ridge([0.0]), preprocess)[0], by_lstsq(X, Y, T, preprocess))


@pytest.mark.parametrize("preprocess", PREPROCESS)
@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("strength", [1e-6, 0.1, 30.0])
def test_ridge_is_scikit_learns(shape: str, preprocess: str, strength: float) -> None:
    X, Y, T = data(shape)
    scaler = StandardScaler(with_mean=preprocess != "none", with_std=preprocess == "standardise").fit(X)
    model = Ridge(alpha=strength * len(X), fit_intercept=preprocess != "none", solver="svd")
    want = model.fit(scaler.transform(X), Y).predict(scaler.transform(T))
    close(predictions(X, Y, T, ridge([strength]), preprocess)[0], want)


def test_filters_are_served_together() -> None:
    X, Y, T = data("tall")
    strengths = [0.0, 1e-3, 1.0, 50.0]
    together = predictions(X, Y, T, ridge(strengths), "center")
    for k, strength in enumerate(strengths):
        close(together[k], predictions(X, Y, T, ridge([strength]), "center")[0], 1e-13)


@pytest.mark.parametrize("shape", list(SHAPES))
def test_endless_flow_is_no_ridge(shape: str) -> None:
    X, Y, T = data(shape)
    close(predictions(X, Y, T, flow([np.inf]), "center")[0], predictions(X, Y, T, ridge([0.0]), "center")[0], 1e-12)


def test_filters_have_their_limits() -> None:
    X, Y, T = data("tall")
    ends = predictions(X, Y, T, flow([0.0]), "center"), predictions(X, Y, T, ridge([1e15]), "center")
    for end in ends:
        close(end[0], np.broadcast_to(Y.mean(axis=0), (len(T), 2)), 1e-12)
    least = by_lstsq(X, Y, T, "center")
    distance = [np.abs(predictions(X, Y, T, flow([t]), "center") - least).max() for t in (1.0, 10.0, 100.0, 1000.0)]
    assert all(np.diff(distance) < 0)
    close(predictions(X, Y, T, ridge([1e-14]), "center")[0], least)
    close(predictions(X, Y, T, flow([1e9]), "center")[0], least)


@pytest.mark.parametrize("make", [lambda: ridge(np.geomspace(1e3, 1e-6, 20)), lambda: flow(np.geomspace(1e-3, 1e6, 20))])
@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_weaker_filter_fits_the_training_rows_better(shape: str, make: Any) -> None:
    X, Y, _ = data(shape)
    error = np.mean((predictions(X, Y, X, make(), "center") - Y) ** 2, axis=(1, 2))
    assert (np.diff(error) <= 1e-12 * error[0]).all()


def test_steps_are_gradient_descent() -> None:
    X, Y, T = data("tall")
    theta, eta = np.zeros((9, 2)), 0.02
    for _ in range(40):
        theta = theta - eta * (X.T @ (X @ theta - Y) / len(X))
    close(predictions(X, Y, T, steps([40], eta))[0], T @ theta)


def test_flow_is_many_small_steps() -> None:
    X, Y, T = data("tall")
    close(predictions(X, Y, T, flow([2.0]))[0], predictions(X, Y, T, steps([400_000], 5e-6))[0], 1e-3)


def test_divergence_is_not_finite_and_no_warning() -> None:
    X, Y, T = data("tall")
    assert not np.isfinite(predictions(X, Y, T, steps([10_000], 100.0))).any()


@pytest.mark.parametrize("preprocess", PREPROCESS)
@pytest.mark.parametrize("strength", [0.0, 1e-12, 1e-6, 0.1])
def test_a_column_twice_is_one_column_of_twice_the_power(preprocess: str, strength: float) -> None:
    X, Y, T = data("tall")
    scale = X.std(axis=0) if preprocess == "standardise" else np.ones(9)
    weight = np.where(np.arange(9) == 3, np.sqrt(2), 1) / scale
    twice = [np.hstack([A, A[:, [3]]]) for A in (X, T)]
    got = predictions(twice[0], Y, twice[1], ridge([strength]), preprocess)
    want = predictions(X * weight, Y, T * weight, ridge([strength]), "none" if preprocess == "none" else "center")
    close(got, want)


@pytest.mark.parametrize("preprocess", PREPROCESS)
@pytest.mark.parametrize("strength", [0.0, 1e-16, 1e-12, 1e-6, 0.1])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_column_that_does_not_vary_has_no_say_elsewhere(preprocess: str, strength: float, value: float) -> None:
    """On other rows it may hold anything: a direction that the training rows do not span gets no weight."""
    X, Y, T = data("tall")
    if preprocess == "none":
        value = 0.0
    wider = np.hstack([X, np.full((len(X), 1), value)])
    others = np.hstack([T, np.random.default_rng(1).uniform(-1e3, 1e3, (len(T), 1))])
    got = predictions(wider, Y, others, ridge([strength]), preprocess)
    close(got, predictions(X, Y, T, ridge([strength]), preprocess))


@pytest.mark.parametrize("filters", [ridge([1e-10]), flow([1e10])], ids=["ridge", "flow"])
def test_a_weak_filter_is_near_the_minimum_norm_where_rows_span_little(filters: Filters) -> None:
    rng = np.random.default_rng(4)
    map_ = rng.standard_normal((6, 30))
    X, Y, T = rng.standard_normal((40, 6)) @ map_, rng.standard_normal((40, 1)), rng.standard_normal((25, 30))
    close(predictions(X, Y, T, filters)[0], T @ (np.linalg.pinv(X) @ Y), 1e-8)


def test_rank_and_constant_columns_are_counted() -> None:
    X, _, _ = data("tall")
    assert RowProbe(X, "center", NUMPY).full_rank
    probe = RowProbe(np.hstack([X, X[:, [0]], np.ones((60, 2))]), "standardise", NUMPY)
    assert (probe.rank, probe.width, probe.constant, probe.full_rank) == (9, 12, 2, False)
    assert RowProbe(data("wide")[0], "center", NUMPY).rank == 14
    assert RowProbe(data("wide")[0], "none", NUMPY).rank == 15


def test_the_intercept_is_not_penalised() -> None:
    X, Y, T = data("tall")
    moved = predictions(X + 7.0, Y + 100.0, T + 7.0, ridge([0.5]), "center")
    close(moved, predictions(X, Y, T, ridge([0.5]), "center") + 100.0, 1e-12)


def test_condition_is_that_of_the_solved_system() -> None:
    X, _, _ = data("tall")
    singular = np.linalg.svd(X, compute_uv=False)
    s = singular**2 / len(X)
    want = np.sqrt([s[0] / s[-1], (s[0] + 0.3) / (s[-1] + 0.3)])
    close(RowProbe(X, "none", NUMPY).condition(ridge([0.0, 0.3])), want)
    gram = np.stack([X.T @ X / len(X)] * 2)
    close(MomentProbe(gram, NUMPY).condition(ridge([0.0, 0.3])), np.stack([want**2] * 2))


# ---------------------------------------------------------------- moments


@pytest.mark.parametrize("strength", [0.0, 1e-6, 0.4])
def test_moments_and_rows_agree(strength: float) -> None:
    X, Y, T = data("tall")
    n = len(X)
    theta = MomentProbe(X.T @ X / n, NUMPY).fit(X.T @ Y / n, ridge([strength]))
    close(T @ theta[0], predictions(X, Y, T, ridge([strength]))[0])


def test_weak_labels_need_no_rows() -> None:
    """The student on the cross Gram times the weak coefficients is the student on the weak labels, item by item."""
    rng = np.random.default_rng(3)
    weak, strong, theta = rng.standard_normal((3, 50, 4)), rng.standard_normal((3, 50, 6)), rng.standard_normal((3, 4, 2))
    gram, cross = strong.transpose(0, 2, 1) @ strong / 50, strong.transpose(0, 2, 1) @ weak / 50
    found = MomentProbe(gram, NUMPY).fit(cross @ theta, ridge([0.0, 0.2]))
    assert found.shape == (3, 2, 6, 2)
    for i in range(3):
        labels = weak[i] @ theta[i]
        close(found[i, 0], np.linalg.lstsq(strong[i], labels, rcond=None)[0])
        close(found[i, 1], Ridge(alpha=0.2 * 50, fit_intercept=False, solver="svd").fit(strong[i], labels).coef_.T)


def test_singular_moments_are_named() -> None:
    X, _, _ = data("tall")
    twin = np.hstack([X[:, :8], X[:, [0]]])
    grams = np.stack([A.T @ A / len(A) for A in (X, twin)])
    assert MomentProbe(grams, NUMPY).singular.tolist() == [False, True]


# ---------------------------------------------------------------- filters and labels


def test_filters_come_from_cells() -> None:
    null: dict[str, Any] = dict.fromkeys(("ridge", "time", "steps", "step_size"))
    cells = [
        null | {"student_filter": "flow", "time": np.inf},
        null | {"student_filter": "ridge", "ridge": 0.5},
        null | {"student_filter": "steps", "steps": 7, "step_size": 0.1},
        null | {"student_filter": "flow", "time": 3.0},
    ]
    got = filters_of(cells)
    assert len(got) == 4
    for k, want in enumerate((flow([np.inf]), ridge([0.5]), steps([7], 0.1), flow([3.0]))):
        assert got[k] == want


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_hard_labels_are_the_largest_output(classes: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(-2, 3, (3, 11, classes)).astype(float)
    labels = hard_labels(scores)
    assert labels.shape == scores.shape
    assert set(np.unique(labels)) <= {0.0, 1.0}
    assert (labels.sum(axis=-1) == 1).all()
    for index in np.ndindex(3, 11):
        row = scores[index].tolist()
        assert labels[index].tolist().index(1.0) == row.index(max(row))
    assert LABEL_RULES["soft"](scores) is scores
    assert (LABEL_RULES["hard"](labels) == labels).all()
