"""The three-point identity against divergences written out; the order of the rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

from w2s.theory import mulgund2025 as theory

THREE = (np.array([[0.2, 0.8], [1.0, 0.0]]), np.array([[0.5, 0.5], [0.3, 0.7]]), np.array([[0.9, 0.1], [0.25, 0.75]]))
DOMAINS: dict[str, tuple[tuple, tuple]] = {
    "class_rate": ((np.array([2.0, 10.0]), np.array([1.0, 7.0])), (np.array([1.0, 3.0]), np.array([4.0, 0.0]))),
}
ON_MATRICES = {"three_point_term"}


def test_outside_the_domain_is_no_number() -> None:
    for name, (inside, outside) in DOMAINS.items():
        assert np.isfinite(getattr(theory, name)(*inside)).all()
        assert np.isnan(getattr(theory, name)(*outside)).all()
    assert np.isfinite(theory.three_point_term(*THREE)).all()
    assert np.isnan(theory.three_point_term(THREE[0], np.array([[0.0, 1.0], [0.4, 0.7]]), THREE[2])).all()


@given(st.integers(0, 10**6), st.integers(2, 6))
def test_it_is_the_difference_of_three_divergences(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, c = rng.dirichlet(np.full(classes, 0.7), size=3) * (1 - 1e-6) + 1e-6 / classes
    wanted = rel_entr(a, c).sum() - rel_entr(a, b).sum() - rel_entr(b, c).sum()
    assert float(theory.three_point_term(a, b, c)) == pytest.approx(wanted, abs=1e-11)


def test_small_differences_keep_their_digits() -> None:
    """Divergences of nearly equal points cancel; the products do not."""
    a, b, c = (np.array([0.5 + e, 0.5 - e]) for e in (1e-9, 0.0, -1e-9))
    found = float(theory.three_point_term(a, b, c))
    assert found == pytest.approx(4e-18, rel=1e-6)


def test_leading_axes_broadcast() -> None:
    a, b, c = THREE
    found = theory.three_point_term(a[:, None], b[None], c[0])
    assert found.shape == (2, 2)
    assert found[1, 0] == theory.three_point_term(a[1], b[0], c[0])


def test_four_times_the_heads_halve_the_rate() -> None:
    assert float(theory.class_rate(2, 8)) == 0.5
    np.testing.assert_allclose(theory.class_rate(3, [4, 16]), np.sqrt([0.75, 0.1875]))
