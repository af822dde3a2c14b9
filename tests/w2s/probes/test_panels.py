"""Logistic fits side by side: the solutions of fits one by one, and the same bits in any company."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from w2s.probes import logistic
from w2s.probes.logistic import Logistic, Probe
from w2s_kernels import NUMPY

Matrix = npt.NDArray[np.float64]

STRENGTHS = [1e-4, 1e-2, 0.1, 1.0, 100.0]


def problem(n: int, d: int) -> tuple[Matrix, list[Matrix]]:
    """Correlated features, and labels of four kinds: soft, hard, at random, and all of one half."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, d)) @ (rng.standard_normal((d, d)) * np.geomspace(1.0, 0.02, d)) + 1.0
    soft = 1.0 / (1.0 + np.exp(-2.0 * (x[:, 0] - 1.0) - rng.standard_normal(n)))
    hard = (soft > rng.random(n)).astype(np.float64)
    return x, [np.column_stack([1.0 - p, p]) for p in (soft, hard, rng.permutation(soft), np.full(n, 0.5))]


def same(one: Probe, other: Probe) -> bool:
    return np.array_equal(one.slope, other.slope) and np.array_equal(one.intercept, other.intercept)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (90, 33), (30, 40)])
def test_fits_side_by_side_are_those_one_by_one_and_have_the_bits_that_they_have_alone(n: int, d: int) -> None:
    x, kinds = problem(n, d)
    head = Logistic(x, "standardise", NUMPY)
    jobs = [(labels, c) for c in STRENGTHS for labels in kinds]
    together = head.fit_all([labels for labels, _ in jobs], [c for _, c in jobs])
    for found, (labels, c) in zip(together, jobs, strict=True):
        known = head.fit(labels, c)
        np.testing.assert_allclose(found.at(x), known.at(x), rtol=0, atol=1e-10)
        assert found.account["gradient_norm"] < 1e-9
        assert same(found, head.fit_all([labels], [c])[0])
    assert {found.account["solver"] for found in together} == {"newton-cg"}
    backwards = head.fit_all([labels for labels, _ in jobs[::-1]], [c for _, c in jobs[::-1]])
    assert all(same(one, other) for one, other in zip(together, backwards[::-1], strict=True))


def test_what_does_not_settle_side_by_side_is_fitted_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    x, kinds = problem(300, 20)
    head = Logistic(x, "center", NUMPY)

    def refused(self: Any, targets: Matrix, decays: Matrix) -> list[None]:
        return [None] * len(decays)

    monkeypatch.setattr(logistic.Panels, "fit", refused)
    (found,) = head.fit_all(kinds[:1], [0.1])
    assert same(found, head.fit(kinds[0], 0.1))


def test_classes_beyond_two_are_fitted_one_by_one_among_others() -> None:
    x, kinds = problem(300, 20)
    three = np.eye(3)[np.random.default_rng(0).integers(3, size=300)]
    head = Logistic(x, "center", NUMPY)
    two, many = head.fit_all([kinds[1], three], [0.1, 0.1])
    assert (two.slope.shape, many.slope.shape) == ((20, 1), (20, 3))
    assert same(many, head.fit(three, 0.1))


def test_rows_that_labels_separate_still_settle() -> None:
    x, _ = problem(200, 10)
    labels = np.eye(2)[(x[:, 0] > 1.0).astype(int)]
    head = Logistic(x, "standardise", NUMPY)
    for c in (1.0, 1e4):
        found, known = head.fit_all([labels], [c])[0], head.fit(labels, c)
        np.testing.assert_allclose(found.at(x), known.at(x), rtol=0, atol=1e-8)
