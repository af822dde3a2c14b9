"""Units that must not matter: features times a constant, columns of very different size, ridges tried for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s.probes.graded import is_graded
from w2s.probes.logistic import Logistic
from w2s.probes.mixed import MixedProbe
from w2s.probes.prepared import Prepared
from w2s.probes.rows import RowProbe
from w2s.probes.tuning import RELATIVE_RIDGES, best_ridge, end_of_range, ridges_tried
from w2s_kernels import NUMPY, ridge

Matrix = npt.NDArray[np.float64]
FACTORS = [1e-3, 1e3, 1e160, 1e-160, 1e-310]


def data(n: int = 50, d: int = 6, seed: int = 0) -> tuple[Matrix, Matrix, Matrix]:
    """Training rows, two targets, other rows."""
    rng = np.random.default_rng(seed)
    X, T = rng.standard_normal((n, d)) + 0.5, rng.standard_normal((20, d)) + 0.5
    return X, X[:, :2] - X[:, 2:4] + 0.3 * rng.standard_normal((n, 2)), T


def outputs(probe: Any, X: Matrix, Y: Matrix, T: Matrix, strength: float, preprocess: str) -> Matrix:
    fitted = probe(X, preprocess, NUMPY)
    return np.asarray(fitted.fit(Y, ridge([strength])).at(fitted.basis(T))[0])


def by_normal_equations(X: Matrix, Y: Matrix, T: Matrix, strength: float, sizes: Matrix) -> Matrix:
    """Centred ridge with every column brought to one size, and the penalty with it: (Z'Z/n + lambda D^-2) a = Z'y/n."""
    mean, offset = X.mean(axis=0), Y.mean(axis=0)
    Z, others = (X - mean) / sizes, (T - mean) / sizes
    weights = np.linalg.solve(Z.T @ Z / len(Z) + strength * np.diag(sizes**-2.0), Z.T @ (Y - offset) / len(Z))
    return np.asarray(others @ weights + offset)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("probe", [RowProbe, MixedProbe])
def test_standardised_features_have_no_unit(probe: Any, factor: float) -> None:
    X, Y, T = data()
    wanted = outputs(probe, X, Y, T, 0.01, "standardise")
    np.testing.assert_allclose(outputs(probe, X * factor, Y, T * factor, 0.01, "standardise"), wanted, rtol=1e-9)


@settings(deadline=None)
@given(st.lists(st.integers(-150, 150), min_size=6, max_size=6), st.sampled_from(["center", "none", "standardise"]))
def test_least_squares_has_no_units(exponents: list[int], preprocess: str) -> None:
    """Without a ridge a column's unit changes its coefficient alone, however far the units are apart."""
    X, Y, T = data()
    units = 10.0 ** np.array(exponents, dtype=float)
    wanted = outputs(RowProbe, X, Y, T, 0.0, preprocess)
    np.testing.assert_allclose(outputs(RowProbe, X * units, Y, T * units, 0.0, preprocess), wanted, rtol=1e-8, atol=1e-9)
    assert RowProbe(X * units, preprocess, NUMPY).full_rank


@pytest.mark.parametrize("sizes", [[1e15, 1.0], [1.0, 1e15], [1e-9, 1.0, 1e9, 1e18], [1e12, 1e4, 1e-4], [1e20, 1e20, 1.0]])
@pytest.mark.parametrize("strength", [1e-6, 0.01, 10.0])
@pytest.mark.parametrize("probe", [RowProbe, MixedProbe])
def test_a_ridge_above_zero_needs_no_rank(probe: Any, strength: float, sizes: list[float]) -> None:
    rng = np.random.default_rng(len(sizes))
    units = np.array(sizes)
    base, others = rng.standard_normal((40, len(units))) + 0.3, rng.standard_normal((15, len(units)))
    X, T, Y = base * units, others * units, base @ np.ones((len(units), 1)) + 0.1 * rng.standard_normal((40, 1))
    found = outputs(probe, X, Y, T, strength, "center")
    np.testing.assert_allclose(found, by_normal_equations(X, Y, T, strength, units), rtol=1e-8, atol=1e-8)


def test_the_rank_of_columns_of_different_sizes_is_that_of_columns_of_one_size() -> None:
    """A column twice and a constant cost rank; a column 1e16 times smaller than another does not."""
    X, Y, T = data(d=4)
    columns = [X[:, :1] * 1e16, X[:, :1] * 2e16, X[:, 1:], np.full((len(X), 1), 0.1)]
    others = [T[:, :1] * 1e16, T[:, :1] * 2e16, T[:, 1:], np.full((len(T), 1), 7e5)]
    wide = RowProbe(np.hstack(columns), "center", NUMPY)
    assert is_graded(wide.prepared(np.hstack(columns)), wide.still)
    assert (wide.rank, wide.full_rank) == (4, False)
    found = outputs(RowProbe, np.hstack(columns), Y, np.hstack(others), 0.0, "center")
    np.testing.assert_allclose(found, outputs(RowProbe, X, Y, T, 0.0, "center"), rtol=1e-8, atol=1e-9)


def test_more_columns_than_rows_of_different_sizes_interpolate_with_the_largest() -> None:
    X, Y, _ = data(n=12, d=30)
    units = np.where(np.arange(30) < 15, 1e12, 1.0)
    probe = RowProbe(X * units, "center", NUMPY)
    fitted = probe.fit(Y, ridge([0.0]))
    np.testing.assert_allclose(fitted.at(probe.basis(X * units))[0], Y, atol=1e-8)
    weights = np.asarray(probe.spectrum.vectors @ fitted.coords[0])
    large, _, _, _ = np.linalg.lstsq((X * units - (X * units).mean(axis=0))[:, :15], Y - Y.mean(axis=0), rcond=None)
    np.testing.assert_allclose(weights[:15], large, rtol=1e-6)
    assert np.abs(weights[15:]).max() < 1e-8 * np.abs(weights[:15]).max()


def test_columns_of_like_size_are_factored_as_they_are() -> None:
    X, _, _ = data()
    assert not is_graded(X * [1, 10, 100, 1e3, 1e-3, 0.1], np.zeros(6, dtype=bool))
    assert is_graded(X * [1, 1, 1, 1, 1, 1e-9], np.zeros(6, dtype=bool))
    assert not is_graded(X * [1, 1, 1, 1, 1, 1e-9], np.arange(6) == 5)  # rounding of a constant has no size of its own


@pytest.mark.parametrize("factor", [1e-3, 1e3, 1e100])
@pytest.mark.parametrize("probe", [RowProbe, MixedProbe])
def test_ridges_are_tried_in_units_of_the_feature_power(probe: Any, factor: float) -> None:
    X, _, _ = data()
    first, second = (ridges_tried(probe(rows, "center", NUMPY).power) for rows in (X, X * factor))
    np.testing.assert_allclose(second, first * factor**2, rtol=1e-12)
    np.testing.assert_allclose(first, RELATIVE_RIDGES * X.var(axis=0).sum(), rtol=1e-12)


def test_the_ends_of_the_ridges_tried_are_the_mean_and_no_ridge() -> None:
    X, Y, T = data()
    probe = RowProbe(X * 1e5, "center", NUMPY)
    least, *_, most = probe.fit(Y, ridge(ridges_tried(probe.power))).at(probe.basis(T * 1e5))
    none = probe.fit(Y, ridge([0.0])).at(probe.basis(T * 1e5))[0]
    np.testing.assert_allclose(least, none, atol=1e-6)
    assert np.abs(most - Y.mean(axis=0)).max() < 0.02 * np.abs(none - Y.mean(axis=0)).max()


def test_the_best_ridge_is_the_greatest_of_equals() -> None:
    squared = np.array([1.0, 0.5, 0.5 * (1 + 1e-12), 0.7, np.nan])
    assert best_ridge(squared) == 2
    assert best_ridge(squared, np.array([0.2, 0.2, 0.2, 0.1, np.nan])) == 3
    assert best_ridge(np.array([np.nan, 2.0, np.inf])) == 1
    assert best_ridge(np.full(3, np.nan)) == 2
    assert [end_of_range(place) for place in (0, 1, len(RELATIVE_RIDGES) - 1)] == ["least", "", "greatest"]


@pytest.mark.parametrize("factor", [1e-6, 1e7])
def test_a_logistic_fit_has_no_unit(factor: float) -> None:
    """C has the unit of one over the feature power; whether a fit has finished has none."""
    X, Y, T = data(n=80)
    labels = np.eye(2)[(Y[:, 0] > 0).astype(int)]
    wanted = Logistic(X, "center", NUMPY).fit(labels, 3.0).at(T)
    np.testing.assert_allclose(
        Logistic(X * factor, "center", NUMPY).fit(labels, 3.0 / factor**2).at(T * factor), wanted, rtol=1e-6
    )


def test_a_logistic_fit_of_collinear_features_finishes_at_any_unit() -> None:
    X, Y, T = data(n=80)
    wide, others = (np.hstack([part, part[:, :1]]) * 1e9 for part in (X, T))
    labels = np.eye(2)[(Y[:, 0] > 0).astype(int)]
    found = Logistic(wide, "center", NUMPY).fit(labels, 1.0).at(others)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("preprocess", ["none", "center", "standardise"])
def test_bringing_columns_near_one_rounds_nothing(preprocess: str) -> None:
    """What was computed before columns were scaled by powers of two has the same bits."""
    X, _, T = data(n=33)
    mean = X.mean(axis=0) if preprocess != "none" else 0.0
    scale = np.std(X, axis=0) if preprocess == "standardise" else 1.0
    assert np.array_equal(Prepared(X, preprocess).prepared(T), (T - mean) / scale)
