"""CAPA: the definition written out, its limits, and models whose similarity is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.measure.similarity import capa, chance_agreement
from w2s.theory import goel2025 as theory

OPTIONS = 4


def answers(rng: np.random.Generator, truth: np.ndarray, accuracy: float) -> np.ndarray:
    """One-hot answers, right with some probability, wrong ones even over the others."""
    wrong = (truth + rng.integers(1, OPTIONS, len(truth))) % OPTIONS
    return np.eye(OPTIONS)[np.where(rng.random(len(truth)) < accuracy, truth, wrong)]


def test_independent_models_have_similarity_zero() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, OPTIONS, 20_000)
    first, second = (answers(rng, truth, accuracy) for accuracy in (0.7, 0.6))
    assert abs(float(capa(first, second, truth))) < 0.02


def test_a_model_with_itself() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, OPTIONS, 500)
    hard, soft = answers(rng, truth, 0.6), rng.dirichlet(np.ones(OPTIONS), 500)
    assert float(capa(hard, hard, truth)) == 1.0
    assert float(capa(soft, soft, truth)) < 0.5


@given(st.integers(0, 10**6), st.booleans())
def test_the_definition_item_by_item(seed: int, ragged: bool) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, OPTIONS + 1, 7) if ragged else np.full(7, OPTIONS)
    truth = np.array([rng.integers(0, count) for count in counts])
    p, q = np.zeros((2, 7, OPTIONS))
    for k, count in enumerate(counts):
        p[k, :count], q[k, :count] = rng.dirichlet(np.ones(count), size=2)
    a, b = (sum(model[k, truth[k]] for k in range(7)) / 7 for model in (p, q))
    chance = a * b + (1 - a) * (1 - b) * sum(1 / (count - 1) for count in counts) / 7
    observed = sum(float(p[k] @ q[k]) for k in range(7)) / 7
    found = float(capa(p, q, truth, counts if ragged else None))
    assert found == pytest.approx((observed - chance) / (1 - chance), abs=1e-12)


def test_it_is_symmetric_and_broadcasts() -> None:
    rng = np.random.default_rng(3)
    truth, models = rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), (4, 50))
    table = capa(models[:, None], models[None], truth)
    assert table.shape == (4, 4)
    np.testing.assert_allclose(table, table.T, atol=1e-15)
    assert float(table[1, 2]) == pytest.approx(float(capa(models[1], models[2], truth)), abs=1e-15)


def test_copied_answers() -> None:
    """A second model that copies half of the answers: the closed form, and half where both are as good."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, OPTIONS, 200_000)
    first = answers(rng, truth, 0.7)
    for own in (0.7, 0.5):
        second = np.where((rng.random(len(truth)) < 0.5)[:, None], first, answers(rng, truth, own))
        wanted = float(theory.copied_similarity(0.7, own, 0.5, OPTIONS))
        assert float(capa(first, second, truth)) == pytest.approx(wanted, abs=0.01)
    assert float(theory.copied_similarity(0.7, 0.7, 0.5, OPTIONS)) == pytest.approx(0.5, abs=1e-12)


def test_what_has_no_number() -> None:
    right = np.eye(2)[[0, 1, 1]]
    assert np.isnan(capa(right, right, [0, 1, 1]))
    assert np.isnan(capa(right * np.nan, right, [0, 1, 1]))
    assert np.isnan(chance_agreement([1.2, 0.5], [0.5, 0.5], [2, 1])).all()
    for wrong in (
        (right, right[:2], [0, 1, 1]),
        (right, right, [0, 1]),
        (right, right, [0, 1, 2]),
        (right[:, :1],) * 2 + ([0],),
    ):
        with pytest.raises(ValueError, match=r"answers must be|truth spans"):
            capa(*wrong)
    with pytest.raises(ValueError, match="options"):
        capa(right, right, [0, 1, 1], [2, 2, 1])
