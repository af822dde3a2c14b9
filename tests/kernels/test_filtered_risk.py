"""Risks of all filters at once against the quadratic form of explicit coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from w2s_kernels import (
    Backend,
    coefficients,
    concat,
    factor_gram,
    factor_rows,
    filtered_risks,
    flow,
    joint_risk,
    response,
    ridge,
    steps,
    truncation,
)

FILTERS = concat(ridge([0.0, 1e-4, 0.3]), flow([0.5, 30.0, np.inf]), steps([0, 3, 50], 0.2), truncation([2, 7]))


def problem(d: int, k: int, items: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng([d, k])
    X, fresh = rng.standard_normal((items, 2 * d, d)), rng.standard_normal((items, 3 * d, d)) * np.linspace(0.2, 3.0, d)
    gram, second = (np.swapaxes(rows, 1, 2) @ rows / rows.shape[1] for rows in (X, fresh))
    return gram, np.ascontiguousarray(second), rng.standard_normal((items, d, k)), rng.standard_normal((items, d, k))


@pytest.mark.parametrize(("d", "k"), [(1, 1), (9, 3), (64, 2), (65, 1), (130, 4)])
def test_as_explicit_coefficients(d: int, k: int, backend: Backend) -> None:
    gram, second, rhs, goals = problem(d, k)
    spectrum = factor_gram(gram, backend)
    factors, coords = response(spectrum, FILTERS, backend), spectrum.project(backend.asarray(rhs))
    got = backend.to_numpy(filtered_risks(spectrum, factors, coords, backend.asarray(goals), backend.asarray(second), backend))
    theta = backend.to_numpy(coefficients(spectrum, factors, coords))
    want = joint_risk(theta - goals[:, None], second)
    scale = joint_risk(abs(theta) + abs(goals[:, None]), abs(second))
    assert got.shape == (3, len(FILTERS), k)
    assert np.all(abs(got - want) <= 1e-13 * d * scale)


def test_an_item_in_a_batch_has_the_bits_it_has_alone(backend: Backend) -> None:
    gram, second, rhs, goals = (backend.asarray(part) for part in problem(70, 2))

    def risks(part: slice) -> np.ndarray:
        spectrum = factor_gram(gram[part], backend)
        factors = response(spectrum, FILTERS, backend)
        return backend.to_numpy(
            filtered_risks(spectrum, factors, spectrum.project(rhs[part]), goals[part], second[part], backend)
        )

    assert (risks(slice(None))[1] == risks(slice(1, 2))[0]).all()


def test_a_perfect_fit_has_no_error(backend: Backend) -> None:
    """A goal inside the reach of least squares is found: what is left is rounding, and never negative."""
    gram, second, goals, _ = problem(40, 3)
    spectrum = factor_gram(gram, backend)
    coords = spectrum.project(backend.asarray(gram @ goals))
    found = filtered_risks(spectrum, response(spectrum, ridge([0.0]), backend), coords, backend.asarray(goals), second, backend)
    assert np.all(backend.to_numpy(found) >= 0)
    assert backend.to_numpy(found).max() <= 1e-24 * joint_risk(goals, second).max()


def test_a_diverged_filter_is_not_a_number_and_leaves_its_neighbours(backend: Backend) -> None:
    gram, second, rhs, goals = problem(12, 1, items=1)
    spectrum = factor_gram(gram, backend)
    wild = response(spectrum, concat(ridge([1.0]), steps([10_000], 50.0)), backend)
    found = backend.to_numpy(filtered_risks(spectrum, wild, spectrum.project(backend.asarray(rhs)), goals, second, backend))
    assert np.isfinite(found[0, 0, 0])
    assert not np.isfinite(found[0, 1, 0])


def test_fewer_vectors_than_features_are_refused(backend: Backend) -> None:
    _, second, rhs, goals = problem(6, 1, items=1)
    spectrum, _ = factor_rows(np.random.default_rng(0).standard_normal((1, 4, 6)), backend)
    with pytest.raises(ValueError, match="risks need all eigenvectors, got 4 of 6"):
        filtered_risks(spectrum, response(spectrum, ridge([1.0]), backend), spectrum.project(rhs), goals, second, backend)
