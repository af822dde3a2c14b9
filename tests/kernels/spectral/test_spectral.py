from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import FAMILIES, close, design, make
from textbook import flow_reference, ridge_reference, steps_reference

from w2s_kernels import (
    NUMPY,
    Backend,
    Filters,
    coefficients,
    concat,
    condition,
    factor_gram,
    factor_rows,
    filter_coords,
    flow,
    gram,
    project_rows,
    response,
    ridge,
    steps,
)
from w2s_kernels.spectral import factor as module
from w2s_kernels.spectral.plain import apply_filters, scaled

SOLVERS = ["gram", "svd"]
ALL = concat(ridge([0.0, 1e-3, 1.0]), flow([0.1, 3.0, np.inf]), steps([0, 1, 20], 0.7))


def fit(X: Any, y: Any, filters: Filters, solver: str, backend: Backend) -> np.ndarray:
    """Coefficients (..., L, d, k) through one of the two factorisations."""
    n = np.shape(X)[-2]
    if solver == "gram":
        spectrum = factor_gram(gram(X, backend=backend) / n, backend)
        coords = spectrum.project(gram(X, y, backend) / n)
    else:
        spectrum, left = factor_rows(X, backend)
        coords = project_rows(spectrum, left, backend.asarray(y))
    return backend.to_numpy(coefficients(spectrum, response(spectrum, filters, backend), coords))


def expected(X: np.ndarray, y: np.ndarray, filters: Filters) -> np.ndarray:
    solve = [
        lambda f: ridge_reference(X, y, f.value[0]),
        lambda f: ridge_reference(X, y, 0) if np.isinf(f.value[0]) else flow_reference(X, y, f.value[0]),
        lambda f: steps_reference(X, y, int(f.value[0]), f.step[0]),
    ]
    return np.stack([solve[filters.kind[i]](filters[i]) for i in range(len(filters))])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(60, 9), (9, 31), (12, 12), (1, 4), (5, 1)])
