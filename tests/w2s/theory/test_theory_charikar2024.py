"""Gain and misfit of a projection: the identity and its bound on random classes, labels and targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.theory import charikar2024 as theory

DOMAINS = {"gap_bound": ((0.04, 0.01), (-0.04, 0.01))}


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(7, 30))
def test_gain_less_misfit_is_the_gap_and_within_its_bound(seed: int, rank: int, rows: int) -> None:
    rng = np.random.Generator(np.random.Philox(key=seed))
    basis = np.linalg.qr(rng.standard_normal((rows, rank)))[0]
    weak, truth = rng.standard_normal((2, rows, 3))
    student = basis @ (basis.T @ weak)
    gain = ((weak - truth) ** 2).mean(axis=0) - ((student - truth) ** 2).mean(axis=0)
    misfit = ((weak - student) ** 2).mean(axis=0)
    gap = theory.projection_gap(weak, truth, basis)
    np.testing.assert_allclose(gain - misfit, gap, atol=1e-12)
    epsilon = (theory.residual(truth, basis) ** 2).mean(axis=0)
    assert (np.abs(gap) <= theory.gap_bound(misfit, epsilon) * (1 + 1e-12)).all()


def test_a_target_in_the_class_has_no_gap() -> None:
    rng = np.random.Generator(np.random.Philox(key=1))
    basis = np.linalg.qr(rng.standard_normal((20, 4)))[0]
    truth = basis @ rng.standard_normal((4, 2))
    assert theory.projection_gap(rng.standard_normal((20, 2)), truth, basis) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("arguments", [(0.1, -1.0), (-1.0, -1.0), (np.nan, 1.0)])
def test_the_bound_needs_two_errors(arguments: tuple[float, float]) -> None:
    assert np.isnan(theory.gap_bound(*arguments))
