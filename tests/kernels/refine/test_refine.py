"""Refined float32 factors: float64 answers where they converge, the float64 factor's where they cannot."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from problems import Floats, close, design
from threadpoolctl import threadpool_limits

from w2s_kernels import NUMPY, Backend, nested
from w2s_kernels.cholesky import condition_estimate, solve_factor
from w2s_kernels.refine import MOST_STEPS, RefinedFactor

EPS = float(np.finfo(np.float64).eps)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Blocks compute on one thread."""
    with threadpool_limits(1):
        yield


def problem(d: int, condition: float, k: int = 2) -> tuple[Floats, Floats]:
    """A Gram (d, d) of this condition number and right-hand sides (d, k)."""
    rng = np.random.default_rng([d, k, int(np.log2(condition))])
    X = design(rng, 2 * d + 3, d, np.sqrt(condition))
    G = X.T @ X / len(X)
    return (G + G.T) / 2, rng.standard_normal((d, k))


def exact(gram: Floats, rhs: Floats, ridge: float, backend: Backend) -> Floats:
    """The float64 Cholesky solution."""
    R, _ = nested.cholesky_gram(backend.asarray(gram), ridge, backend)
    return backend.to_numpy(solve_factor(R, backend.asarray(rhs), backend))


def backward_error(gram: Floats, x: Floats, rhs: Floats) -> float:
    size = np.abs(gram).sum(axis=1).max() * np.abs(x).max(axis=0) + np.abs(rhs).max(axis=0)
    return float(np.max(np.abs(rhs - gram @ x).max(axis=0) / size))


@pytest.mark.parametrize("k", [1, 8, 100])
@pytest.mark.parametrize("d", [1, 2, 7, 64, 200])
def test_up_to_a_million_it_is_the_float64_solution(d: int, k: int, backend: Backend) -> None:
    for condition in (1.0, 1e2, 1e4, 1e6):
        G, b = problem(d, condition, k)
        found = RefinedFactor(backend.asarray(G), 0.0, backend).solve(backend.asarray(b))
        assert bool(found.converged)
        assert 1 <= int(found.steps) <= 6
        x = backend.to_numpy(found.solution)
        assert backward_error(G, x, b) <= 2 * np.sqrt(d) * EPS  # twice: the residual here is rounded in another order
        close(x, exact(G, b, 0.0, backend), 50 * EPS * condition)


@pytest.mark.parametrize("condition", [1e7, 1e8])
def test_at_the_edge_it_converges_or_falls_back(condition: float, backend: Backend) -> None:
    for d in (4, 30, 150):
        G, b = problem(d, condition)
        found = RefinedFactor(backend.asarray(G), 0.0, backend).solve(backend.asarray(b))
        close(backend.to_numpy(found.solution), exact(G, b, 0.0, backend), 50 * EPS * condition)
        assert int(found.steps) <= MOST_STEPS


@pytest.mark.parametrize("condition", [1e9, 1e10, 1e12, 1e14])
def test_beyond_it_the_float64_factor_answers(condition: float, backend: Backend) -> None:
    for d in (4, 30, 150):
        G, b = problem(d, condition)
        factor = RefinedFactor(backend.asarray(G), 0.0, backend)
        found = factor.solve(backend.asarray(b))
        assert not bool(found.converged)
        np.testing.assert_array_equal(backend.to_numpy(found.solution), exact(G, b, 0.0, backend))
        assert float(factor.condition([d])[0]) >= 0.4 * condition


def test_a_ridge_brings_convergence_back(backend: Backend) -> None:
    G, b = problem(50, 1e14)
    found = RefinedFactor(backend.asarray(G), 1e-5, backend).solve(backend.asarray(b))
    assert bool(found.converged)
    close(backend.to_numpy(found.solution), np.linalg.solve(G + 1e-5 * np.eye(50), b), 50 * EPS * 1e5)


@pytest.mark.parametrize(("unit", "size"), [(1e-200, 1.0), (1e200, 1.0), (1e-200, 1e100), (1e200, 1e-80), (1.0, 1e300)])
def test_scales_far_outside_float32(unit: float, size: float, backend: Backend) -> None:
    # Powers of two near these, so that the scaled problem has the same digits.
    unit, size = (2.0 ** round(float(np.log2(x))) for x in (unit, size))
    G, b = problem(40, 1e4)
    plain = RefinedFactor(backend.asarray(G), 2.0**-9, backend).solve(backend.asarray(b))
    found = RefinedFactor(backend.asarray(G * unit), unit * 2.0**-9, backend).solve(backend.asarray(b * size))
    assert bool(found.converged)
    assert int(found.steps) == int(plain.steps)
    close(backend.to_numpy(found.solution) * (unit / size), backend.to_numpy(plain.solution), 1e-13)
    conditions = [
        float(RefinedFactor(backend.asarray(G * u), u * 2.0**-9, backend).condition([40])[0]) for u in (1.0, float(unit))
    ]
    assert conditions[1] == pytest.approx(conditions[0], rel=1e-5)


def test_features_in_units_of_their_own(backend: Backend) -> None:
    G, b = problem(40, 1e3)
    units = 2.0 ** np.random.default_rng(0).integers(-300, 300, 40)
    scaled, right = G * units * units[:, None], b * units[:, None]
    found = RefinedFactor(backend.asarray(scaled), 0.0, backend).solve(backend.asarray(right))
    assert bool(found.converged)
    close(backend.to_numpy(found.solution) * units[:, None], exact(G, b, 0.0, backend), 50 * EPS * 1e3)