def test_against_the_textbook(shape: tuple[int, int], solver: str, backend: Backend) -> None:
    rng = np.random.default_rng(1)
    X, y = design(rng, *shape), rng.standard_normal((shape[0], 3))
    close(fit(X, y, ALL, solver, backend), expected(X, y, ALL), 1e-11)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_backends_agree_on_every_family(family: str, solver: str, backend: Backend) -> None:
    X, y = make(family)
    unit = {"tiny": 1e-300, "huge": 1e300}.get(family, 1.0)
    filters = concat(ridge(np.array([0.0, 1e-3, 1.0]) * unit), flow(np.array([0.1, 3.0]) / unit))
    got, want = fit(X, y, filters, solver, backend), fit(X, y, filters, solver, NUMPY)
    for mine, reference in zip(got, want, strict=True):
        close(mine, reference, 1e-13 if backend.name != "cupy" else 1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("family", ["repeated_column", "zero_column", "zero", "wide"])
def test_rank_deficient_minimum_norm(family: str, solver: str, backend: Backend) -> None:
    X, y = make(family)
    close(fit(X, y, ridge(0.0), solver, backend)[0], ridge_reference(X, y, 0.0), 1e-11)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_extreme_scales_solve_the_same_problem(unit: float, solver: str, backend: Backend) -> None:
    X, y = make("plain")
    lambdas = np.array([0.0, 0.1])
    scaled = fit(X * unit, y, ridge(lambdas * unit**2), solver, backend)
    close(scaled * unit, fit(X, y, ridge(lambdas), solver, backend), 1e-12)


def test_power_of_two_scaling_to_the_bit(backend: Backend) -> None:
    X, _ = make("plain")
    here, there = factor_rows(X, backend)[0], factor_rows(X * 2.0**-300, backend)[0]
    np.testing.assert_array_equal(backend.to_numpy(there.values), backend.to_numpy(here.values) * 2.0**-600)
    np.testing.assert_array_equal(backend.to_numpy(there.vectors), backend.to_numpy(here.vectors))


def test_rows_keep_tiny_eigenvalues_that_a_gram_loses(backend: Backend) -> None:
    X = design(np.random.default_rng(0), 80, 6, 1e11)
    want = np.geomspace(1.0, 1e-22, 6)
    rows = factor_rows(X, backend)[0]
    np.testing.assert_allclose(backend.to_numpy(rows.values), want, rtol=1e-4)
    assert int(rows.rank) == 6
    squared = factor_gram(gram(X, backend=backend) / 80, backend)
    assert int(squared.rank) < 6
    np.testing.assert_allclose(backend.to_numpy(squared.values), want, atol=1e-14)


def test_spectrum_invariants(backend: Backend) -> None:
    X, _ = make("repeated_column")
    spectrum = factor_gram(gram(X, backend=backend) / 60, backend)
    s, V = backend.to_numpy(spectrum.values), backend.to_numpy(spectrum.vectors)
    assert (np.diff(s) <= 0).all()
    assert s[-1] >= 0
    assert int(spectrum.rank) == 8
    assert not bool(spectrum.repaired)
    close(V.T @ V, np.eye(9), 1e-14)
    close((V * s) @ V.T, X.T @ X / 60, 1e-14)


def test_negative_eigenvalues_are_clamped_and_counted(backend: Backend) -> None:
    G = np.diag([1.0, -1e-17, 0.0, -1e-18])
    spectrum = factor_gram(G, backend)
    assert int(spectrum.clamped) == 2
    assert int(spectrum.rank) == 1
    np.testing.assert_array_equal(backend.to_numpy(spectrum.values), [1.0, 0, 0, 0])


@pytest.mark.parametrize("solver", SOLVERS)
def test_item_in_a_batch_is_the_item_alone(solver: str, backend: Backend) -> None:
    rng = np.random.default_rng(3)
    for n, d in [(40, 1), (40, 17), (30, 64), (11, 33)]:
        X, y = rng.standard_normal((2, 3, n, d)), rng.standard_normal((2, 3, n, 2))
        X[1, 1, :, -1] = 0.0
        batch = fit(X, y, ALL, solver, backend)
        assert batch.shape == (2, 3, len(ALL), d, 2)
        for i in np.ndindex(2, 3):
            np.testing.assert_array_equal(batch[i], fit(X[i], y[i], ALL, solver, backend))
        np.testing.assert_array_equal(batch[:, 1:2], fit(X[:, 1:2], y[:, 1:2], ALL, solver, backend))


def test_fused_filtering_is_the_two_steps(backend: Backend) -> None:
    rng = np.random.default_rng(4)
    spectrum = factor_gram(gram(rng.standard_normal((3, 40, 7)), backend=backend) / 40, backend)
    coords = backend.asarray(rng.standard_normal((3, 7, 2)))
    two = apply_filters(response(spectrum, ALL, backend), coords)
    np.testing.assert_array_equal(backend.to_numpy(filter_coords(spectrum, ALL, coords, backend)), backend.to_numpy(two))
    assert two.shape == (3, len(ALL), 7, 2)


def test_empty_list_of_filters(backend: Backend) -> None:
    X, y = make("plain")
    assert fit(X, y, ALL[:0], "gram", backend).shape == (0, 9, 2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 25), d=st.integers(1, 12), solver=st.sampled_from(SOLVERS))
def test_orthogonal_equivariance_and_sample_order(seed: int, n: int, d: int, solver: str) -> None:
    rng = np.random.default_rng(seed)
    X, y = design(rng, n, d), rng.standard_normal((n, 2))
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    smooth = concat(ridge([0.0, 0.1]), flow([0.5, np.inf]), steps([5], 0.5))
    here = fit(X, y, smooth, solver, NUMPY)
    close(Q @ fit(X @ Q, y, smooth, solver, NUMPY), here, 1e-9)
    order = rng.permutation(n)
    close(fit(X[order], y[order], smooth, solver, NUMPY), here, 1e-9)
    close(fit(np.vstack([X, X]), np.vstack([y, y]), smooth, solver, NUMPY), here, 1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 25), d=st.integers(1, 12), solver=st.sampled_from(SOLVERS))
