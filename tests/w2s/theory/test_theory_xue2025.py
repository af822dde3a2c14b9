"""PredGap and its scores against dense matrices, and the laws that they obey: bounds, limits, rotations, units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from w2s.theory import xue2025 as theory

EYE = np.eye(2)
DOMAINS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "shrinkage": ((2.0, 0.5), (-1.0, 0.5)),
    "effective_ridge": ((3.0, 2.0, 10.0, 5.0), (3.0, 10.0, 10.0, 5.0)),
    "projector": ((np.array([[1.0, 2.0], [0.5, -1.0], [0.2, 0.3]]), 0.1), (np.ones((3, 2)), 0.0)),
    "pred_gap": (
        (EYE, [0.9, 0.5], [0.4, 0.2], [[1.0], [2.0]], [[1.0], [2.0]], 5.0),
        (EYE, [1.2, 0.5], [0.4, 0.2], [[1.0], [2.0]], [[1.0], [2.0]], 5.0),
    ),
    "operator_score": ((EYE, [0.9, 0.5], [0.4, 0.2]), (EYE, [0.9, 0.5], [-0.1, 0.2])),
    "trace_score": ((EYE, [0.9, 0.5], [0.4, 0.2]), (EYE, [0.0, 0.0], [0.4, 0.2])),
    "score_bound": ((0.5, 2.0), (1.5, 2.0)),
    "aligned_pred_gap": (([1.0, 2.0], [0.9, 0.9], [0.5, 0.0], [1.0, 0.3]), ([1.0, -2.0], [0.9, 0.9], [0.5, 0.0], [1.0, 0.3])),
}
"""For every public function arguments inside its domain, and outside."""


def test_every_function_has_its_domain() -> None:
    assert set(DOMAINS) == set(theory.__all__)
    for name, (inside, outside) in DOMAINS.items():
        function = getattr(theory, name)
        assert np.isfinite(function(*inside)).all(), name
        assert np.isnan(function(*outside)).all(), name


@pytest.mark.parametrize("name", DOMAINS)
def test_leading_axes_broadcast(name: str) -> None:
    inside, outside = DOMAINS[name]
    function = getattr(theory, name)
    stacked = function(
        *(np.stack([np.asarray(a, dtype=float), np.asarray(b, dtype=float)]) for a, b in zip(inside, outside, strict=True))
    )
    np.testing.assert_array_equal(stacked[0], function(*inside))
    assert np.isnan(stacked[1]).all()


def factors(features: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis of a representation and the shrinkages of its directions."""
    left, sigma, _ = np.linalg.svd(features, full_matrices=False)
    kept = sigma > 1e-12 * sigma[0]
    return left[:, kept], theory.shrinkage(sigma[kept] ** 2 / len(features), ridge)


