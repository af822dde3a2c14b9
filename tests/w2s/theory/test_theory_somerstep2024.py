"""Votes, expectations and limits of the concept model: against enumeration, sampling and bounds."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from w2s.theory import somerstep2024 as theory

DOMAINS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "minority": ((7, 0.3, 0.2), (7, 0.9, 0.2)),
    "naive_error": ((30, 10, 0.2, 0.1), (30, 10.5, 0.2, 0.1)),
    "refined_error": ((30, 0.2, 0.3, 0.1), (30, 0.2, 0.9, 0.1)),
    "limit_error": ((0.2, 0.3), (0.2, 0.2)),
    "evidence": ((0.2, 0.3, 0.1), (0.2, 0.3, 0.5)),
    "chernoff_bound": ((30, 0.2, 0.3, 0.1), (30, 0.3, 0.2, 0.1)),
}


def enumerated(m: int, plus: float, minus: float) -> float:
    """Every outcome of m votes."""
    total = 0.0
    for votes in itertools.product((1, -1, 0), repeat=m):
        chance = math.prod({1: plus, -1: minus, 0: 1 - plus - minus}[vote] for vote in votes)
        total += chance * (1.0 if sum(votes) < 0 else 0.5 if sum(votes) == 0 else 0.0)
    return total


@pytest.mark.parametrize("m", range(8))
@pytest.mark.parametrize(("plus", "minus"), [(0.3, 0.2), (0.1, 0.6), (0.5, 0.5), (0.0, 0.4), (0.7, 0.0), (0.0, 0.0)])
def test_votes_are_counted_right(m: int, plus: float, minus: float) -> None:
    assert float(theory.minority(m, plus, minus)) == pytest.approx(enumerated(m, plus, minus), abs=1e-13)


@given(st.integers(0, 400), st.floats(0.0, 0.5), st.floats(0.0, 0.5))
def test_for_and_against_are_mirror_images(m: int, plus: float, minus: float) -> None:
    assert float(theory.minority(m, plus, minus) + theory.minority(m, minus, plus)) == pytest.approx(1.0, abs=1e-10)


def test_many_votes_are_decided() -> None:
    assert float(theory.minority(100_000, 0.02, 0.01)) < 1e-12
    assert float(theory.minority(100_000, 0.01, 0.02)) == pytest.approx(1.0, abs=1e-9)


def test_expectations_of_both_students_by_sampling() -> None:
    rng = np.random.default_rng(1)
    m, contexts, bias, apart, noise = 12, 10, 0.2, 0.3, 0.1
    weak = np.where(np.arange(contexts) < 2, -1.0, 1.0)  # the truth is +1 everywhere
    decoy = np.where(np.arange(contexts) >= 7, -weak, weak)
    naive, refined = [], []
    for _ in range(20_000):
        x = rng.integers(contexts, size=m)
        y = weak[x] * np.where(rng.random(m) < noise, -1, 1)
        counts = np.bincount(x, weights=y, minlength=contexts)
        naive.append(np.mean(0.5 * (1 - np.sign(counts))))
        evidence = np.sign(np.sum(y) - np.sum(y * decoy[x]))  # likelihood of the truth against that of the decoy
        refined.append((bias + apart) * 0.5 * (1 - evidence))
    for values, expected in (
        (naive, theory.naive_error(m, contexts, bias, noise)),
        (refined, theory.refined_error(m, bias, apart, noise)),
    ):
        assert float(expected) == pytest.approx(np.mean(values), abs=4 * np.std(values) / np.sqrt(len(values)))


@settings(max_examples=40, deadline=None)
@given(st.floats(0.02, 0.3), st.floats(0.02, 0.5), st.floats(0.02, 0.4))
@example(0.2578125, 0.2734375, 0.125)
def test_the_sign_of_the_evidence_decides_the_limit(bias: float, apart: float, noise: float) -> None:
    margin = float(theory.evidence(bias, apart, noise))
    if abs(margin) < 0.02:
        return
    many = max(20_000, int(40 / margin**2))
    found, limit = float(theory.refined_error(many, bias, apart, noise)), float(theory.limit_error(bias, apart))
    assert found == pytest.approx(limit, abs=1e-3)
    assert (limit == 0) == (margin > 0)


@settings(max_examples=40)
@given(st.integers(0, 500), st.floats(0.0, 0.3), st.floats(0.01, 0.4), st.floats(0.0, 0.45))
def test_chernoff_bounds_the_refined_error(m: int, bias: float, more: float, noise: float) -> None:
    apart = bias + more
    found, bound = theory.refined_error(m, bias, apart, noise), theory.chernoff_bound(m, bias, apart, noise)
    assert float(found) <= float(bound) + 1e-12


@given(st.integers(1, 300), st.integers(1, 60), st.floats(0.0, 0.5), st.floats(0.0, 0.5))
def test_naive_students_do_not_beat_the_bias(m: int, contexts: int, bias: float, noise: float) -> None:
    assert bias - 1e-12 <= float(theory.naive_error(m, contexts, bias, noise)) <= 0.5 + 1e-12


@pytest.mark.parametrize("name", DOMAINS)
def test_domains_and_broadcasting(name: str) -> None:
    function, (inside, outside) = getattr(theory, name), DOMAINS[name]
    value = function(*inside)
    assert np.isfinite(value).all()
    assert np.isnan(function(*outside)).all()
    np.testing.assert_array_equal(function(np.full((2, 1), inside[0]), *inside[1:]), np.full((2, 1), value))
    assert set(DOMAINS) == set(theory.__all__)
