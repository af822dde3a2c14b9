"""Probes by a Gram: accurate to 1e-9 of the error against references of 50 digits, and only where they can be."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from w2s.probes import gram_rows
from w2s.probes.gram_rows import CERTAIN, SERVED, GramProbe, RidgeProbe, amplified, fit_rows
from w2s.probes.rows import RowProbe
from w2s_kernels import NUMPY, Filters, concat, flow, ridge, steps
from w2s_kernels.items import EPS

Matrix = npt.NDArray[np.float64]

SHAPES = [(14, 7), (6, 9)]
LIMIT = {(n, d): SERVED * np.sqrt(min(n, d)) / (6.0 * EPS) for n, d in SHAPES}
"""Condition of a Gram that serves every ridge as it is, just."""
RIDGES = [0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1.0]


def problem(seed: int, n: int, d: int, condition: float) -> tuple[Matrix, Matrix, Matrix]:
    """Rows with s_max/s_min = condition, a weak label and a truth; labels that lie in the least direction, and random ones."""
    rng = np.random.default_rng(seed)
    r = min(n, d)
    left, right = np.linalg.qr(rng.standard_normal((n, r)))[0], np.linalg.qr(rng.standard_normal((d, r)))[0]
    rows = left * np.sqrt(np.geomspace(1.0, 1.0 / condition, r) * n) @ right.T
    labels = np.stack([left[:, -1] * np.sqrt(n), rng.standard_normal(n)], axis=1)
    return rows, labels, labels + 0.1 * rng.standard_normal((n, 2))


def ridge_digits(rows: Matrix, labels: Matrix, strength: float) -> mpmath.matrix:
    """Outputs on the training rows of a ridge, 50 digits: X(X'X/n + lambda)^-1 X'y/n, or from the other side where n < d."""
    n, d = rows.shape
    X, Y = mpmath.matrix(rows.tolist()), mpmath.matrix(labels.tolist())
    gram = (X.T * X if n >= d else X * X.T) / n
    system = gram + mpmath.mpf(strength) * mpmath.eye(gram.rows)
    return X * (system**-1 * (X.T * Y / n)) if n >= d else gram * (system**-1 * Y)


def flow_digits(rows: Matrix, labels: Matrix, time: float) -> mpmath.matrix:
    """Outputs on the training rows after a time of gradient flow, 50 digits."""
    X, Y = mpmath.matrix(rows.tolist()), mpmath.matrix(labels.tolist())
    values, vectors = mpmath.eigsy(X * X.T / len(rows))
    kept = mpmath.diag([1 - mpmath.exp(-mpmath.mpf(time) * value) for value in values])
    return vectors * kept * vectors.T * Y


def error_of(outputs: Any, goal: Matrix) -> Any:
    """Mean over rows of the squared distance, in the arithmetic of the outputs."""
    n, k = goal.shape
    return sum((outputs[i, j] - mpmath.mpf(float(goal[i, j]))) ** 2 for i in range(n) for j in range(k)) / n


def apart(probe: Any, filters: Filters, digits: list[Any], rows: Matrix, labels: Matrix, truth: Matrix) -> list[float]:
    """Differences from the references of student error and misfit, over the larger of weak and student error."""
    outputs, found = probe.fit(labels, filters).at(probe.basis(rows)), list[float]()
    weak = float(np.sum((labels - truth) ** 2) / len(rows))
    for ours, exact in zip(outputs, digits, strict=True):
        scale = max(weak, float(error_of(exact, truth)))
        own = mpmath.matrix(ours.tolist())
        found += [abs(float(error_of(own, goal) - error_of(exact, goal))) / scale for goal in (truth, labels)]
    return found


@pytest.mark.parametrize("condition", [1e2, 0.0, 1e8, 0.3 / CERTAIN, 1e13])
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_ridges_are_within_the_bar_of_fifty_digits(n: int, d: int, condition: float) -> None:
    filters = ridge(RIDGES)
    with mpmath.workdps(50):
        for seed in range(3):
            rows, labels, truth = problem(seed, n, d, condition or 0.99 * LIMIT[n, d])
            probe = fit_rows(rows, "none", NUMPY)
            assert isinstance(probe, GramProbe) == (condition <= 1e2 or (n > d and condition < 1 / CERTAIN))
            assert probe.serving(filters) is probe
            worst = 0.0 if isinstance(probe, GramProbe) else float(probe.condition(filters).max())
            digits = [ridge_digits(rows, labels, strength) for strength in RIDGES]
            assert max(apart(probe, filters, digits, rows, labels, truth)) <= max(1e-9, 50 * EPS * worst)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_flows_are_within_the_bar_and_beyond_it_rows_are_decomposed(n: int, d: int) -> None:
    times = [1.0, 1e3, 1e6, 1e9]
    with mpmath.workdps(50):
        for condition, exact in ((0.5 * LIMIT[n, d], False), (1e9, True)):
            rows, labels, truth = problem(1, n, d, condition)
            probe = fit_rows(rows, "none", NUMPY)
            served = probe.serving(flow(times))
            assert isinstance(served, RowProbe) == exact
            digits = [flow_digits(rows, labels, time) for time in times]
            assert max(apart(served, flow(times), digits, rows, labels, truth)) <= 1e-9


def test_the_bound_of_amplified_rounding_holds_and_refinement_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without refinement outputs are off by no more than the bound, and by more than the bar allows."""
    monkeypatch.setattr(gram_rows, "SERVED", np.inf)
    filters, worst, ratios = ridge(RIDGES), 0.0, []
    with mpmath.workdps(50):
        for seed, (n, d) in enumerate([(14, 7)] * 6 + [(40, 20)]):
            rows, labels, _ = problem(seed, n, d, 1e9)
            probe = GramProbe(rows, "none", NUMPY)
            bounds = amplified(probe.spectrum.values, filters)
            outputs = probe.fit(labels, filters).at(probe.basis(rows))
            for place, strength in enumerate(RIDGES):
                exact = np.array(ridge_digits(rows, labels, strength).tolist(), dtype=float)
                moved = np.sqrt(np.mean(np.sum((outputs[place] - exact) ** 2, axis=1)))
                moved /= np.sqrt(np.mean(np.sum(labels**2, axis=1)))
                worst = max(worst, moved)
                if bounds[place] > 1e-12:
                    ratios.append(moved / bounds[place])
    assert max(ratios) <= 1.0
    assert worst > 10 * SERVED


@pytest.mark.parametrize("preprocess", ["none", "center", "standardise"])
@pytest.mark.parametrize(("n", "d"), [(60, 20), (20, 60)])
def test_they_are_the_probes_of_the_rows(n: int, d: int, preprocess: str) -> None:
    rng = np.random.default_rng(n)
    rows, labels, other = np.abs(rng.standard_normal((n, d))), rng.standard_normal((n, 3)), rng.standard_normal((9, d))
    filters = concat(ridge([0.0, 1e-6, 0.1]), flow([1.0, np.inf]), steps([5], 0.01))
    found, exact = fit_rows(rows, preprocess, NUMPY), RowProbe(rows, preprocess, NUMPY)
    assert isinstance(found, GramProbe) == (n > d or preprocess == "none")  # centred rows sum to zero
    assert (found.rank, found.full_rank, found.power) == (exact.rank, exact.full_rank, exact.power)
    np.testing.assert_allclose(found.condition(filters), exact.condition(filters), rtol=1e-10)
    np.testing.assert_allclose(
        found.fit(labels, filters).at(found.basis(other)), exact.fit(labels, filters).at(exact.basis(other)), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("change", ["collinear", "constant", "graded", "ill-conditioned", "tiny", "zero"])
def test_rows_whose_gram_would_not_do_are_decomposed(change: str) -> None:
    rows = np.random.default_rng(0).standard_normal((30, 8))
    rows[:, -1] = {
        "collinear": rows[:, 0] + rows[:, 1],
        "constant": np.full(30, 2.0),
        "graded": rows[:, 0] * 1e-12,
        "ill-conditioned": rows[:, 0] + 1e-6 * rows[:, -1],
        "tiny": rows[:, -1],
        "zero": np.zeros(30),
    }[change]
    assert isinstance(fit_rows(rows * (1e-150 if change == "tiny" else 1.0), "center", NUMPY), RowProbe)


def test_solvers_say_what_was_refined() -> None:
    rows, labels, _ = problem(0, 14, 7, 1e8)
    probe = fit_rows(rows, "none", NUMPY)
    assert probe.solvers(ridge([0.0, 1.0])) == ["gram, 1 refinement", "gram"]
    assert fit_rows(problem(0, 6, 9, 1e2)[0], "none", NUMPY).solvers(ridge([1.0])) == ["dual gram"]
    # A fit has the bits it has among other filters of its own list, and those of a second call.
    one, two = (probe.fit(labels, ridge(RIDGES)).at(probe.basis(rows)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def dependent(n: int, d: int, rest: float) -> tuple[Matrix, Matrix, Matrix]:
    """Rows whose columns sum to zero but for a part ``rest``, as states after a normalisation do; labels and truth."""
    rng = np.random.default_rng(n)
    rows = rng.standard_normal((n, d)) * np.geomspace(3.0, 0.3, d)
    rows[:, -1] = rest * rng.standard_normal(n) - rows[:, :-1].sum(axis=1)
    labels = rng.standard_normal((n, 2))
    return rows, labels, labels + 0.1 * rng.standard_normal((n, 2))


def test_a_gram_serves_ridges_on_dependent_rows_and_decomposes_them_for_smaller_ones() -> None:
    rows, labels, truth = dependent(30, 8, 1e-7)
    probe, exact = RidgeProbe(rows, "none", NUMPY).fitting(NUMPY), RowProbe(rows, "none", NUMPY)
    assert isinstance(fit_rows(rows, "none", NUMPY), RowProbe)
    assert isinstance(probe, GramProbe)
    assert (probe.rank, probe.full_rank) == (exact.rank, exact.full_rank) == (8, True)
    strengths = [1e-6, 1e-3, 1.0]
    assert probe.serving(ridge(strengths)) is probe
    np.testing.assert_allclose(probe.condition(ridge(strengths)), exact.condition(ridge(strengths)), rtol=1e-9)
    with mpmath.workdps(50):
        digits = [ridge_digits(rows, labels, strength) for strength in strengths]
        assert max(apart(probe, ridge(strengths), digits, rows, labels, truth)) <= 1e-9
    other = np.random.default_rng(1).standard_normal((9, 8)) * [*[1.0] * 7, 0.0]
    other[:, -1] = -other.sum(axis=1)
    np.testing.assert_allclose(
        probe.fit(labels, ridge(strengths)).at(probe.basis(other)),
        exact.fit(labels, ridge(strengths)).at(exact.basis(other)),
        atol=1e-10,
    )
    for filters in (ridge([1e-13]), ridge([1e-18]), concat(ridge([1.0]), flow([1.0]))):
        assert isinstance(probe.serving(filters), RowProbe)


def test_rows_without_full_rank_are_decomposed_for_ridges_too() -> None:
    assert isinstance(RidgeProbe(dependent(30, 8, 0.0)[0], "none", NUMPY).fitting(NUMPY), RowProbe)
    assert isinstance(RidgeProbe(dependent(6, 8, 1.0)[0], "center", NUMPY).fitting(NUMPY), RowProbe)
