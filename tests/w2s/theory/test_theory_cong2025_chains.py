"""Means over texts of a bigram model, against every text written out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.theory import cong2025 as theory

DOMAINS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {}
ON_MATRICES = {"per_token", "divergence"}
"""Functions of tables."""


def tables(seed: int, count: int, tokens: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(tokens), size=(count, tokens))


def written_out(policy: np.ndarray, values: np.ndarray, length: int) -> float:
    total = 0.0
    for text in itertools.product(range(len(policy)), repeat=length + 1):
        steps = list(itertools.pairwise(text))
        total += np.prod([policy[step] for step in steps]) / len(policy) * sum(values[step] for step in steps)
    return total / length


@given(st.integers(0, 1000), st.integers(1, 4))
def test_means_are_those_of_all_texts(seed: int, length: int) -> None:
    policy, other = tables(seed, 2)
    values = np.random.default_rng(seed + 1).normal(size=(3, 3))
    assert float(theory.per_token(policy, values, length)) == pytest.approx(written_out(policy, values, length), abs=1e-12)
    ratio = np.log(policy) - np.log(other)
    assert float(theory.divergence(policy, other, length)) == pytest.approx(written_out(policy, ratio, length), abs=1e-12)
    assert float(theory.divergence(policy, other, length)) >= 0.0
    assert float(theory.divergence(policy, policy, length)) == 0.0


def test_tables_broadcast_and_have_a_domain() -> None:
    policies, values = tables(0, 4), np.arange(3.0)[None]
    found = theory.per_token(policies, values, 5)
    assert found.shape == (4,)
    assert float(found[2]) == float(theory.per_token(policies[2], values, 5))
    assert np.isnan(theory.per_token(policies, values, 0)).all()
    assert np.isnan(theory.per_token(2.0 * policies, values, 5)).all()
    assert np.isnan(theory.divergence(-policies, policies, 5)).all()


def test_what_a_policy_never_says_costs_nothing_and_what_its_reference_cannot_say_costs_everything() -> None:
    sure = np.eye(3)
    assert float(theory.divergence(sure, np.full((3, 3), 1 / 3), 4)) == pytest.approx(np.log(3))
    assert float(theory.divergence(np.full((3, 3), 1 / 3), sure, 4)) == np.inf