def test_limits(seed: int, n: int, d: int, solver: str) -> None:
    rng = np.random.default_rng(seed)
    X, y = design(rng, n, d), rng.standard_normal((n, 2))
    exact = ridge_reference(X, y, 0.0)
    close(fit(X, y, flow([1e5]), solver, NUMPY)[0], exact, 1e-9)
    # lambda / s_min = 1e-6; far smaller ones would divide the rounding of a singular Gram
    close(fit(X, y, ridge([1e-8]), solver, NUMPY)[0], exact, 1e-5)
    close(1e9 * fit(X, y, ridge([1e9]), solver, NUMPY)[0], X.T @ y / n, 1e-8)


def test_divergence_is_not_finite_and_stays_in_its_filter(backend: Backend) -> None:
    X, y = make("plain")
    got = fit(X, y, concat(ridge(0.1), steps(5, 3.0)), "gram", backend)
    assert not np.isfinite(got[1]).any()
    close(got[0], ridge_reference(X, y, 0.1), 1e-12)


def test_condition_of_the_system_solved(backend: Backend) -> None:
    X = np.sqrt(4) * np.diag([2.0, 1.0, 0.5, 0.0])  # eigenvalues 4, 1, 1/4, 0
    filters = concat(ridge([0.0, 1.0]), flow([0.0, 0.5, np.inf]), steps([0, 10], 0.1))
    want = np.array([16, 5, 1, 3, 16, 1, 5.0])
    squared, rows = factor_gram(gram(X, backend=backend) / 4, backend), factor_rows(X, backend)[0]
    np.testing.assert_allclose(backend.to_numpy(condition(squared, filters)), want, rtol=1e-12)
    np.testing.assert_allclose(backend.to_numpy(condition(rows, filters)), np.sqrt(want), rtol=1e-12)
    nothing = factor_gram(np.zeros((2, 2)), backend)
    np.testing.assert_array_equal(backend.to_numpy(condition(nothing, ridge([0.0, 1.0]))), [1.0, 1.0])


def test_a_bad_eigensolver_is_caught_and_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 1 of the batch gets wrong vectors, as from a float32 or broken LAPACK; item 0 must keep its bits."""
    honest = module.eigh
    G = gram(np.random.default_rng(0).standard_normal((2, 50, 6))) / 50
    alone = factor_gram(G[0], NUMPY)

    def broken(a: Any, xp: Any) -> Any:
        values, vectors = honest(a, xp)
        vectors = vectors.copy()
        vectors[1] += 1e-6
        return values, vectors

    monkeypatch.setattr(module, "eigh", broken)
    spectrum = factor_gram(G, NUMPY)
    assert spectrum.repaired.tolist() == [False, True]
    np.testing.assert_array_equal(spectrum.vectors[0], alone.vectors)
    rebuilt = (spectrum.vectors[1] * spectrum.values[1]) @ spectrum.vectors[1].T
    close(rebuilt, G[1], 1e-13)


def test_no_convergence_is_repaired_item_by_item(monkeypatch: pytest.MonkeyPatch) -> None:
    G = gram(np.random.default_rng(0).standard_normal((2, 50, 6))) / 50
    want = factor_gram(G, NUMPY)
    honest = np.linalg.eigh
    first = scaled(G, "gram")[0][0]

    def stubborn(a: Any) -> Any:
        if a.ndim > 2 or not np.array_equal(a, first):
            raise np.linalg.LinAlgError("did not converge")
        return honest(a)

    monkeypatch.setattr(np.linalg, "eigh", stubborn)
    spectrum = factor_gram(G, NUMPY)
    assert spectrum.repaired.tolist() == [False, True]
    np.testing.assert_array_equal(spectrum.vectors[0], want.vectors[0])
    close(spectrum.values, want.values, 1e-13)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((2, 3)), r"\(\.\.\., d, d\)"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (np.array([[np.nan]]), "1 non-finite"),
        (np.zeros((0, 0)), "empty"),
        (np.zeros(3), "shape"),
    ],
)
def test_wrong_grams_are_refused(bad: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        factor_gram(bad, NUMPY)


def test_input_is_not_written_to() -> None:
    G = gram(make("plain")[0])
    X = make("plain")[0]
    before, rows_before = G.copy(), X.copy()
    factor_gram(G, NUMPY)
    factor_rows(X, NUMPY)
    np.testing.assert_array_equal(G, before)
    np.testing.assert_array_equal(X, rows_before)
