"""The fitted temperature: against a search over many, exact cases, bounds."""

from __future__ import annotations

import numpy as np
import pytest

from w2s.finetune.data.labels import tempered
from w2s.labels.temperature import COLDEST, HOTTEST, fitted_temperature
from w2s.measure.scores import calibration_error, cross_entropy


def overconfident(seed: int, classes: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Classes drawn from probabilities whose logarithms are then multiplied by a factor."""
    rng = np.random.default_rng(seed)
    honest = tempered(rng.dirichlet(np.ones(classes), size=4000), 1.0)
    truth = (honest.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    return tempered(honest, 1.0 / factor), truth


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_it_undoes_what_made_probabilities_too_sure(classes, factor):
    values, truth = overconfident(1, classes, factor)
    found = fitted_temperature(values, truth)
    assert found == pytest.approx(factor, rel=0.12)
    assert calibration_error(tempered(values, found), truth) < 0.03


@pytest.mark.parametrize("seed", range(3))
def test_no_other_temperature_has_a_smaller_loss(seed):
    values, truth = overconfident(seed, 3, 2.0)
    best = cross_entropy(tempered(values, fitted_temperature(values, truth)), truth)
    assert best <= min(cross_entropy(tempered(values, t), truth) for t in np.geomspace(COLDEST, HOTTEST, 400)) + 1e-12


def test_where_there_is_no_best_one_it_ends_at_a_bound():
    right = np.array([[0.6, 0.4], [0.3, 0.7]])
    assert fitted_temperature(right, np.array([0, 1])) == COLDEST
    assert fitted_temperature(right, np.array([1, 0])) == HOTTEST
    assert fitted_temperature(np.full((4, 2), 0.5), np.array([0, 1, 0, 1])) == HOTTEST
    assert np.isfinite(fitted_temperature(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0])))
    with pytest.raises(ValueError, match="none"):
        fitted_temperature(np.empty((0, 2)), np.empty(0, dtype=int))
