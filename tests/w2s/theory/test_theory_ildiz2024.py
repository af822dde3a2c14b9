"""The deterministic equivalent against another solver, its limits, and the optimality of what it calls optimal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from w2s.theory import ildiz2024 as theory

LAM, TARGET = np.arange(1.0, 401.0) ** -1.5, np.arange(1.0, 401.0) ** -0.25
FEW = np.array([3.0, 1.0, 0.5, 0.2, 0.1])

DOMAINS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "effective_ridge": ((FEW, 3, 0.1), (FEW, -3, 0.1)),
    "shrinkage": ((FEW, 3, 0.1), (FEW, 3, -0.1)),
    "variance_factor": ((FEW, 3, 0.1), (-FEW, 3, 0.1)),
    "risk": ((FEW, FEW + 1, FEW, 3, 0.5, 0.1), (FEW, FEW + 1, FEW, 5, 0.5, 0.0)),
    "risk_at": ((FEW, FEW + 1, FEW, FEW / 4, 0.3, 0.5), (FEW, FEW + 1, FEW, FEW / 4, 1.0, 0.5)),
    "optimal_surrogate": ((FEW, FEW + 1, 3, 0.1), (FEW, FEW + 1, 5, 0.0)),
    "best_mask": ((FEW, 3, 0.1), (FEW, 5, 0.0)),
}


def explicit(lam: Any, target: Any, labels: Any, n: float, noise: float, ridge: float) -> float:
    """The risk, coordinate by coordinate, from a root found on the line."""
    tau = brentq(lambda t: sum(v / (v + t) for v in lam) + n * ridge / t - n, 1e-14, 1e6, xtol=1e-15, rtol=1e-14)
    lost = [tau / (v + tau) for v in lam]
    omega = sum((1 - z) ** 2 for z in lost) / n
    bias = sum(v * (b - (1 - z) * s) ** 2 for v, b, s, z in zip(lam, target, labels, lost, strict=True))
    spread = noise + sum(v * z**2 * s**2 for v, s, z in zip(lam, labels, lost, strict=True))
    return bias + spread * omega / (1 - omega)


def test_the_known_numbers() -> None:
    assert float(theory.variance_factor(LAM, 150)) == pytest.approx(0.5438, abs=5e-5)
    for labels, known in (
        (TARGET, 0.0714),
        (theory.optimal_surrogate(LAM, TARGET, 150), 0.0692),
        (TARGET * theory.best_mask(LAM, 150), 0.0703),
    ):
        assert float(theory.risk(LAM, TARGET, labels, 150, 0.05)) == pytest.approx(known, abs=5e-5)


@pytest.mark.parametrize(("n", "ridge"), [(3, 0.0), (3, 0.4), (9, 0.02), (4.5, 1e-6), (1, 50.0)])
def test_another_solver_finds_the_same_risk(n: float, ridge: float) -> None:
    labels = np.array([1.0, -2.0, 0.3, 0.0, 4.0])
    found = float(theory.risk(FEW, FEW + 1, labels, n, 0.7, ridge))
    assert found == pytest.approx(explicit(FEW, FEW + 1, labels, n, 0.7, ridge), rel=1e-9)


def test_more_rows_than_features_lose_nothing() -> None:
    """Ordinary least squares: no bias but the surrogate's own, variance s2 d / (n - d)."""
    labels = FEW - 1
    assert float(theory.effective_ridge(FEW, 8)) == 0.0
    expected = FEW @ (FEW + 1 - labels) ** 2 + 0.7 * 5 / (8 - 5)
    assert float(theory.risk(FEW, FEW + 1, labels, 8, 0.7)) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(theory.optimal_surrogate(FEW, FEW + 1, 8), FEW + 1)
    np.testing.assert_array_equal(theory.best_mask(FEW, 8), 1.0)


def test_a_huge_ridge_predicts_nothing() -> None:
    assert float(theory.risk(FEW, FEW + 1, FEW, 4, 0.0, 1e9)) == pytest.approx(FEW @ (FEW + 1) ** 2, rel=1e-6)


def test_equal_eigenvalues_have_a_closed_form() -> None:
    """With lam = 1 and no ridge, 1 - z = n / d and Om = n / d."""
    np.testing.assert_allclose(theory.shrinkage(np.ones(12), 3), 0.75, rtol=1e-12)
    assert float(theory.variance_factor(np.ones(12), 3)) == pytest.approx(0.25, rel=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_nothing_near_or_far_beats_the_optimal_surrogate_or_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = int(rng.integers(3, 8))
    n, ridge = float(rng.integers(1, d)), float(rng.choice([0.0, 0.01, 1.0]))
    lam, target = rng.uniform(0.01, 3.0, d), rng.standard_normal(d)
    best = theory.optimal_surrogate(lam, target, n, ridge)
    least = float(theory.risk(lam, target, best, n, 0.3, ridge))
    steps = rng.standard_normal((40, d)) * rng.choice([1e-3, 1.0], (40, 1))
    assert (theory.risk(lam, target, best + steps, n, 0.3, ridge) >= least - 1e-12).all()
    masks = (np.arange(2**d)[:, None] >> np.arange(d)) % 2
    chosen = float(theory.risk(lam, target, target * theory.best_mask(lam, n, ridge), n, 0.3, ridge))
    assert chosen == pytest.approx(float(theory.risk(lam, target, target * masks, n, 0.3, ridge).min()), rel=1e-12)
    grown = np.abs(best) > np.abs(target)
    expected = theory.shrinkage(lam, n, ridge) < 1 - theory.variance_factor(lam, n, ridge)
    np.testing.assert_array_equal(grown, expected)


def test_arguments_broadcast_over_leading_axes() -> None:
    spectra, counts = np.stack([FEW, 2 * FEW, FEW[::-1]]), np.array([[2.0], [3.0]])
    found = theory.risk(spectra, FEW + 1, FEW, counts, 0.2, 0.1)
    assert found.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            assert found[i, j] == theory.risk(spectra[j], FEW + 1, FEW, counts[i, 0], 0.2, 0.1)


@pytest.mark.parametrize("name", DOMAINS)
def test_domains(name: str) -> None:
    function, (inside, outside) = getattr(theory, name), DOMAINS[name]
    assert np.isfinite(function(*inside)).all()
    assert np.isnan(function(*outside)).all()
    assert set(DOMAINS) == set(theory.__all__)