def drawn(seed: int, n: int = 40, strong: int = 7, weak: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first, second, labels = rng.normal(size=(n, strong)), rng.normal(size=(n, weak)), rng.normal(size=(n, 2))
    return first - first.mean(0), second - second.mean(0), labels - labels.mean(0)


def both(seed: int, first: float = 0.3, second: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[Any, ...]]:
    """Dense P_s and P_w with labels, and the same in factors."""
    strong, weak, labels = drawn(seed)
    (one, kept), (other, known) = factors(strong, first), factors(weak, second)
    arguments = (one.T @ other, kept, known, one.T @ labels, other.T @ labels, len(labels))
    n = len(labels)
    dense = [K @ np.linalg.inv(K + b * np.eye(n)) for K, b in ((strong @ strong.T / n, first), (weak @ weak.T / n, second))]
    return dense[0], dense[1], labels, arguments


@pytest.mark.parametrize("seed", range(4))
def test_factors_are_the_dense_matrices(seed: int) -> None:
    strong, weak, labels, arguments = both(seed)
    product = strong @ (np.eye(len(labels)) - weak)
    assert theory.pred_gap(*arguments) == pytest.approx(np.sum((product @ labels) ** 2) / len(labels), rel=1e-10)
    assert theory.operator_score(*arguments[:3]) == pytest.approx(np.linalg.norm(product, 2) ** 2, rel=1e-10)
    assert theory.trace_score(*arguments[:3]) == pytest.approx(np.sum(product**2) / np.trace(strong), rel=1e-10)


@pytest.mark.parametrize("d", [1, 7, 39, 40, 90])
def test_both_forms_of_the_projector(d: int) -> None:
    """Primal where d < n, dual elsewhere: symmetric, eigenvalues in [0, 1)."""
    rng = np.random.default_rng(d)
    features = rng.normal(size=(40, d))
    kernel = features @ features.T / 40
    found = theory.projector(features, 0.05)
    np.testing.assert_allclose(found, kernel @ np.linalg.inv(kernel + 0.05 * np.eye(40)), atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    values = np.linalg.eigvalsh(found)
    assert -1e-12 < values[0] <= values[-1] < 1


@given(st.integers(0, 2**32 - 1), st.floats(1e-4, 1e2), st.floats(1e-4, 1e2))
def test_bounds(seed: int, first: float, second: float) -> None:
    """0 <= formula <= operator score x label power <= label power; with one kernel at most a sixteenth of it."""
    _, _, labels, arguments = both(seed, first, second)
    power, gap = np.sum(labels**2) / len(labels), float(theory.pred_gap(*arguments))
    operator, trace = (float(score(*arguments[:3])) for score in (theory.operator_score, theory.trace_score))
    assert 0 <= gap <= float(theory.score_bound(operator, power)) * (1 + 1e-9) <= power * (1 + 1e-9)
    assert 0 <= trace <= 1
    strong, _, labels = drawn(seed)
    basis, kept = factors(strong, first)
    own = basis.T @ labels
    same = float(theory.pred_gap(basis.T @ basis, kept, kept, own, own, len(labels)))
    P = theory.projector(strong, first)
    assert same == pytest.approx(np.sum((P @ (labels - P @ labels)) ** 2) / len(labels), rel=1e-8, abs=1e-14)
    assert same <= power / 16 * (1 + 1e-9)


def test_limits() -> None:
    """A weak model that spans the labels and has no ridge leaves nothing; one that sees nothing leaves P_s y."""
    strong, weak, labels = drawn(5)
    basis, kept = factors(strong, 0.3)
    spanned = weak[:, :10] @ np.random.default_rng(0).normal(size=(10, 2))
    for ridge, most in ((1e-3, 1e-2), (1e-9, 1e-12)):
        other, known = factors(weak[:, :10], ridge)
        gap = theory.pred_gap(basis.T @ other, kept, known, basis.T @ spanned, other.T @ spanned, len(labels))
        assert gap < most
    nothing = np.zeros((len(labels), 0))
    gap = theory.pred_gap(basis.T @ nothing, kept, np.zeros(0), basis.T @ labels, nothing.T @ labels, len(labels))
    assert gap == pytest.approx(np.sum((theory.projector(strong, 0.3) @ labels) ** 2) / len(labels), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_rotations_and_units_change_nothing(scale: float) -> None:
    """h -> scale h Q with beta -> scale^2 beta."""
    rng = np.random.default_rng(1)
    strong, weak, labels = drawn(2, weak=20)

    def formula(first: np.ndarray, second: np.ndarray, unit: float) -> float:
        P, Q = theory.projector(first, 0.3 * unit**2), theory.projector(second, 0.2 * unit**2)
        return float(np.sum((P @ (labels - Q @ labels)) ** 2))

    turns = [np.linalg.qr(rng.normal(size=(width, width)))[0] for width in (7, 20)]
    turned = formula(scale * strong @ turns[0], scale * weak @ turns[1], scale)
    assert turned == pytest.approx(formula(strong, weak, 1.0), rel=1e-10)


@given(arrays(float, 5, elements=st.floats(0, 1)), arrays(float, 5, elements=st.floats(0, 1)))
def test_aligned_directions_are_a_sum(strong: np.ndarray, weak: np.ndarray) -> None:
    power, cosine = np.array([1.0, 0.5, 0.25, 2.0, 0.0]), np.array([1.0, 0.8, 0.0, 0.3, 1.0])
    wanted = sum(p * s**2 * (1 - c**2 * w) ** 2 for p, s, w, c in zip(power, strong, weak, cosine, strict=True))
    assert theory.aligned_pred_gap(power, strong, weak, cosine) == pytest.approx(wanted, rel=1e-12, abs=1e-15)
    labels = np.sqrt(power)[:, None]
    assert theory.pred_gap(np.eye(5), strong, weak * cosine**2, labels, labels, 1.0) == pytest.approx(
        wanted, rel=1e-9, abs=1e-15
    )


def test_an_isotropic_tail_acts_as_its_effective_ridge() -> None:
    """The kernel of a tail in very many directions is near gamma I, and gamma is found from its eigenvalues."""
    rng = np.random.default_rng(3)
    n, width, variance = 60, 60_000, 3.0
    tail = rng.normal(size=(n, width)) * np.sqrt(variance / width)
    values = np.linalg.eigvalsh(tail @ tail.T / n)
    gamma = float(theory.effective_ridge(values.sum(), 0, n, n))
    assert gamma == pytest.approx(variance / n, rel=0.02)
    assert values[0] > 0.9 * gamma
    assert values[-1] < 1.1 * gamma
    assert theory.effective_ridge(values[:-6].sum(), 6, n, 2 * n) == pytest.approx(gamma / 2, rel=0.02)
