"""Models that err at random: the share of copied answers, and the oracle of two independent models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.theory import goel2025 as theory

DOMAINS: dict[str, tuple[tuple, tuple]] = {
    "copied_similarity": (
        (np.array([0.7, 0.2]), np.array([0.6, 1.0]), np.array([0.5, 0.0]), np.array([4.0, 2.0])),
        (np.array([1.0, 0.5]), np.array([1.0, 0.5]), np.array([0.5, 1.5]), np.array([4.0, 3.0])),
    ),
    "independent_oracle_error": (
        (np.array([0.0, 0.4, 1.0]), np.array([0.3, 0.5, 1.0])),
        (np.array([-0.1, 0.4]), np.array([0.3, 1.1])),
    ),
}


def test_outside_the_domain_is_no_number() -> None:
    for name, (inside, outside) in DOMAINS.items():
        assert np.isfinite(getattr(theory, name)(*inside)).all()
        assert np.isnan(getattr(theory, name)(*outside)).all()


@given(st.floats(0.01, 0.99), st.floats(0, 1), st.integers(2, 9))
def test_equal_accuracies_give_the_share(accuracy: float, share: float, options: int) -> None:
    assert float(theory.copied_similarity(accuracy, accuracy, share, options)) == pytest.approx(share, abs=1e-9)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.integers(2, 9))
def test_the_ends(first: float, second: float, options: int) -> None:
    assert float(theory.copied_similarity(first, second, 1.0, options)) == pytest.approx(1.0)
    assert float(theory.copied_similarity(first, second, 0.0, options)) == pytest.approx(0.0, abs=1e-12)


def test_the_oracle_of_coins() -> None:
    rng = np.random.default_rng(2)
    wrong = rng.random((2, 100_000)) < np.array([[0.4], [0.3]])
    assert float(theory.independent_oracle_error(0.4, 0.3)) == pytest.approx(wrong.all(axis=0).mean(), abs=0.005)
