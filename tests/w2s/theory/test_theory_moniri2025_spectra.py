"""Limits for any covariance and penalty: against the isotropic forms, a plain fixed point, known numbers, changes of variables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from w2s.theory import moniri2025 as isotropic
from w2s.theory.moniri2025 import spectra as theory

LEVELS, POWER = np.array([2.0, 1.0, 0.5]), np.array([0.3, 0.2, 0.1])
WEIGHTS = np.array([0.5, 1.0, 2.0])

DOMAINS: dict[str, tuple[tuple[object, ...], tuple[object, ...]]] = {
    "effective_ridge": ((LEVELS, 6.0, 0.1), (-LEVELS, 6.0, 0.1)),
    "variance_share": ((LEVELS, 6.0, 0.1), (LEVELS, 6.0, -0.1)),
    "general": ((LEVELS, POWER, 6.0, 4.0, 0.1, 0.2, 0.5), (LEVELS, POWER, 6.0, -4.0, 0.1, 0.2, 0.5)),
    "weighted": (
        (LEVELS, POWER, WEIGHTS, 1 / WEIGHTS, 6.0, 4.0, 0.1, 0.2, 0.5),
        (LEVELS, POWER, WEIGHTS, -WEIGHTS, 6.0, 4.0, 0.1, 0.2, 0.5),
    ),
}

SIZES = st.integers(1, 40)


@given(st.integers(0, 10**6), st.floats(0.1, 5.0), st.floats(0.1, 5.0), st.floats(0.0, 5.0), st.floats(1e-5, 5.0))
def test_equal_eigenvalues_are_the_isotropic_forms(seed: int, g: float, h: float, t: float, s: float) -> None:
    power = np.random.default_rng(seed).uniform(0, 1, 7)
    t = t if abs(g - 1.0) > 1e-3 else t + 0.1
    wanted = isotropic.ridge(g, h, t, s, power.sum(), 0.7)
    np.testing.assert_allclose(theory.general(np.ones(7), power, 7 / g, 7 / h, t, s, 0.7), wanted, rtol=1e-8, atol=1e-12)


@given(st.integers(0, 10**6), st.integers(2, 60), st.floats(1.0, 200.0), st.floats(1e-4, 10.0), st.floats(0.0, 2.5))
def test_the_effective_ridge_is_a_fixed_point(seed: int, d: int, n: float, strength: float, decay: float) -> None:
    e = np.arange(1, d + 1) ** -decay * np.random.default_rng(seed).uniform(0.5, 2.0)
    k = float(theory.effective_ridge(e, n, strength))
    plain = brentq(
        lambda k: k - strength - k / n * np.sum(e / (e + k)), strength, strength + e.sum() / n, xtol=1e-300, rtol=1e-13
    )
    assert k == pytest.approx(plain, rel=1e-9)
    assert k == pytest.approx(strength + k / n * np.sum(e / (e + k)), rel=1e-10)
    assert float(theory.variance_share(e, n, strength)) == pytest.approx(np.sum((e / (e + k)) ** 2) / n, rel=1e-12)
    assert 0 < float(theory.variance_share(e, n, strength)) < 1


def test_effective_ridges_without_a_ridge() -> None:
    e = 1.0 / np.arange(1.0, 31.0)
    assert float(theory.effective_ridge(e, 60, 0.0)) == 0.0
    assert float(theory.variance_share(e, 60, 0.0)) == 0.5
    few = float(theory.effective_ridge(e, 10, 0.0))
    assert np.sum(e / (e + few)) == pytest.approx(10.0, rel=1e-12)
    assert np.isnan(theory.effective_ridge(e, 30, 0.0))
    near = float(theory.effective_ridge(e, 30, 1e-12))
    assert near == pytest.approx(1e-12 + near / 30 * np.sum(e / (e + near)), rel=1e-4)
    padded = np.append(e, np.zeros(7))  # eigenvalues of zero change nothing
    assert float(theory.effective_ridge(padded, 10, 0.3)) == pytest.approx(float(theory.effective_ridge(e, 10, 0.3)), rel=1e-15)


D = 300
FIRST = np.arange(D) < D // 2
HALF = np.where(FIRST, 2.0 / D, 0.0)


@pytest.mark.parametrize(
    ("arguments", "ratio", "known"),
    [((400, 600, 0.3, 0.05, 0.5), 5.0, (0.4079, 0.3480)), ((600, 900, 0.25, 0.02, 0.5), 20.0, (0.2808, 0.2260))],
)
def test_known_weighted_numbers(arguments: tuple[float, ...], ratio: float, known: tuple[float, float]) -> None:
    weights = np.where(FIRST, 1 / ratio, ratio)
    np.testing.assert_allclose(theory.weighted(np.ones(D), HALF, np.ones(1), weights, *arguments), known, atol=1e-3)


def test_known_gains_by_weights_of_an_optimal_teacher() -> None:
    grid = np.geomspace(1e-6, 10.0, 600)
    known = {1: 0.2808, 2: 0.2586, 5: 0.2175, 10: 0.2041, 30: 0.1981, 100: 0.1972}
    for ratio, least in known.items():
        weights = np.where(FIRST, 1 / ratio, ratio)
        found = theory.weighted(np.ones(D), HALF, np.ones(1), weights, 600, 900, 0.25, grid, 0.5)
        assert found.teacher[0] == pytest.approx(0.2808, abs=1e-4)
        assert found.student.min() == pytest.approx(least, abs=1e-3)
        if ratio == 1:
            assert (found.student >= found.teacher * (1 - 1e-12)).all()


@given(st.integers(0, 10**6), SIZES, SIZES)
def test_weights_are_a_change_of_variables(seed: int, n: int, rows: int) -> None:
    """Inputs and coefficients in other units, with the penalty in the old ones, leave every error as it is."""
    rng = np.random.default_rng(seed)
    ev, power, t, s, units = (rng.uniform(0.1, 2.0, 6) for _ in range(5))
    first = theory.weighted(ev, power, t, s, n + 0.5, rows + 0.5, 0.2, 0.3, 0.4)
    second = theory.weighted(ev * units, power / units, t * units, s * units, n + 0.5, rows + 0.5, 0.2, 0.3, 0.4)
    np.testing.assert_allclose(first, second, rtol=1e-9)


@given(st.integers(0, 10**6), SIZES, SIZES, st.floats(1e-3, 1e3))
def test_errors_are_linear_in_power_and_noise(seed: int, n: int, rows: int, c: float) -> None:
    rng = np.random.default_rng(seed)
    ev, power, t, s = (rng.uniform(0.1, 2.0, 6) for _ in range(4))
    parts = [
        np.array(theory.weighted(ev, a, t, s, n, rows, 0.2, 0.3, b))
        for a, b in ((power, 0.0), (0 * power, 0.7), (c * power, c * 0.7))
    ]
    np.testing.assert_allclose(parts[2], c * (parts[0] + parts[1]), rtol=1e-11)


def test_many_rows_give_the_population_filters() -> None:
    ev, power = np.array([2.0, 0.5, 0.1]), np.array([0.4, 0.5, 3.0])
    found = theory.general(ev, power, 1e14, 1e14, 0.3, 0.2, 1.0)
    f, h = ev / (ev + 0.3), ev / (ev + 0.2)
    np.testing.assert_allclose(found, (np.sum(power * ev * (1 - f) ** 2), np.sum(power * ev * (1 - f * h) ** 2)), rtol=1e-9)


def test_a_diagram_is_its_points() -> None:
    rng = np.random.default_rng(2)
    ev, power = rng.uniform(0.1, 2.0, (2, 1, 1, 9))[0], rng.uniform(0, 1, 9)
    t, s, n = np.array([0.01, 0.3, 2.0])[:, None], np.array([0.0, 0.1]), np.array([4.0, 30.0])[:, None, None]
    found = theory.general(ev, power, n, 12.0, t, s, 0.3)
    assert found.student.shape == (2, 3, 2)
    for index in np.ndindex(2, 3, 2):
        one = theory.general(ev[0, 0], power, n[index[0], 0, 0], 12.0, t[index[1], 0], s[index[2]], 0.3)
        np.testing.assert_allclose(np.array(one), [part[index] for part in found], rtol=1e-13)


def test_outside_the_domain_there_is_no_number() -> None:
    good = [LEVELS, POWER, WEIGHTS, WEIGHTS, 6.0, 4.0, 0.1, 0.2, 0.5]
    assert np.isfinite(theory.weighted(*good)).all()
    bad = {0: -LEVELS, 1: -POWER, 2: 0 * WEIGHTS, 4: 0.0, 5: np.inf, 6: -1.0, 7: np.nan, 8: -0.5}
    for place, value in bad.items():
        assert np.isnan(theory.weighted(*(value if k == place else given for k, given in enumerate(good)))).all()
    assert np.isnan(theory.general(np.zeros(3), POWER, 6.0, 4.0, 0.1, 0.2, 0.5)).all()
    assert np.isnan(theory.general(LEVELS, POWER, 3.0, 4.0, 0.0, 0.2, 0.5)).all()
