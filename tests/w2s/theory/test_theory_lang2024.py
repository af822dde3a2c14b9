"""Errors of students of pseudolabels: against counts, integrals and laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from w2s.theory import lang2024 as theory

DOMAINS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "bayes_error": ((1.2, 0.6), (-1.2, 0.6)),
    "region_threshold": ((0.2, 0.6), (1.2, 0.6)),
    "error_from_agreement": ((0.2, 0.1, 0.5), (0.2, 0.1, 1.5)),
    "inherited_error": ((0.2, 0.5, 0.02), (0.2, 0.5, 0.7)),
}
shares = st.floats(0.0, 1.0)


def test_the_bayes_error_is_the_overlap_of_both_classes() -> None:
    def least(x: float) -> float:
        return 0.5 * min(norm.pdf(x, 1.2, 0.6), norm.pdf(x, -1.2, 0.6))

    assert float(theory.bayes_error(1.2, 0.6)) == pytest.approx(quad(least, -8, 8, points=[0.0])[0], rel=1e-8)
    assert float(theory.bayes_error(0.0, 2.0)) == 0.5


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0.1, 9.0))
def test_the_region_has_its_mass(mass: float, spread: float) -> None:
    assert norm.sf(float(theory.region_threshold(mass, spread)) / spread) == pytest.approx(mass, rel=1e-9)


def test_regions_of_no_or_all_mass_have_no_border() -> None:
    np.testing.assert_array_equal(theory.region_threshold([0.0, 1.0], 2.0), [np.inf, -np.inf])


@given(st.integers(0, 1000))
def test_agreement_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, given_, student = rng.integers(0, 2, (3, 50))
    bad = given_ != truth
    if bad.any():
        on_bad = (student != truth)[bad].mean()
        found = theory.error_from_agreement((student != given_).mean(), bad.mean(), on_bad)
        assert float(found) == pytest.approx((student != truth).mean(), abs=1e-12)


@pytest.mark.parametrize(("alpha", "part"), [(0.1, 0.0), (0.3, 1.0), (0.3, 0.4), (0.7, 0.0), (0.8, 0.5)])
def test_the_majority_of_pseudolabels_written_out(alpha: float, part: float) -> None:
    """Points inside and outside of the region, of both classes, on the right and on the wrong side of the border."""
    beta, mass = 0.05, alpha * part
    coin = (alpha - mass) / (1 - mass)
    error = 0.0
    for weight, wrong in ((mass, 1.0), (1 - mass, coin)):  # the student answers the likelier class, or its opposite
        error += weight * (beta if wrong < 0.5 else 1 - beta)
    assert float(theory.inherited_error(alpha, part, beta)) == pytest.approx(error, rel=1e-12)


@given(st.floats(0.0, 0.3), shares, shares)
def test_more_structure_is_inherited_more(alpha: float, first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert float(theory.inherited_error(alpha, low, 0.02)) <= float(theory.inherited_error(alpha, high, 0.02)) + 1e-15


def test_a_coin_has_no_majority() -> None:
    assert np.isnan(theory.inherited_error(0.5, 0.0, 0.02))


@pytest.mark.parametrize("name", DOMAINS)
def test_domains_and_broadcasting(name: str) -> None:
    function, (inside, outside) = getattr(theory, name), DOMAINS[name]
    value = function(*inside)
    assert np.isfinite(value).all()
    assert np.isnan(function(*outside)).all()
    np.testing.assert_array_equal(function(*[np.full((2, 1), inside[0]), *inside[1:]]), np.full((2, 1), value))
    assert set(DOMAINS) == set(theory.__all__)
