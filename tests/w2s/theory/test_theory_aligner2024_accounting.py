"""Accuracy after corrections: the hand value, counts, rounds one by one, and where they lead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.measure.edits import edits
from w2s.theory import aligner2024 as theory

DOMAINS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "accuracy_after": ((0.7, 0.5, 0.02, 2), (0.7, 0.5, 0.02, 1.5)),
    "resting_accuracy": ((0.5, 0.02), (0.0, 0.0)),
}
shares = st.floats(0.0, 1.0)


def test_the_hand_value() -> None:
    assert float(theory.accuracy_after(0.7, 0.5, 0.02)) == pytest.approx(0.836, abs=1e-12)


@given(shares, shares, shares, st.integers(0, 12))
def test_rounds_are_one_round_after_another(accuracy: float, fixed: float, broken: float, rounds: int) -> None:
    expected = accuracy
    for _ in range(rounds):
        expected = expected * (1 - broken) + (1 - expected) * fixed
    assert float(theory.accuracy_after(accuracy, fixed, broken, rounds)) == pytest.approx(expected, abs=1e-9)
    assert float(theory.accuracy_after(accuracy, 0.0, 0.0, rounds)) == accuracy


@given(st.floats(0.01, 1.0), st.floats(0.0, 0.9))
def test_the_resting_accuracy_rests(fixed: float, broken: float) -> None:
    rest = float(theory.resting_accuracy(fixed, broken))
    assert float(theory.accuracy_after(rest, fixed, broken, 3)) == pytest.approx(rest, abs=1e-12)
    assert np.isnan(theory.resting_accuracy(0.0, 0.0))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_accounting_is_an_identity(answers: list[tuple[bool, bool]]) -> None:
    right, then = (np.array(side) for side in zip(*answers, strict=True))
    found = edits(right, then, right != then)
    assert found.expected == pytest.approx(found.corrected, abs=1e-12)
    assert found.accuracy == right.mean()
    if right.any() and not right.all():
        assert found.corrected == pytest.approx(
            float(theory.accuracy_after(found.accuracy, found.fixed, found.broken)), abs=1e-12
        )
    assert np.isnan(found.broken) == (not right.any())
