"""Labels of several supervisors: owners of classes, consensus, weights by doubt and by errors, temperatures; by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s.labels.co_supervision import co_supervision, owners
from w2s.labels.reliability import boosting_weights, matched_temperatures, reliability


def test_classes_are_parted_in_ranges() -> None:
    assert owners(5, 2).tolist() == [0, 0, 0, 1, 1]
    assert owners(2, 3).tolist() == [0, 1]
    assert owners(4, 1).tolist() == [0] * 4


def test_the_owner_of_the_students_class_gives_the_label() -> None:
    """Two classes, two supervisors: the first owns class 0. Items 0 and 2 have consensus at top 1; the surer ones are kept."""
    student = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55]])
    labels = np.array([[[0.8, 0.2], [0.1, 0.9]], [[0.3, 0.7], [0.9, 0.1]], [[0.8, 0.2], [0.2, 0.8]], [[0.6, 0.4], [0.7, 0.3]]])
    taught, kept = co_supervision(student, labels, 1)
    assert taught.tolist() == [0, 1, 1, 0]
    assert kept.tolist() == [0, 2]
    assert co_supervision(student, labels, 2)[1].tolist() == [0, 1, 2, 3]


def test_one_item_is_kept_where_there_is_no_consensus() -> None:
    taught, kept = co_supervision(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([[[0.1, 0.9]], [[0.2, 0.8]]]), 1)
    assert (taught.tolist(), kept.tolist()) == ([1, 1], [1])


def test_doubt_and_disagreement_count_alike() -> None:
    labels = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]])
    assert reliability(labels, 2.0) == pytest.approx([1.0, math.exp(-2), math.exp(-2)])
    assert reliability(labels, 0.0).tolist() == [1.0] * 3


def test_boosting_weights_by_hand() -> None:
    """log 9 and log(7/3) for errors of .1 and .3 in two classes; chance has none."""
    raw = np.array([math.log(9), math.log(7 / 3), 0.0])
    assert boosting_weights(np.array([0.1, 0.3, 0.6]), 2) == pytest.approx(raw / raw.sum())
    assert boosting_weights(np.array([0.7, 0.8]), 2).tolist() == [0.5, 0.5]
    assert boosting_weights(np.array([0.75, 0.5]), 4)[0] == pytest.approx(0.0, abs=1e-12)  # chance of four classes


def matched(labels: np.ndarray) -> np.ndarray:
    logs = np.log(np.maximum(labels, 1e-12)) / matched_temperatures(labels)[:, None]
    powers = np.exp(logs - logs.max(axis=2, keepdims=True))
    return powers / powers.sum(axis=2, keepdims=True)


def entropy(values: np.ndarray) -> np.ndarray:
    return -np.sum(values * np.log(np.maximum(values, 1e-300)), axis=2).mean(axis=0)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(2, 4), st.integers(2, 5))
def test_matched_labels_have_one_entropy_and_the_same_classes(seed: int, supervisors: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.dirichlet(np.full(classes, 0.3 + m), 30) for m in range(supervisors)], axis=1)
    found = matched(labels)
    np.testing.assert_allclose(entropy(found), entropy(labels).mean(), rtol=1e-6)
    assert (found.argmax(axis=2) == labels.argmax(axis=2)).all()


def test_one_hot_labels_are_smoothed_unless_all_are_one_hot() -> None:
    rng = np.random.default_rng(0)
    hard = np.eye(3)[rng.integers(0, 3, 40)]
    labels = np.stack([rng.dirichlet(np.ones(3), 40), hard], axis=1)
    np.testing.assert_allclose(entropy(matched(labels)), entropy(labels).mean(), rtol=1e-6)
    np.testing.assert_allclose(matched(np.stack([hard, hard], axis=1))[:, 0], hard, atol=1e-300)
