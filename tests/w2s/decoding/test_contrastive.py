"""Contrast and implicit rewards: hand values, laws, and sampling by a chi-square test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from w2s.decoding.contrastive import contrastive, plausible_tokens
from w2s.decoding.rewards import sequence_reward, token_rewards
from w2s.decoding.search import draw_tokens
from w2s_kernels import NUMPY, stream, uniforms

P = np.log([0.50, 0.30, 0.15, 0.05])
Q = np.log([0.60, 0.10, 0.25, 0.05])
HAND = {
    0.25: ((0.400229, 0.375835, 0.149445, 0.074491), 0),
    0.5: ((0.304798, 0.447960, 0.141657, 0.105585), 1),
    1.0: ((0.153374, 0.552147, 0.110429, 0.184049), 1),
}


def distributions(seed: int, count: int = 2, tokens: int = 7) -> np.ndarray:
    return np.log(np.random.default_rng(seed).dirichlet(np.ones(tokens), size=count))


@pytest.mark.parametrize("lam", HAND)
def test_hand_values(lam: float) -> None:
    found = np.exp(contrastive(P, Q, lam, 0.1))
    np.testing.assert_allclose(found, HAND[lam][0], atol=1e-6)
    assert found.argmax() == HAND[lam][1]


def test_hand_values_of_the_implicit_reward() -> None:
    np.testing.assert_allclose(token_rewards(P, Q), [-0.182322, 1.098612, -0.510826, 0.0], atol=1e-6)
    np.testing.assert_allclose(token_rewards(P, Q, 0.1), 0.1 * token_rewards(P, Q))


def test_the_cut_is_inclusive() -> None:
    assert plausible_tokens(P, 0.1).all()
    np.testing.assert_array_equal(plausible_tokens(P, 0.1 + 1e-6), [True, True, True, False])
    assert plausible_tokens(P, 1.0).tolist() == [True, False, False, False]


def test_strengths_of_a_program_that_counts_the_other_way() -> None:
    """Its score is log p - (1 - alpha) log q, so that its alpha is one less our strength."""
    for alpha in (0.0, 0.4, 1.0):
        scores = P - (1.0 - alpha) * Q
        np.testing.assert_allclose(contrastive(P, Q, 1.0 - alpha, 0.0), scores - np.log(np.exp(scores).sum()), atol=1e-12)


@given(st.integers(0, 10_000), st.floats(0.0, 2.0), st.floats(0.0, 1.0), st.floats(0.2, 3.0))
def test_laws(seed: int, lam: float, share: float, temperature: float) -> None:
    p, q = distributions(seed)
    found = contrastive(p, q, lam, share, temperature)
    kept = plausible_tokens(p, share)
    assert np.exp(found).sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(found > -np.inf, kept)
    scores = (p - lam * q)[kept] / temperature
    np.testing.assert_allclose(found[kept], scores - np.log(np.exp(scores - scores.max()).sum()) - scores.max(), atol=1e-9)
    np.testing.assert_array_equal(contrastive(p[None].repeat(3, 0), q, lam, share, temperature)[1], found)
    # The mean of -log q does not fall with the strength, since its derivative is a variance.
    means = [(np.exp(contrastive(p, q, strength, share, temperature)) * -q)[kept].sum() for strength in (lam, lam + 0.1)]
    assert means[1] >= means[0] - 1e-12


@given(st.integers(0, 10_000))
def test_ends(seed: int) -> None:
    p, q = distributions(seed)
    np.testing.assert_allclose(contrastive(p, q, 0.0, 0.0), p, atol=1e-12)
    same = np.exp(contrastive(p, p, 1.0, 0.2))
    kept = plausible_tokens(p, 0.2)
    np.testing.assert_allclose(same[kept], 1.0 / kept.sum(), atol=1e-12)
    assert (same[~kept] == 0).all()


def test_impossible_tokens_make_no_nan() -> None:
    p, q = np.array([np.log(0.6), np.log(0.4), -np.inf]), np.array([-np.inf, 0.0, -np.inf])
    for lam in (0.0, 0.5, 1.0):
        found = contrastive(p, q, lam, 0.1)
        assert not np.isnan(found).any()
        assert found[2] == -np.inf
        assert np.exp(found).sum() == pytest.approx(1.0)
    assert contrastive(p, q, 1.0, 0.1).argmax() == 0
    np.testing.assert_array_equal(token_rewards(p, q), [np.inf, np.log(0.4), 0.0])


@pytest.mark.parametrize("wrong", [{"lam": -0.1}, {"lam": np.nan}, {"plausible": 1.1}, {"temperature": 0.0}])
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        contrastive(P, Q, **{"lam": 0.5, "plausible": 0.1, **wrong})
    with pytest.raises(ValueError, match="share"):
        plausible_tokens(P, -0.1)


def test_no_contrast_and_no_filter_is_sampling_from_the_aligned_model() -> None:
    chances = uniforms(stream("test", "draws", seed=3), 1, 20_000, NUMPY)[0]
    drawn = draw_tokens(np.broadcast_to(contrastive(P, Q, 0.0, 0.0), (20_000, 4)), chances)
    assert chisquare(np.bincount(drawn, minlength=4), 20_000 * np.exp(P)).pvalue > 1e-3
    np.testing.assert_array_equal(drawn, draw_tokens(np.broadcast_to(P, (20_000, 4)), chances))
    other = draw_tokens(np.broadcast_to(contrastive(P, Q, 0.3, 0.0), (20_000, 4)), chances)
    assert chisquare(np.bincount(other, minlength=4), 20_000 * np.exp(P)).pvalue < 1e-12


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_the_reward_of_a_text_is_the_sum_of_its_tokens(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = distributions(seed, length), distributions(seed + 1, length)
    text = rng.integers(0, 7, length)
    at = np.arange(length), text
    rewards = token_rewards(p[at], q[at], 0.1)
    whole = 0.1 * (np.log(np.exp(p[at]).prod()) - np.log(np.exp(q[at]).prod()))
    assert float(sequence_reward(rewards)) == pytest.approx(whole, abs=1e-9)
    assert float(sequence_reward(rewards, per_token=True)) == pytest.approx(whole / length, abs=1e-9)
    mask = np.arange(length) < length // 2
    assert float(sequence_reward(rewards, mask)) == pytest.approx(rewards[mask].sum(), abs=1e-12)
    assert float(sequence_reward(rewards, np.zeros(length, bool), per_token=True)) == 0.0