def test_what_is_singular_is_nan_and_leaves_its_neighbours_alone(backend: Backend) -> None:
    good, b = problem(30, 10.0)
    X = design(np.random.default_rng(1), 90, 30)
    X[:, 20] = X[:, 4]
    indefinite = good.copy()
    indefinite[3, 9] = indefinite[9, 3] = 1e60
    grams = np.stack([good, X.T @ X / 90, np.zeros((30, 30)), indefinite, good])
    rhs = np.stack([b] * 5)
    rhs[4, 0, 0] = np.nan
    found = RefinedFactor(backend.asarray(grams), 0.0, backend).solve(backend.asarray(rhs))
    x = backend.to_numpy(found.solution)
    assert backend.to_numpy(found.converged).tolist() == [True, False, False, False, False]
    assert np.isnan(x[1:4]).all()
    assert np.isnan(x[4, :, 0]).any()
    np.testing.assert_array_equal(x[4, :, 1], exact(good, b, 0.0, backend)[:, 1])
    alone = RefinedFactor(backend.asarray(good), 0.0, backend).solve(backend.asarray(b))
    np.testing.assert_array_equal(x[0], backend.to_numpy(alone.solution))


def test_an_item_in_a_batch_is_the_item_alone(backend: Backend) -> None:
    for d, k in [(1, 1), (70, 2), (130, 5)]:
        pairs = [problem(d, condition, k) for condition in (10.0, 1e5, 1e7, 1e12)]
        grams, rhs = (np.stack(parts).reshape(2, 2, d, -1) for parts in zip(*pairs, strict=True))
        ridges = np.array([[0.0, 1e-6], [0.0, 0.0]])
        many = RefinedFactor(backend.asarray(grams), backend.asarray(ridges), backend).solve(backend.asarray(rhs))
        for i in np.ndindex(2, 2):
            one = RefinedFactor(backend.asarray(grams[i]), ridges[i], backend).solve(backend.asarray(rhs[i]))
            for whole, part in zip(many, one, strict=True):
                np.testing.assert_array_equal(backend.to_numpy(whole[i]), backend.to_numpy(part))


def test_nested_widths_are_each_solved_alone(backend: Backend) -> None:
    G, b = problem(150, 1e4, 3)
    G[:, 120:] *= 1e-4  # the wider ones are beyond float32, the narrower are not
    G[120:] *= 1e-4
    G[149] = G[148]
    G[:, 149] = G[:, 148]
    widths = [1, 30, 119, 140, 150]
    found = RefinedFactor(backend.asarray(G), 0.0, backend).solve_widths(backend.asarray(b), widths)
    x = backend.to_numpy(found.solution)
    assert not backend.to_numpy(found.converged).any()  # float32 has no factor of the widest, so none of the others
    leading = RefinedFactor(backend.asarray(G[:119, :119]), 0.0, backend).solve_widths(backend.asarray(b[:119]), widths[:3])
    assert backend.to_numpy(leading.converged).all()
    for at, width in enumerate(widths[:4]):
        want = exact(G[:width, :width], b[:width], 0.0, backend)
        close(x[at, :width], want, 50 * EPS * 1e5)
        assert (x[at, width:] == 0).all()
    assert np.isnan(x[4]).all()
    close(backend.to_numpy(leading.solution), x[:3, :119], 50 * EPS * 1e5)


def test_one_factor_serves_many_right_hand_sides(backend: Backend) -> None:
    G, b = problem(40, 100.0, 6)
    factor = RefinedFactor(backend.asarray(G), 0.5, backend)
    for part in (b[:, :1], b, 0.0 * b, np.zeros((40, 0))):
        found = factor.solve(backend.asarray(part))
        assert bool(found.converged)
        close(backend.to_numpy(found.solution), np.linalg.solve(G + 0.5 * np.eye(40), part), 1e-13)
    before = G.copy()
    factor.solve(backend.asarray(b))
    np.testing.assert_array_equal(G, before)


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6, 1e10])
def test_condition_numbers_are_of_the_right_size(condition: float, backend: Backend) -> None:
    for d in (1, 5, 60):
        G, _ = problem(d, condition)
        true = np.linalg.cond(G + 1e-9 * np.eye(d))
        R, _ = nested.cholesky_gram(backend.asarray(G), 1e-9, backend)
        refined = float(RefinedFactor(backend.asarray(G), 1e-9, backend).condition([d])[0])
        for found in (float(condition_estimate(backend.asarray(G), R, 1e-9, backend)), refined):
            assert true / d ** (1 / 6) <= 1.01 * found
            assert found <= 1.01 * np.sqrt(d) * true


def test_two_equal_features_are_seen_in_the_condition() -> None:
    X = np.random.default_rng(3).standard_normal((90, 30))
    X[:, 7] = X[:, 3]
    G = X.T @ X / 90
    R, _ = nested.cholesky_gram(G, 1e-4, NUMPY)
    true = np.linalg.cond(G + 1e-4 * np.eye(30))
    assert float(condition_estimate(G, R, 1e-4, NUMPY)) >= 0.5 * true
    assert float(RefinedFactor(G, 1e-4, NUMPY).condition([30])[0]) >= 0.5 * true


def test_what_makes_no_sense_is_refused() -> None:
    G, b = problem(4, 10.0)
    with pytest.raises(ValueError, match="gram must have shape"):
        RefinedFactor(np.ones((3, 4)), 0.0, NUMPY)
    with pytest.raises(ValueError, match="rhs must have shape"):
        RefinedFactor(G, 0.0, NUMPY).solve(b[:3])
    with pytest.raises(ValueError, match="ridge"):
        RefinedFactor(G, -1.0, NUMPY).solve(b)
    with pytest.raises(ValueError, match="non-finite"):
        RefinedFactor(np.full((4, 4), np.nan), 0.0, NUMPY)
    with pytest.raises(ValueError, match="strictly increasing"):
        RefinedFactor(G, 0.0, NUMPY).solve_widths(b, [2, 2])
