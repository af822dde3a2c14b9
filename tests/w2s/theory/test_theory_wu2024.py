"""Angles, fixed points and thresholds: against sampling, another root finder and the growth of n."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from w2s.theory import ildiz2024
from w2s.theory import wu2024 as theory

DOMAINS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "sign_error": ((0.3,), (1.3,)),
    "disagreement": ((0.3, 0.5), (0.3, -1.5)),
    "alignment": ((0.3, True), (1.3, True)),
    "effective_ridge": ((465.0, 40.0, 0.13, 60.0), (465.0, 465.0, 0.13, 60.0)),
    "expected_cosine": ((465.0, 40.0, 0.13, 60.0, 0.7), (465.0, 40.0, 0.13, 465.0, 0.7)),
    "classification_margin": ((1.5, 0.5, 0.9), (0.9, 0.5, 0.9)),
    "student_range": ((0.15, 1.95, 0.5, 0.17), (0.15, 1.95, 0.5, 1.2)),
}
exponents = st.tuples(st.floats(1.2, 2.5), st.floats(0.1, 1.2), st.floats(0.0, 0.9))


def test_signs_differ_as_often_as_the_angle_says() -> None:
    rng = np.random.default_rng(0)
    g, e = rng.standard_normal((2, 400_000))
    for c in (-0.4, 0.2, 0.95):
        share = np.mean(np.sign(g) != np.sign(c * g + np.sqrt(1 - c**2) * e))
        assert float(theory.sign_error(c)) == pytest.approx(share, abs=4 * np.sqrt(0.25 / 400_000))
        labels = c * g + np.sqrt(1 - c**2) * e
        assert float(theory.alignment(c)) == pytest.approx(np.mean(np.sign(labels) * g), abs=0.007)
        assert float(theory.alignment(c, True)) == pytest.approx(np.mean(labels * g), abs=0.007)
    np.testing.assert_allclose(theory.sign_error([1.0, 0.0, -1.0, 1.0 + 1e-13]), [0.0, 0.5, 1.0, 0.0])
    assert float(theory.disagreement(1.0, 0.3)) == float(theory.sign_error(0.3))


@given(st.integers(3, 4000), st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.01, 0.999))
def test_the_quadratic_solves_the_fixed_point(d: int, part: float, energy: float, share: float) -> None:
    s, n = max(int(part * (d - 1)), 1), share * d
    top, low = energy * d / s, (1 - energy) * d / (d - s)
    tau = float(theory.effective_ridge(d, s, energy, n))
    root = brentq(lambda t: s * top / (top + t) + (d - s) * low / (low + t) - n, 1e-12, 1e9, xtol=1e-14, rtol=1e-14)
    assert tau == pytest.approx(root, rel=1e-7)


def test_it_is_the_equivalent_of_any_spectrum_at_two_levels() -> None:
    """The risk of minimum-norm regression has the same bias and variance."""
    d, s, energy, n, k = 120, 9, 0.3, 40, 0.6
    lam = np.where(np.arange(d) < s, energy * d / s, (1 - energy) * d / (d - s))
    assert float(theory.effective_ridge(d, s, energy, n)) == pytest.approx(float(ildiz2024.effective_ridge(lam, n)), rel=1e-9)
    target = np.zeros(d)
    target[0] = k / np.sqrt(lam[0])
    lost = float(ildiz2024.shrinkage(lam, n)[0])
    variance = float(ildiz2024.risk(lam, target, target, n, 1 - k**2)) - (lost * k) ** 2
    mean = k * (1 - lost)
    expected = mean / np.sqrt(mean**2 + variance)
    assert float(theory.expected_cosine(d, s, energy, n, k)) == pytest.approx(expected, rel=1e-9)


def test_more_rows_than_features_need_no_ridge() -> None:
    assert float(theory.effective_ridge(50, 5, 0.2, 80)) == 0.0
    k, variance = 0.7, (1 - 0.49) * (50 / 80) / (1 - 50 / 80)
    assert float(theory.expected_cosine(50, 5, 0.2, 80, k)) == pytest.approx(k / np.sqrt(k**2 + variance), rel=1e-12)


def weak_error(n: float, p: float, q: float, r: float) -> float:
    return float(theory.sign_error(theory.expected_cosine(n**p, n**r, n**-q, n, theory.alignment(1.0))))


@pytest.mark.parametrize("triple", [(1.5, 0.5, 0.9), (1.5, 0.2, 0.6), (1.8, 0.9, 0.3), (1.3, 0.5, 0.5), (2.2, 0.9, 0.9)])
def test_one_model_learns_below_the_margin(triple: tuple[float, float, float]) -> None:
    margin = float(theory.classification_margin(*triple))
    assert (weak_error(1e80, *triple) < 1e-3) == (margin < 0)
    assert (weak_error(1e80, *triple) > 0.499) == (margin > 0)


@given(exponents, exponents, st.floats(0.03, 0.97))
def test_a_student_learns_between_its_thresholds(
    weak: tuple[float, float, float], strong: tuple[float, float, float], part: float
) -> None:
    """At n = 10^60 the closed form is a step; near its edges it is not looked at."""
    margin = float(theory.classification_margin(*weak))
    low, high = (float(end) for end in theory.student_range(margin, *strong))
    u, n = part * strong[0], 1e60
    if abs(margin) < 0.05 or min(abs(u - low), abs(u - high)) < 0.08:
        return
    (p, q, r), (p2, q2, r2) = weak, strong
    taught = theory.expected_cosine(n**p, n**r, n**-q, n, theory.alignment(1.0))
    error = float(theory.sign_error(theory.expected_cosine(n**p2, n**r2, n**-q2, n**u, theory.alignment(taught))))
    assert error < 0.02 if low < u < high else error > 0.48


@pytest.mark.parametrize("name", DOMAINS)
def test_domains_and_broadcasting(name: str) -> None:
    function, (inside, outside) = getattr(theory, name), DOMAINS[name]
    value = np.asarray(function(*inside))
    assert np.isfinite(value).all()
    assert np.isnan(function(*outside)).all()
    wide = np.asarray(function(np.full((2, 1), inside[0]), *inside[1:]))
    np.testing.assert_allclose(wide, np.broadcast_to(value[..., None, None], wide.shape), rtol=1e-14)
    assert set(DOMAINS) == set(theory.__all__)
