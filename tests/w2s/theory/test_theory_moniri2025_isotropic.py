"""Isotropic ridge limits against published-precision numbers, quadrature, brute force and laws."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from w2s.theory import moniri2025 as theory

Matrix = npt.NDArray[np.float64]

DOMAINS: dict[str, tuple[tuple[object, ...], tuple[object, ...]]] = {
    "ridge": ((0.5, 2.0, 0.1, 0.3, 1.0, 0.5), (-0.5, 2.0, 0.1, 0.3, 1.0, 0.5)),
    "same_sample": ((0.5, 0.1, 0.3, 1.0, 0.5), (0.5, 0.1, -0.3, 1.0, 0.5)),
    "optimal_ridge": ((0.5, 1.0, 0.5), (0.5, 0.0, 0.5)),
    "gain_interval": ((0.5, 0.5, 0.1, 1.0, 0.5), (0.5, 0.0, 0.1, 1.0, 0.5)),
    "vanishing_ridge_gain": ((0.5, 0.5, 0.1, 1.0, 0.5), (0.5, 1.0, 0.1, 1.0, 0.5)),
}

KNOWN = [
    ((0.5, 0.5, 0.01, 0.2), (0.4640, 0.3658)),
    ((0.5, 0.2, 0.05, 0.3), (0.3731, 0.3144)),
    ((0.8, 2.0, 0.05, 0.1), (0.7777, 0.8441)),
    ((2.0, 0.5, 0.1, 0.5), (0.8669, 0.7600)),
    ((2.0, 3.0, 0.05, 0.01), (0.9200, 0.9720)),
    ((0.5, 0.5, 1.0, 0.3), (0.4020, 0.5379)),
]
BEST = [  # gamma_teacher, ridge_teacher; teacher's error, best student error and its ridge at gamma_student = .5
    (0.5, 0.1, 0.3190, 0.3020, 0.068),
    (0.5, 0.2, 0.2835, 0.2824, 0.014),
    (2.0, 0.1, 0.8669, 0.7598, 0.463),
    (2.0, 0.5, 0.7276, 0.7171, 0.088),
]

ratios = st.floats(0.05, 5.0)
strengths = st.floats(1e-4, 10.0)
powers = st.floats(0.01, 5.0)


def spectrum(gamma: float, points: int = 20_000) -> tuple[Matrix, Matrix, float]:
    """Nodes and weights of the law of Marchenko and Pastur, by a rule that is exact for smooth functions, and its mass at 0.

    That is the atom, and near gamma = 1 what the rule misses of the density's peak there.
    """
    angle = (np.arange(points) + 0.5) * np.pi / points
    s = 1.0 + gamma + 2.0 * np.sqrt(gamma) * np.cos(angle)
    weights = 2.0 * np.sin(angle) ** 2 / s / points
    return s, weights, 1.0 - float(weights.sum())


@pytest.mark.parametrize(("arguments", "known"), KNOWN)
def test_known_numbers(arguments: tuple[float, ...], known: tuple[float, float]) -> None:
    np.testing.assert_allclose(theory.ridge(*arguments, 1.0, 0.5), known, atol=5e-4)


@pytest.mark.parametrize(("gamma", "strength", "weak", "least", "at"), BEST)
def test_known_best_students(gamma: float, strength: float, weak: float, least: float, at: float) -> None:
    grid = np.geomspace(1e-4, 10.0, 4000)
    found = theory.ridge(gamma, 0.5, strength, grid, 1.0, 0.5)
    assert found.teacher[0] == pytest.approx(weak, abs=5e-4)
    assert found.student.min() == pytest.approx(least, abs=5e-4)
    assert grid[found.student.argmin()] == pytest.approx(at, abs=1e-3)


def test_known_projections_and_self_distillation() -> None:
    for strength, ratio, weak, student in [
        (0.001, 1.5, 1.984, 1.656),
        (0.001, 3.0, 1.984, 1.328),
        (0.25, 1.5, 0.804, 0.869),
        (0.25, 3.0, 0.804, 0.935),
    ]:
        np.testing.assert_allclose(theory.ridge(0.5, ratio, strength, 0.0, 1.0, 2.0), (weak, student), atol=6e-4)
    assert float(theory.same_sample(0.5, 0.02, 0.2, 1.0, 0.5).student) == pytest.approx(0.2811, abs=5e-5)


@given(ratios, st.floats(0.02, 10.0), st.floats(0.02, 10.0), powers, powers)
@example(0.99999, 1.0, 1.0, 1.0, 1.0)
def test_both_students_are_integrals_over_the_spectrum(gamma: float, t: float, s: float, signal: float, noise: float) -> None:
    x, weight, atom = spectrum(gamma)
    f, h = x / (x + t), x / (x + s)
    weak = signal * (np.sum(weight * (1 - f) ** 2) + atom) + noise * gamma * np.sum(weight * f**2 / x)
    same = signal * (np.sum(weight * (1 - f * h) ** 2) + atom) + noise * gamma * np.sum(weight * (f * h) ** 2 / x)
    found = theory.same_sample(gamma, t, s, signal, noise)
    np.testing.assert_allclose(found, (weak, same), rtol=2e-6)
    assert float(theory.ridge(gamma, 0.7, t, s, signal, noise).teacher) == pytest.approx(weak, rel=2e-6)


@given(ratios, ratios, strengths, strengths, powers, powers)
def test_the_student_is_a_quadratic_form_of_the_teacher(
    g: float, h: float, t: float, s: float, signal: float, noise: float
) -> None:
    """L = signal - 2 a1 b1 signal + a2 T, with averages from the resolvent and its derivative by differences."""

    def m(gamma: float, strength: float) -> float:
        center = 1.0 - gamma + strength
        return float((-center + np.sqrt(center**2 + 4 * gamma * strength)) / (2 * gamma * strength))

    def m2(gamma: float, strength: float) -> float:
        e = 1e-5 * strength
        return (m(gamma, strength - e) - m(gamma, strength + e)) / (2 * e)

    b1, a1 = 1 - t * m(g, t), 1 - s * m(h, s)
    power = signal * (1 - 2 * t * m(g, t) + t**2 * m2(g, t)) + noise * g * (m(g, t) - t * m2(g, t))
    a2 = 1 - 2 * s * m(h, s) + s**2 * m2(h, s)
    wanted = signal - 2 * a1 * b1 * signal + a2 * power
    assert float(theory.ridge(g, h, t, s, signal, noise).student) == pytest.approx(
        wanted, rel=1e-4, abs=1e-5 * (signal + noise)
    )


@given(ratios, ratios, strengths, strengths, powers, powers, st.floats(1e-3, 1e3))
def test_both_errors_scale_with_signal_and_noise(
    g: float, h: float, t: float, s: float, signal: float, noise: float, c: float
) -> None:
    once, scaled = (np.array(theory.ridge(g, h, t, s, k * signal, k * noise)) for k in (1.0, c))
    np.testing.assert_allclose(scaled, c * once, rtol=1e-12)


@given(ratios, strengths, strengths, powers, powers)
def test_no_student_is_better_than_the_best_teacher(g: float, t: float, s: float, signal: float, noise: float) -> None:
    best = theory.ridge(g, 1.0, theory.optimal_ridge(g, signal, noise), 1.0, signal, noise).teacher
    students = theory.ridge(g, np.geomspace(0.02, 10, 40), t, s, signal, noise).student
    assert (students >= best * (1 - 1e-12)).all()
    assert theory.same_sample(g, t, s, signal, noise).student >= best * (1 - 1e-9)


def test_the_gain_of_a_small_ridge_changes_its_sign_at_the_optimal_ridge() -> None:
    for gamma, student, noise in [(0.5, 0.5, 0.5), (2.0, 0.2, 0.5), (0.3, 0.9, 4.0), (1.0, 0.5, 0.1)]:
        best = float(theory.optimal_ridge(gamma, 1.0, noise))
        for factor in (0.5, 0.96, 1.04, 2.0):
            found = theory.ridge(gamma, student, factor * best, 1e-4, 1.0, noise)
            assert np.sign(found.teacher - found.student) == np.sign(1.0 - factor)
            assert np.sign(theory.vanishing_ridge_gain(gamma, student, factor * best, 1.0, noise)) == np.sign(1.0 - factor)


@given(ratios, st.floats(0.05, 0.95), strengths, powers, powers)
def test_students_without_a_ridge_are_their_teachers(g: float, h: float, t: float, signal: float, noise: float) -> None:
    for strength in (0.0, 1e-9):
        found = theory.ridge(g, h, t, strength, signal, noise)
        assert abs(found.student - found.teacher) < 1e-6 * (signal + noise + float(found.teacher)) / (1 - h)


@given(ratios, st.floats(1.05, 5.0), strengths, powers, powers)
def test_on_fewer_rows_they_are_projections(g: float, h: float, t: float, signal: float, noise: float) -> None:
    found = theory.ridge(g, h, t, 0.0, signal, noise)
    passed = 1.0 - t * float(np.sum(spectrum(g)[1] / (spectrum(g)[0] + t)) + spectrum(g)[2] / t) if t > 0.05 else None
    if passed is not None:
        power = found.teacher - signal + 2 * signal * passed  # |b_t|^2 = |b_t - b|^2 - |b|^2 + 2 <b_t, b>
        assert float(found.student) == pytest.approx(float(signal - 2 * signal * passed / h + power / h), rel=1e-6)
    better = np.sign(found.teacher - found.student)
    assert better == np.sign(found.teacher - signal) or abs(found.teacher - signal) < 1e-9
    assert np.sign(theory.vanishing_ridge_gain(g, h, t, signal, noise)) == np.sign(found.teacher - signal)


@given(ratios, ratios, strengths, powers, powers)
def test_the_interval_of_gains_is_where_there_is_a_gain(g: float, h: float, t: float, signal: float, noise: float) -> None:
    low, high = theory.gain_interval(g, h, t, signal, noise)
    grid = np.geomspace(1e-5, 1e3, 600)
    found = theory.ridge(g, h, t, grid, signal, noise)
    gain = found.teacher - found.student
    clear = np.abs(gain) > 1e-9 * (signal + noise)
    np.testing.assert_array_equal((gain > 0)[clear], ((grid > low) & (grid < high))[clear])


def test_few_dimensions_give_the_classical_filter() -> None:
    found = theory.ridge(1e-12, 1e-12, 0.5, 0.25, 1.0, 1.0)
    shrunk = 1 / 1.5 / 1.25
    np.testing.assert_allclose(found, ((0.5 / 1.5) ** 2, (1 - shrunk) ** 2), rtol=1e-9)


def test_digits_are_kept_where_the_plain_forms_lose_them() -> None:
    """Least squares: noise g/(1 - g); a tiny ridge moves it by nothing, and the gain is still right."""
    for strength in (0.0, 1e-300, 1e-18):
        assert float(theory.ridge(0.25, 0.5, strength, 0.0, 1.0, 3.0).teacher) == pytest.approx(1.0, rel=1e-15)
        assert float(theory.ridge(4.0, 0.5, strength, 0.0, 2.0, 3.0).teacher) == pytest.approx(
            2.0 * 0.75 + 3.0 / 3.0, rel=1e-15
        )
    far = theory.ridge(0.5, 0.5, 1e9, 1e9, 1.0, 1.0)
    np.testing.assert_allclose(far, (1.0, 1.0), rtol=1e-8)


def test_outside_the_domain_there_is_no_number() -> None:
    bad = [
        (0.0, 1, 0.1, 0.1),
        (0.5, np.inf, 0.1, 0.1),
        (0.5, 0.5, np.nan, 0.1),
        (1.0, 0.5, 0.0, 0.1),
        (0.5, 1.0, 0.1, 0.0),
        (0.5, 0.5, np.inf, 1),
    ]
    for arguments in bad:
        assert np.isnan(theory.ridge(*arguments, 1.0, 0.5)).all()
    assert np.isnan(theory.ridge(0.5, 0.5, 0.1, 0.1, -1.0, 0.5)).all()
    assert np.isnan(theory.gain_interval(0.5, 0.5, 0.1, 0.0, 0.0)).all()
    mixed = theory.ridge([0.5, -1.0], [[0.5], [2.0]], 0.1, 0.1)
    assert np.isnan(mixed.student).tolist() == [[False, True], [False, True]]


def test_arrays_are_the_numbers_one_by_one() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.uniform(0.1, 3.0, 40) for _ in range(6)]
    together = theory.ridge(*columns)
    for k in range(40):
        np.testing.assert_allclose(
            np.array(theory.ridge(*(column[k] for column in columns))), np.array(together)[:, k], rtol=1e-14
        )
