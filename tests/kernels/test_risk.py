from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import close, design

from w2s_kernels import Backend, distance, gram, joint_risk, risk
from w2s_kernels.reference import risk_reference


def problem(n: int = 50, d: int = 6, k: int = 2, L: int = 4) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    return design(rng, n, d), rng.standard_normal((n, k)), rng.standard_normal((L, d, k))


def test_risk_is_the_mean_squared_error(backend: Backend) -> None:
    X, y, theta = problem()
    S, c, p = gram(X) / 50, gram(X, y) / 50, (y**2).mean(axis=0)
    a = backend.asarray
    got = backend.to_numpy(risk(a(theta), a(S), a(c), a(p)))
    close(got, np.stack([risk_reference(t, X, y) for t in theta]), 1e-14)
    close(backend.to_numpy(risk(a(theta[1]), a(S), a(c), a(p))), got[1], 1e-14)


def test_distance_is_the_mean_squared_difference(backend: Backend) -> None:
    X, _, theta = problem()
    S, a = backend.asarray(gram(X) / 50), backend.asarray
    want = np.stack([np.mean((X @ (t - theta[0])) ** 2, axis=0) for t in theta])
    close(backend.to_numpy(distance(a(theta), a(theta[0]), S)), want, 1e-14)
    close(backend.to_numpy(distance(a(theta[0]), a(theta), S)), want, 1e-14)
    assert (backend.to_numpy(distance(a(theta), a(theta), S)) == 0).all()


def test_joint_risk_both_ways(backend: Backend) -> None:
    X, _, v = problem()
    a = backend.asarray
    want = np.stack([np.mean((X @ t) ** 2, axis=0) for t in v])
    close(backend.to_numpy(joint_risk(a(v), a(gram(X) / 50))), want, 1e-14)
    close(backend.to_numpy(joint_risk(a(v), factor=a(X / np.sqrt(50)))), want, 1e-14)
    factor = np.linalg.cholesky(gram(X) / 50).T
    close(backend.to_numpy(joint_risk(a(v), factor=a(factor))), want, 1e-13)


def test_difference_form_does_not_cancel(backend: Backend) -> None:
    """Two predictors 1e-9 apart: the difference form keeps 7 digits where the plain risk keeps none."""
    X, _, theta = problem()
    S, b = gram(X) / 50, theta[0]
    close_by = b * (1 + 2.0**-30)
    a = backend.asarray
    got = backend.to_numpy(distance(a(close_by), a(b), a(S)))
    np.testing.assert_allclose(got, 2.0**-60 * np.mean((X @ b) ** 2, axis=0), rtol=1e-6)
    plain = backend.to_numpy(risk(a(close_by), a(S), a(S @ b), a(np.sum(b * (S @ b), axis=0))))
    assert np.abs(plain / got - 1).max() > 1e-2


def test_one_filter_of_many_and_one_item_of_many(backend: Backend) -> None:
    rng = np.random.default_rng(2)
    for d, k, L in [(1, 1, 1), (5, 1, 3), (40, 3, 7), (9, 2, 4)]:
        X, y = rng.standard_normal((3, 30, d)), rng.standard_normal((3, 30, k))
        theta = backend.asarray(rng.standard_normal((3, L, d, k)))
        S, c = gram(X, backend=backend) / 30, gram(X, y, backend) / 30
        p = backend.asarray((y**2).mean(axis=1))
        whole = backend.to_numpy(risk(theta, S, c, p))
        assert whole.shape == (3, L, k)
        apart = backend.to_numpy(distance(theta, theta[:, 0], S))
        for i in range(3):
            np.testing.assert_array_equal(whole[i], backend.to_numpy(risk(theta[i], S[i], c[i], p[i])))
            np.testing.assert_array_equal(apart[i], backend.to_numpy(distance(theta[i], theta[i, 0], S[i])))


def test_scalar_power_and_known_answer(backend: Backend) -> None:
    a = backend.asarray
    got = risk(a([[1.0], [2.0]]), a([[1.0, 0.0], [0.0, 4.0]]), a([[1.0], [1.0]]), 3.0)
    assert float(got[0]) == 3 - 2 * 3 + 1 + 16


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.integers(-200, 200))
def test_rounding_never_shows_as_a_negative_risk(seed: int, scale: int) -> None:
    """A perfect fit: the exact risk is zero, the sum may round below it, the result may not."""
    rng = np.random.default_rng(seed)
    X, b = rng.standard_normal((20, 5)) * 2.0**scale, rng.standard_normal((5, 3))
    S = gram(X) / 20
    got = risk(b, S, S @ b, np.sum(b * (S @ b), axis=0))
    assert (got >= 0).all()
    assert (got <= 1e-13 * np.sum(b * (S @ b), axis=0)).all()


def test_truly_negative_results_are_returned_as_they_are(backend: Backend) -> None:
    a = backend.asarray
    wrong = risk(a([[1.0]]), a([[1.0]]), a([[1.0]]), 0.5)
    assert float(wrong[0]) == -0.5
    indefinite = joint_risk(a([[1.0], [1.0]]), a([[1.0, 0.0], [0.0, -2.0]]))
    assert float(indefinite[0]) == -1.0


def test_exactly_one_form_is_given() -> None:
    with pytest.raises(TypeError, match="exactly one"):
        joint_risk(np.ones((2, 1)))
    with pytest.raises(TypeError, match="exactly one"):
        joint_risk(np.ones((2, 1)), np.eye(2), np.eye(2))
