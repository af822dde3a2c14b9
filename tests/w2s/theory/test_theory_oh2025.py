"""Indices and the error of a linear network against simulation and the changes of units that must not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.theory import oh2025 as theory

DOMAINS: dict[str, tuple[tuple, tuple]] = {  # type: ignore[type-arg]
    "benign_index": ((100.0, 0.4, 3.0, 0.5, 400.0), (100.0, 1.4, 3.0, 0.5, 400.0)),
    "regime_index": ((100.0, 0.4, 3.0, 0.5, 400.0), (100.0, 0.4, 3.0, 0.0, 400.0)),
    "harmful_error": ((0.3,), (-0.1,)),
    "linear_error": ((1.0, 0.3, 0.5, 0.3, 0.4), (1.0, 0.3, 0.5, 0.7, 0.4)),
}
"""Arguments inside the domain of each function, and outside it."""


@pytest.mark.parametrize("name", DOMAINS)
def test_numbers_inside_the_domain_and_nothing_outside(name: str) -> None:
    inside, outside = DOMAINS[name]
    assert np.isfinite(getattr(theory, name)(*inside))
    assert np.isnan(getattr(theory, name)(*outside))


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.01, 1), st.integers(5, 10_000))
def test_the_unit_of_signal_and_noise_does_not_matter(nu: float, unit: float, p_both: float, n: int) -> None:
    for index in (theory.benign_index, theory.regime_index):
        np.testing.assert_allclose(index(n, p_both, nu * unit, 0.5 * unit, 300), index(n, p_both, nu, 0.5, 300), rtol=1e-12)
    benign, regime = (index(n, p_both, nu, 0.5, 300) for index in (theory.benign_index, theory.regime_index))
    np.testing.assert_allclose(benign, regime**2 * 300 / n, rtol=1e-12)


def test_sizes_of_the_papers_regimes() -> None:
    assert float(theory.benign_index(50, 0.4, 12, 1, 2000)) == pytest.approx(50 * 0.16 * 20736 / 2000)
    assert float(theory.regime_index(4000, 0.4, 3, 0.25, 400)) == pytest.approx(576)
    assert float(theory.harmful_error(0.3)) == pytest.approx(0.036)


@pytest.mark.parametrize(("easy", "hard", "noise"), [(1.0, 0.4, 0.5), (0.3, 2.0, 1.0), (-0.2, 0.0, 0.7)])
def test_the_error_of_a_linear_network_is_that_of_a_simulation(easy: float, hard: float, noise: float) -> None:
    rng, n, p_hard, p_both = np.random.default_rng(0), 400_000, 0.25, 0.45
    kind, sign = rng.random(n), np.where(rng.random(n) < 0.5, 1.0, -1.0)
    is_hard, is_both = kind < p_hard, kind >= 1 - p_both
    score = np.where(is_hard, sign * hard, np.where(is_both, easy + sign * hard, easy))
    score += noise * rng.standard_normal(n) + np.where(is_both, 0.0, noise * rng.standard_normal(n))
    se = 0.5 / np.sqrt(n)
    assert abs(float(theory.linear_error(easy, hard, noise, p_hard, p_both)) - np.mean(score < 0)) < 4 * se
    wrong = p_hard * 0.4 + float(theory.linear_error(easy, hard, noise, 0.0, p_both)) * (1 - p_hard)
    assert abs(wrong - np.mean(score < 0)) > 4 * se  # a teacher that reads a little of the hard signal


def test_the_hard_only_inputs_are_a_coin_for_every_linear_network() -> None:
    found = theory.linear_error(np.array([0.1, 5.0]), np.array([[0.0], [50.0]]), 0.3, 1.0, 0.0)
    np.testing.assert_array_equal(found, np.full((2, 2), 0.5))
