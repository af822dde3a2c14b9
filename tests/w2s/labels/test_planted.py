"""Errors moved to chosen items: what stays, where they go, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s.labels.planted import planted


def drawn(seed: int, n: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(classes), size=n), rng.integers(classes, size=n), rng.standard_normal(n)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), classes=st.integers(2, 4))
def test_every_class_keeps_its_labels_and_the_wrong_ones_come_first(seed, n, classes):
    values, truth, scores = drawn(seed, n, classes)
    found = planted(values, truth, scores, seed)
    for k in range(classes):
        places = np.flatnonzero(truth == k)
        assert sorted(map(tuple, found[places])) == sorted(map(tuple, values[places]))
        wrong = found[places].argmax(axis=1) != k
        if wrong.any() and not wrong.all():
            assert scores[places][wrong].min() >= scores[places][~wrong].max()
    np.testing.assert_array_equal(found, planted(values, truth, scores, seed))


def test_equal_scores_go_by_place_and_which_label_goes_where_is_drawn():
    values = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]])
    found = planted(values, np.zeros(4, dtype=int), np.zeros(4), seed=0)
    assert (found.argmax(axis=1) == [1, 1, 0, 0]).all()
    many = {tuple(planted(values, np.zeros(4, dtype=int), np.zeros(4), seed)[:, 0]) for seed in range(40)}
    assert len(many) == 4  # two orders of the wrong ones times two of the right ones


def test_planting_is_no_shuffle_of_all_rows():
    """A permutation over classes would keep the probabilities and change the accuracy: it is told apart."""
    values, truth, scores = drawn(3, 200, 2)
    accuracy = (values.argmax(axis=1) == truth).mean()
    assert (planted(values, truth, scores, 0).argmax(axis=1) == truth).mean() == accuracy
    assert (values[np.argsort(scores)].argmax(axis=1) == truth).mean() != accuracy


def test_scores_without_an_order_are_refused():
    values, truth, scores = drawn(0, 5, 2)
    scores[2] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        planted(values, truth, scores, 0)
