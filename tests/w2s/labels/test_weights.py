"""Weights as numbers of visits: hand values, the law of rounding, and a training that sees what the weights say."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.finetune.data.tables import probability_table
from w2s.labels.weights import repeated

WEIGHTS = st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1e3)), min_size=1, max_size=40).filter(any)


@pytest.mark.parametrize(
    ("weights", "places"),
    [
        ([1, 1, 1], [0, 1, 2]),
        ([0, 1, 0, 1], [1, 1, 3, 3]),
        ([0, 0, 1], [2, 2, 2]),
        ([1, 1, 0], [0, 1, 1]),  # points 1/3, 1 and 5/3; the shares end at 1 and 2
        ([3, 1, 0, 0], [0, 0, 0, 1]),
        ([0.25], [0]),
    ],
)
def test_hand_values(weights: list[float], places: list[int]) -> None:
    assert repeated(weights).tolist() == places


@given(WEIGHTS)
def test_visits_to_neighbours_are_rounded_together(weights: list[float]) -> None:
    places, expected = repeated(weights), len(weights) * np.array(weights) / np.sum(weights)
    visits = np.bincount(places, minlength=len(weights))
    assert visits.sum() == len(weights)
    assert (visits[np.array(weights) == 0] == 0).all()
    for first in range(len(weights)):
        apart = np.cumsum(visits[first:] - expected[first:])
        assert np.abs(apart).max() <= 1 + 1e-9


@given(st.integers(1, 300), st.floats(1e-6, 1e6))
def test_equal_weights_change_nothing(count: int, weight: float) -> None:
    assert repeated(np.full(count, weight)).tolist() == list(range(count))


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [np.nan, 1.0], [np.inf], [[1.0]], []])
def test_weights_that_leave_no_item_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="one of them positive"):
        repeated(weights)


def test_a_training_reads_its_items_as_often_as_they_weigh() -> None:
    pytest.importorskip("torch", reason="finetunes need torch")
    from w2s.finetune.objectives.classification import LabelledItems

    ids, parts = list("abcdef"), ["transfer"] * 4 + ["validation", "test"]
    source = SimpleNamespace(inputs=lambda read: read(), part="transfer", rows=4)
    values = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8], [0.5, 0.5]])

    def items(weights: list[float] | None) -> LabelledItems:
        table = probability_table(ids[:5], values, None if weights is None else np.array(weights))
        return LabelledItems(source, table, lambda: (ids, None, parts))  # type: ignore[arg-type]

    assert items(None).own == items([1, 1, 1, 1, 1]).own == items([0.5] * 4 + [0.0]).own == [0, 1, 2, 3]
    chosen = items([0, 2, 1, 1, 0])
    assert chosen.own == [1, 1, 2, 3]
    assert chosen.held_out == [4]  # what is held out has no weight
    targets = chosen.targets(probability_table(ids[:5], values), chosen.own)
    np.testing.assert_allclose(targets.numpy(), values[[1, 1, 2, 3]], rtol=1e-6)
