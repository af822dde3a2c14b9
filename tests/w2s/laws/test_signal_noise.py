"""Inputs of signal and noise patches: shares, orthogonality, and what is nested in what."""

from __future__ import annotations

import numpy as np
import pytest

from w2s.laws.signal_noise import SHARED, SIGNALS, TYPES, Examples, draw_examples, row_sizes
from w2s_kernels import NUMPY

ROLE = ("test", "patches")


def drawn(n: int = 400, d: int = 30, p_hard: float = 0.3, p_both: float = 0.4, seed: int = 0) -> Examples:
    return draw_examples(ROLE, seed, n, d, p_hard, p_both, NUMPY)


def test_patches_are_those_of_the_type() -> None:
    some = drawn()
    for label, kind, held in zip(some.labels, some.types, some.members, strict=True):
        patches = some.rows[held]
        signals, noise = (np.abs(part).sum(axis=1) > 0 for part in (patches[:, :SIGNALS], patches[:, SIGNALS:]))
        assert not (signals & noise).any()
        assert noise.sum() == (1 if TYPES[kind] == "both" else 2)
        seen = patches[signals, :SIGNALS]
        place = 0 if label > 0 else 1
        easy, hard = np.eye(SIGNALS)[place], np.eye(SIGNALS)[2 + place]
        assert any((row == easy).all() for row in seen) == (TYPES[kind] != "hard")
        assert any((np.abs(row) == hard).all() for row in seen) == (TYPES[kind] != "easy")


def test_shares_signs_and_noise_are_those_of_the_law() -> None:
    some = drawn(n=20_000, d=10)
    shares = np.bincount(some.types, minlength=3) / 20_000
    np.testing.assert_allclose(shares, [0.3, 0.3, 0.4], atol=4 * 0.5 / np.sqrt(20_000))
    assert abs(some.labels.mean()) < 4 / np.sqrt(20_000)
    signed = some.rows[some.members[some.types == 1, 0], 2:SIGNALS].sum(axis=1)
    assert abs(np.mean(signed * some.labels[some.types == 1])) < 4 / np.sqrt(len(signed))
    noise = some.rows[SHARED:, SIGNALS:]
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
    assert noise.var() == pytest.approx(1, abs=4 * np.sqrt(2 / noise.size))
    assert (some.rows[SHARED:, :SIGNALS] == 0).all()


def test_samples_are_nested() -> None:
    some, more = drawn(n=50), drawn(n=90, d=44)
    np.testing.assert_array_equal(more.labels[:50], some.labels)
    np.testing.assert_array_equal(more.members[:50], some.members)
    np.testing.assert_array_equal(more.rows[: len(some.rows), :30], some.rows)


def test_hard_examples_stay_hard_whatever_the_overlap() -> None:
    few, many = drawn(p_both=0.0), drawn(p_both=0.6)
    np.testing.assert_array_equal(few.types == 1, many.types == 1)
    assert not (few.types == 2).any()


def test_no_seed_and_no_role_is_like_another() -> None:
    assert not np.allclose(drawn(seed=1).rows[:60], drawn().rows[:60])
    assert not np.array_equal(draw_examples(("other",), 0, 400, 30, 0.3, 0.4, NUMPY).labels, drawn().labels)


def test_sizes_are_factors_of_the_rows() -> None:
    np.testing.assert_array_equal(row_sizes(8, {"mu": 2, "nu": 3, "sigma": 0.5}), [2, 2, 3, 3, 3, 3, 0.5, 0.5])
