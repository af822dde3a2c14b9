"""Elementary bounds against random models: never crossed, and attained."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.theory import yao2025 as theory

DOMAINS: dict[str, tuple[tuple, tuple]] = {
    "pinsker_bound": ((np.array([0.0, 0.5, 3.0]),), (np.array([-0.1, -2.0]),)),
    "error_interval": ((np.array([0.1, 0.9]), np.array([0.3, 0.2])), (np.array([1.1, 0.5]), np.array([0.3, -0.2]))),
}


@given(st.integers(0, 10**6))
def test_no_pair_of_models_crosses_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q, law = rng.dirichlet(np.full(3, 0.6), (3, 8)) * (1 - 1e-9) + 1e-9 / 3
    variation = np.abs(p - q).sum(axis=1).mean() / 2
    assert variation <= float(theory.pinsker_bound((p * np.log(p / q)).sum(axis=1).mean())) + 1e-12
    truth = law.argmax(axis=1)
    errors = [np.mean(model.argmax(axis=1) != truth) for model in (p, q)]
    low, high = theory.error_interval(errors[0], np.mean(p.argmax(axis=1) != q.argmax(axis=1)))
    assert low - 1e-12 <= errors[1] <= high + 1e-12


def test_small_differences_attain_half_of_pinsker() -> None:
    """For p = 1/2 + e and 1/2 the divergence is 2 e^2 and the variation e: the bound is attained."""
    e = 1e-4
    kl = (0.5 + e) * np.log1p(2 * e) + (0.5 - e) * np.log1p(-2 * e)
    assert float(theory.pinsker_bound(kl)) == pytest.approx(e, rel=1e-5)


def test_the_interval_stays_within_shares() -> None:
    np.testing.assert_allclose(theory.error_interval([0.1, 0.95, 0.5], [0.3, 0.2, 0.0]), [[0, 0.4], [0.75, 1], [0.5, 0.5]])
