"""Spectra, bounds and closed forms against quadrature, published numbers and constructions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import eval_gegenbauer

from w2s.laws import relu_features as law
from w2s.laws import relu_spectrum
from w2s.theory import medvedev2025 as theory
from w2s_kernels import NUMPY
from w2s_kernels.arccos import arccos_gram

DOMAINS = {"lower_bound": ((0.3,), (1.1,)), "two_level_error": ((0.9, 0.1, 0.3), (0.9, 0.1, -0.2))}
ANCHORS = {
    8: {0: 2.117e-2, 1: 3.906e-3, 2: 2.614e-4, 4: 2.160e-6},
    32: {0: 5.052e-3, 1: 2.441e-4, 2: 4.639e-6, 4: 3.787e-9},
}


@pytest.mark.parametrize("d", ANCHORS)
def test_eigenvalues_have_the_stated_values(d: int) -> None:
    for degree, value in ANCHORS[d].items():
        assert relu_spectrum.relu_eigenvalue(d, degree) == pytest.approx(value, rel=5e-4)
    assert relu_spectrum.relu_eigenvalue(d, 1) == pytest.approx(1 / (4 * d**2), rel=1e-10)
    trace = sum(relu_spectrum.relu_eigenvalue(d, k) * relu_spectrum.multiplicity(d, k) for k in range(9))
    assert trace == pytest.approx(1 / (2 * d), rel=5e-3)
    assert trace < 1 / (2 * d)


@pytest.mark.parametrize("d", [2, 3, 5, 8, 32])
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4, 5, 6, 8])
def test_coefficients_are_the_integrals(d: int, degree: int) -> None:
    z = math.exp(math.lgamma(d / 2) - math.lgamma((d - 1) / 2)) / math.sqrt(math.pi)

    def polynomial(t: float) -> float:
        return dict(relu_spectrum.gegenbauer(t, d, degree))[degree]

    # t = cos(a) takes the end point singularity of d = 2 away.
    integral = quad(lambda a: math.cos(a) * polynomial(math.cos(a)) * math.sin(a) ** (d - 2), 0, math.pi / 2, epsabs=1e-13)[0]
    assert relu_spectrum.relu_coefficient(d, degree) == pytest.approx(z * integral, abs=1e-12)


def test_multiplicities_count_polynomials() -> None:
    # Harmonics of degree k = homogeneous polynomials of degree k minus those of degree k - 2.
    for d in (2, 3, 7, 32):
        for k in range(12):
            below = math.comb(d + k - 3, k - 2) if k >= 2 else 0
            assert relu_spectrum.multiplicity(d, k) == math.comb(d + k - 1, k) - below


@pytest.mark.parametrize("d", [3, 8, 33])
def test_gegenbauer_polynomials(d: int) -> None:
    t = np.linspace(-1, 1, 101)
    found = dict(relu_spectrum.gegenbauer(t, d, 14))
    assert list(found) == list(range(15))
    for k, values in found.items():
        a = (d - 2) / 2
        np.testing.assert_allclose(values, eval_gegenbauer(k, a, t) / eval_gegenbauer(k, a, 1.0), atol=1e-12)


def test_the_series_is_the_arc_cosine_kernel() -> None:
    u = law.unit_rows("series", 0, 40, 6, NUMPY)
    cosines = np.clip(u @ u.T, -1, 1)
    total = sum(
        relu_spectrum.relu_eigenvalue(6, k) * relu_spectrum.multiplicity(6, k) * values
        for k, values in relu_spectrum.gegenbauer(cosines, 6, 120)
    )
    np.testing.assert_allclose(total, arccos_gram(u, backend=NUMPY), atol=1e-6 / 12)


@pytest.mark.parametrize("weights", [{1: 1.0}, {2: 1.0}, {1: 0.6, 2: 0.64, 4: 0.48}])
def test_moments_with_a_target(weights: dict[int, float]) -> None:
    d, rng = 5, np.random.default_rng(3)
    x = rng.standard_normal((400_000, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    target = np.zeros(len(x))
    for degree, values in relu_spectrum.gegenbauer(x[:, 0], d, 4):
        target += weights.get(degree, 0.0) * math.sqrt(relu_spectrum.multiplicity(d, degree)) * values
    assert np.mean(target**2) == pytest.approx(sum(w * w for w in weights.values()), abs=0.02)
    units = law.unit_rows("moments", 1, 7, d, NUMPY)
    products = target[:, None] * np.maximum(x @ units.T, 0)
    se = products.std(axis=0) / math.sqrt(len(x))
    got = law.relu_moments(units, weights)
    assert (np.abs(got - products.mean(axis=0)) <= 4.5 * se).all()
    if weights == {1: 1.0}:
        np.testing.assert_allclose(got, units[:, 0] / (2 * math.sqrt(d)), rtol=1e-14)


def test_weights_of_degrees_have_unit_power() -> None:
    assert law.degree_weights(0.0, 0.0) == {1: 1.0}
    assert law.degree_weights(1.0, 0.0) == {2: 1.0}
    mixed = law.degree_weights(0.3, 0.25)
    assert list(mixed) == [1, 2, 4]
    assert sum(w * w for w in mixed.values()) == pytest.approx(1.0)


def test_units_are_nested_unit_and_uniform() -> None:
    units = law.unit_rows("teacher", 5, 4000, 3, NUMPY)
    np.testing.assert_array_equal(law.unit_rows("teacher", 5, 17, 3, NUMPY), units[:17])
    np.testing.assert_allclose(np.sum(units**2, axis=1), 1.0, rtol=1e-14)
    assert np.abs(units.mean(axis=0)).max() < 4.5 / math.sqrt(3 * 4000)
    assert np.abs(np.cov(units.T) - np.eye(3) / 3).max() < 4.5 * math.sqrt(2 / 15 / 4000)
    assert not np.allclose(law.unit_rows("student", 5, 17, 3, NUMPY), units[:17])


@given(st.floats(0, 1))
def test_the_bound_is_the_stated_one_and_above_three_quarters(loss: float) -> None:
    bound = float(theory.lower_bound(loss))
    assert bound == pytest.approx(((math.sqrt(1 + 3 * loss) - math.sqrt(1 - loss)) / 2) ** 2, abs=1e-15)
    assert bound >= 0.75 * loss**2 * (1 - 1e-12)
    assert bound >= (1 - math.sqrt(1 - loss)) ** 2 * (1 - 1e-9) - 1e-30
    assert bound <= loss + 1e-15


def test_the_bound_has_its_limits() -> None:
    assert float(theory.lower_bound(2 / 3)) == pytest.approx(0.75 * (2 / 3) ** 2, rel=1e-12)
    assert float(theory.lower_bound(1e-12)) == pytest.approx(1e-24, rel=1e-10)  # the plain form gives nothing here
    assert theory.lower_bound([0.0, 1.0]).tolist() == [0.0, 1.0]


@given(st.floats(0, 0.999))
def test_one_shrinkage_operator_attains_the_bound(loss: float) -> None:
    """The projection on the point of the ball with diameter [0, p] that is nearest to f*, in coordinates along p and f* - p."""
    teacher, target = np.array([math.sqrt(1 - loss), 0.0]), np.array([math.sqrt(1 - loss), math.sqrt(loss)])
    outward = target - teacher / 2
    nearest = teacher / 2 + (teacher[0] / 2) * outward / np.linalg.norm(outward)
    operator = np.outer(nearest, nearest) / (nearest @ nearest)
    np.testing.assert_allclose(np.linalg.eigvalsh(operator), [0, 1], atol=1e-12)
    error = np.sum((operator @ teacher - target) ** 2)
    assert error == pytest.approx(float(theory.lower_bound(loss)), abs=1e-8)


def test_no_random_operator_is_below_the_bound() -> None:
    rng = np.random.default_rng(8)
    least = np.inf
    for _ in range(3000):
        basis = np.linalg.qr(rng.standard_normal((4, 4)))[0]
        operator = basis @ np.diag(rng.uniform(0, 1, 4) ** rng.uniform(0.05, 20)) @ basis.T
        loss = rng.uniform(0.02, 0.98)
        teacher, rest = np.eye(4)[0] * math.sqrt(1 - loss), np.eye(4)[1] * math.sqrt(loss)
        error = np.sum((operator @ teacher - teacher - rest) ** 2)
        least = min(least, float(error / theory.lower_bound(loss)))
    assert 1.0 <= least < 1.5


def test_the_two_level_form_is_the_projected_flow() -> None:
    rng, d, tail, time = np.random.default_rng(2), 30, 0.05, 7.0
    u = rng.standard_normal((8, d)) * np.sqrt(np.where(np.arange(d) == 0, 1, tail))
    projected = u.T @ np.linalg.solve(u @ u.T, u[:, 0])
    levels = np.where(np.arange(d) == 0, 1.0, tail)
    student = (1 - np.exp(-time * levels)) * projected
    weak = np.sum((projected - np.eye(d)[0]) ** 2)
    wanted = np.sum((student - np.eye(d)[0]) ** 2)
    assert float(theory.two_level_error(1 - np.exp(-time), 1 - np.exp(-tail * time), weak)) == pytest.approx(wanted, abs=1e-12)
