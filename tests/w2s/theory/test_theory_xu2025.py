"""Dual means against the identity that they are for; the ratio of fresh teachers by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

from w2s.theory import xu2025 as theory

DOMAINS: dict[str, tuple[tuple, tuple]] = {
    "fresh_teacher_ratio": ((np.array([1.0, 5.0]),), (np.array([0.0, -3.0]),)),
}
ON_MATRICES = {"dual_mean"}


def test_outside_the_domain_is_no_number() -> None:
    for name, (inside, outside) in DOMAINS.items():
        assert np.isfinite(getattr(theory, name)(*inside)).all()
        assert np.isnan(getattr(theory, name)(*outside)).all()
    assert np.isfinite(theory.dual_mean([[0.2, 0.8], [0.6, 0.4]])).all()
    assert np.isnan(theory.dual_mean([[0.0, 1.0], [0.5, 0.5]])).all()


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(2, 4))
def test_the_dual_mean_gains_its_misfit(seed: int, teachers: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    pool = rng.dirichlet(np.ones(classes), teachers) * (1 - 1e-6) + 1e-6 / classes
    truth, mean = rng.dirichlet(np.ones(classes)), theory.dual_mean(pool)
    gain = np.mean([rel_entr(truth, p).sum() for p in pool]) - rel_entr(truth, mean).sum()
    misfit = np.mean([rel_entr(mean, p).sum() for p in pool])
    assert gain == pytest.approx(misfit, abs=1e-11)


def test_tiny_probabilities_do_not_underflow() -> None:
    found = theory.dual_mean(np.array([[1e-300, 1.0], [1.0, 1e-300]]))
    np.testing.assert_allclose(found, [0.5, 0.5])


def test_leading_axes() -> None:
    pool = np.random.default_rng(0).dirichlet(np.ones(3), (4, 5))
    np.testing.assert_allclose(theory.dual_mean(pool)[2], theory.dual_mean(pool[2]))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_fresh_teachers(count: int) -> None:
    rng = np.random.default_rng(count)
    pool, fresh = rng.standard_normal((200_000, count)), rng.standard_normal(200_000)
    mean = pool.mean(axis=1)
    gain, misfit = np.mean(fresh**2 - mean**2), np.mean((fresh - mean) ** 2)
    assert gain / misfit == pytest.approx(float(theory.fresh_teacher_ratio(count)), abs=0.02)
