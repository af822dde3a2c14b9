from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import close, design
from textbook import risk_reference

from w2s_kernels import Backend, gram, joint_risk


def problem(n: int = 50, d: int = 6, k: int = 2, L: int = 4) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    return design(rng, n, d), rng.standard_normal((n, k)), rng.standard_normal((L, d, k))


def test_it_is_the_mean_squared_error(backend: Backend) -> None:
    """One vector over features and targets: [theta, -1] on [X, y]."""
    X, y, theta = problem()
    Z = np.hstack([X, y])
    joint = np.concatenate([theta, -np.eye(2)[None].repeat(len(theta), axis=0)], axis=1)
    a = backend.asarray
    got = backend.to_numpy(joint_risk(a(joint), a(gram(Z) / 50)))
    close(got, np.stack([risk_reference(t, X, y) for t in theta]), 1e-14)
    close(backend.to_numpy(joint_risk(a(joint[1]), a(gram(Z) / 50))), got[1], 1e-14)


def test_differences_do_not_cancel(backend: Backend) -> None:
    """Two predictors 1e-9 apart keep their digits."""
    X, _, theta = problem()
    S, b = gram(X) / 50, theta[0]
    got = backend.to_numpy(joint_risk(backend.asarray(b * (1 + 2.0**-30) - b), backend.asarray(S)))
    np.testing.assert_allclose(got, 2.0**-60 * np.mean((X @ b) ** 2, axis=0), rtol=1e-6)


def test_one_filter_of_many_and_one_item_of_many(backend: Backend) -> None:
    rng = np.random.default_rng(2)
    for d, k, L in [(1, 1, 1), (5, 1, 3), (40, 3, 7), (9, 2, 4)]:
        X = rng.standard_normal((3, 30, d))
        v, S = backend.asarray(rng.standard_normal((3, L, d, k))), gram(X, backend=backend) / 30
        whole = backend.to_numpy(joint_risk(v, S))
        assert whole.shape == (3, L, k)
        for i in range(3):
            np.testing.assert_array_equal(whole[i], backend.to_numpy(joint_risk(v[i], S[i])))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.integers(-200, 200))
def test_rounding_never_shows_as_a_negative_risk(seed: int, scale: int) -> None:
    """A vector that the rows do not see: the exact risk is zero, the sum may round below it, the result may not."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((20, 5)) * 2.0**scale
    X[:, 4] = X[:, :4].sum(axis=1)
    S, v = gram(X) / 20, np.array([[1.0], [1.0], [1.0], [1.0], [-1.0]])
    got = joint_risk(v, S)
    assert (got >= 0).all()
    assert (got <= 1e-13 * (abs(v).T @ abs(S) @ abs(v)).max()).all()


def test_truly_negative_results_are_returned_as_they_are(backend: Backend) -> None:
    a = backend.asarray
    indefinite = joint_risk(a([[1.0], [1.0]]), a([[1.0, 0.0], [0.0, -2.0]]))
    assert float(indefinite[0]) == -1.0
