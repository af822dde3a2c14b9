from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import close, design
from textbook import nested_reference
from threadpoolctl import threadpool_limits

from w2s_kernels import NUMPY, Backend, gram, joint_risk, nested, stream, wishart
from w2s_kernels.moments.kept import WIDE
from w2s_kernels.nested.plain import PANEL


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Blocks compute on one thread; many small BLAS calls on two would also wait for a busy core."""
    with threadpool_limits(1):
        yield


def problem(n: int = 300, d: int = 40, k: int = 3, condition: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(d + k)
    return design(rng, n, d, condition), rng.standard_normal((n, k))


def through_gram(X: np.ndarray, y: np.ndarray, widths: list[int], lam: float, backend: Backend) -> np.ndarray:
    n = X.shape[-2]
    R, info = nested.cholesky_gram(gram(X, backend=backend) / n, lam, backend)
    assert not info.any()
    z = nested.forward(R, gram(X, y, backend) / n, backend)
    return backend.to_numpy(nested.coefficients(R, z, widths, backend))


def expected(X: np.ndarray, y: np.ndarray, widths: list[int], lam: float = 0.0) -> np.ndarray:
    return np.stack([nested_reference(X, y, w, lam) for w in widths])


@pytest.mark.parametrize("k", range(1, 9))
def test_against_least_squares_of_each_width(k: int, backend: Backend) -> None:
    X, y = problem(k=k)
    for widths in ([40], [1], [1, 2, 39, 40], list(range(1, 41))):
        close(through_gram(X, y, widths, 0.0, backend), expected(X, y, widths), 1e-12)


@pytest.mark.parametrize("lam", [1e-3, 1.0])
def test_ridge_across_many_panels(lam: float, backend: Backend) -> None:
    X, y = problem(n=400, d=3 * PANEL + 17)
    for widths in ([5, PANEL, 150, 209], list(range(3, 209, 7))):
        got = through_gram(X, y, widths, lam, backend)
        close(got, expected(X, y, widths, lam), 1e-13)
        assert all((theta[w:] == 0).all() for theta, w in zip(got, widths, strict=True))


def test_one_feature_and_few_samples(backend: Backend) -> None:
    X, y = problem(n=5, d=1, k=2)
    close(through_gram(X, y, [1], 0.0, backend), expected(X, y, [1]), 1e-14)
    X, y = problem(n=5, d=20, k=2)
    close(through_gram(X, y, [3, 20], 0.1, backend), expected(X, y, [3, 20], 0.1), 1e-13)


def test_backends_share_their_bits(backend: Backend) -> None:
    if backend.name == "cupy":
        pytest.skip("another library, other roundings")
    X, y = problem(d=WIDE - 1)  # wider Grams are summed by register tiles on Numba
    widths = [10, 100, WIDE - 1]
    np.testing.assert_array_equal(through_gram(X, y, widths, 0.1, backend), through_gram(X, y, widths, 0.1, NUMPY))


def test_joint_factor_keeps_what_a_gram_squares() -> None:
    X, y = problem(n=200, d=30, k=2, condition=1e9)
    widths = [5, 17, 30]
    joint = np.linalg.qr(np.concatenate([X, y], axis=1), mode="r")
    got = nested.coefficients(joint[:30, :30], joint[:30, 30:], widths, NUMPY)
    want = expected(X, y, widths)
    for theta, truth in zip(got, want, strict=True):
        close(theta, truth, 1e-6)
    squared, info = nested.cholesky_gram(gram(X), 0.0, NUMPY)
    assert info > 17, "a condition of 1e18 is not positive definite to rounding"
    bound = nested.condition(joint[:30, :30], widths)
    true = np.array([np.linalg.cond(X[:, :w]) ** 2 for w in widths])
    assert (bound <= true * (1 + 1e-6)).all()
    assert (bound > 1e-3 * true).all()
    assert np.isnan(nested.condition(squared, [30])).all()


def test_a_bad_item_speaks_for_itself_alone(backend: Backend) -> None:
    X = np.stack([problem(n=90, d=80)[0]] * 4)
    X[1, :, 70] = X[1, :, 3]
    grams = gram(X) / 90
    grams[2, 20, 20] -= 3.0
    grams[3] = 0.0
    R, info = nested.cholesky_gram(backend.asarray(grams), 0.0, backend)
    got, status = backend.to_numpy(R), info
    assert status.tolist() == [0, 71, 21, 1]
    np.testing.assert_array_equal(backend.to_numpy(nested.usable(R)), [80, 70, 20, 0])
    alone = backend.to_numpy(nested.cholesky_gram(backend.asarray(grams[0]), 0.0, backend)[0])
    np.testing.assert_array_equal(got[0], alone)
    assert (np.tril(got, -1) == 0).all()
    for item, order in zip(range(1, 4), (70, 20, 0), strict=True):
        rows = got[item, :order]
        np.testing.assert_allclose(rows[:, :order].T @ rows, grams[item, :order], atol=1e-13)
        assert np.isnan(got[item, order:, order:][np.triu_indices(80 - order)]).all()


def test_widths_before_a_singular_order_are_served(backend: Backend) -> None:
    X, y = problem(n=90, d=80)
    X[:, 70] = X[:, 3]
    widths = [10, 70, 71, 80]
    joint, info = nested.cholesky_gram(gram(np.concatenate([X, y], axis=1), backend=backend), 0.0, backend)
    assert int(info) == 71
    got = backend.to_numpy(nested.coefficients(joint[:80, :80], joint[:80, 80:], widths, backend))
    close(got[:2], expected(X, y, widths[:2]), 1e-11)
    assert np.isnan(got[2, :71]).all()
    assert np.isnan(got[3]).all()
    assert (got[2, 71:] == 0).all()
    z = backend.to_numpy(nested.forward(joint[:80, :80], gram(X, y, backend), backend))
    close(z[:70], backend.to_numpy(joint)[:70, 80:], 1e-11)
    assert np.isnan(z[70:]).all()
    values = backend.to_numpy(nested.quadratics(backend.asarray(got), widths, backend.asarray(np.eye(80))))
    close(values[:2], np.sum(got[:2] ** 2, axis=1), 1e-14)
    assert np.isnan(values[2:]).all()


def test_fewer_samples_than_features_interpolate() -> None:
    R = wishart.factor(stream("tests", seed=0), [25], 41, NUMPY)[0]
    theta = nested.coefficients(R[:40, :40], R[:40, 40:], [5, 25, 26], NUMPY)
    assert int(nested.usable(R[:40, :40])) == 25
    close(R[:25, :40] @ theta[1], R[:25, 40:], 1e-12)
    assert np.isnan(theta[2, :26]).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(2, 90))
def test_order_and_units_of_the_features_do_not_matter(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = design(rng, 120, 90), rng.standard_normal((120, 2))
    widths = [width - 1, width, 90] if width < 90 else [89, 90]
    theta = through_gram(X, y, widths, 0.0, NUMPY)
    order = np.arange(90)
    order[:width] = rng.permutation(width)
    permuted = through_gram(X[:, order], y, widths, 0.0, NUMPY)
    for at in range(widths.index(width), len(widths)):
        close(permuted[at], theta[at][order], 1e-11)
    units = 2.0 ** rng.integers(-20, 20, 90)
    scaled = through_gram(X * units, y * 2.0**30, widths, 0.0, NUMPY)
    np.testing.assert_array_equal(scaled * units[:, None], theta * 2.0**30)


def test_forms_are_those_of_the_dense_matrix(backend: Backend) -> None:
    a = backend.asarray
    X, y = problem(n=500, d=200)
    S = gram(X) / 500
    for widths in ([200], [3, 70, 71, 200], list(range(1, 200, 5))):
        theta = a(through_gram(X, y, widths, 0.01, backend))
        close(backend.to_numpy(nested.quadratics(theta, widths, a(S))), backend.to_numpy(joint_risk(theta, a(S))), 1e-14)


def test_an_item_in_a_batch_is_the_item_alone(backend: Backend) -> None:
    rng = np.random.default_rng(8)
    for d, k, widths in [(1, 1, [1]), (70, 2, [1, 30, 70]), (150, 3, [20, 64, 65, 140])]:
        X, y = rng.standard_normal((2, 3, 200, d)), rng.standard_normal((2, 3, 200, k))
        G, c = gram(X, backend=backend), gram(X, y, backend)
        lam = backend.asarray(rng.random((2, 3)))
        R, _ = nested.cholesky_gram(G, lam, backend)
        z = nested.forward(R, c, backend)
        theta = nested.coefficients(R, z, widths, backend)
        batch = [R, z, theta, nested.quadratics(theta, widths, G)]
        shared = nested.quadratics(theta, widths, G[0, 0])
        assert theta.shape == (2, 3, len(widths), d, k)
        for i in np.ndindex(2, 3):
            one, _ = nested.cholesky_gram(G[i], lam[i], backend)
            part = nested.forward(one, c[i], backend)
            mine = nested.coefficients(one, part, widths, backend)
            alone = [one, part, mine, nested.quadratics(mine, widths, G[i])]
            for many, single in zip(batch, alone, strict=True):
                np.testing.assert_array_equal(backend.to_numpy(many[i]), backend.to_numpy(single))
            np.testing.assert_array_equal(
                backend.to_numpy(shared[i]), backend.to_numpy(nested.quadratics(mine, widths, G[0, 0]))
            )


def test_the_gram_is_left_alone() -> None:
    G = gram(problem()[0])
    before = G.copy()
    nested.cholesky_gram(G, 1.0, NUMPY)
    np.testing.assert_array_equal(G, before)


def test_what_makes_no_sense_is_refused() -> None:
    R, z = np.eye(4), np.ones((4, 1))
    for widths in ([], [0], [5], [2, 1], [2, 2], [-1]):
        with pytest.raises(ValueError, match="strictly increasing"):
            nested.coefficients(R, z, widths, NUMPY)
    with pytest.raises(TypeError):
        nested.coefficients(R, z, [1.5], NUMPY)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="z must have shape"):
        nested.coefficients(R, np.ones((3, 1)), [1], NUMPY)
    with pytest.raises(ValueError, match="theta must have shape"):
        nested.quadratics(np.ones((2, 4, 1)), [1], np.eye(4))
    with pytest.raises(ValueError, match="R must have shape"):
        nested.forward(np.ones((3, 4)), z, NUMPY)
    with pytest.raises(ValueError, match="gram must have shape"):
        nested.cholesky_gram(np.ones((3, 4)), 0.0, NUMPY)
    with pytest.raises(ValueError, match="ridge"):
        nested.cholesky_gram(np.eye(3), -1.0, NUMPY)
    with pytest.raises(ValueError, match="non-finite"):
        nested.cholesky_gram(np.full((2, 2), np.nan), 0.0, NUMPY)
