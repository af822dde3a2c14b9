"""Search and tilting: the base model at their trivial sizes, and a search written out text by text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.decoding.search import Search, draw_tokens, search, tilted
from w2s.errors import FieldError
from w2s_kernels import NUMPY, stream, uniforms

TOKENS = 5


def tables(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    base, tuned, untuned = np.log(np.random.default_rng(seed).dirichlet(np.ones(TOKENS), size=(3, TOKENS)))
    return base, tuned, untuned


def functions(seed: int) -> list[Any]:
    return [lambda tokens, table=table: table[tokens[:, -1]] for table in tables(seed)]


def chances(seed: int, n: int, width: int, length: int) -> np.ndarray:
    return uniforms(stream("test", "search", seed=seed), n, width * length, NUMPY).reshape(n, width, length)


def written_out(
    prompt: int, seed: int, given_: np.ndarray, sizes: Search, ends: tuple[int, ...] = ()
) -> tuple[list[int], float]:
    base, tuned, untuned = tables(seed)
    beams: list[tuple[list[int], float]] = [([prompt], 0.0)] * sizes.beams
    length = given_.shape[1]
    for start in range(0, length, sizes.chunk):
        running = [beam for beam in beams for _ in range(sizes.samples)]
        for j, (tokens, value) in enumerate(running):
            tokens = list(tokens)
            for step in range(start, min(start + sizes.chunk, length)):
                if len(tokens) > 1 and tokens[-1] in ends:
                    tokens.append(tokens[-1])
                    continue
                last, masses = tokens[-1], np.cumsum(np.exp(base[tokens[-1]]))
                token = int(np.searchsorted(masses, given_[j, step] * masses[-1], side="right"))
                value += tuned[last, token] - untuned[last, token]
                tokens.append(token)
            running[j] = tokens, value
        beams = sorted(running, key=lambda text: -text[1])[: sizes.beams]
    return beams[0][0][1:], beams[0][1]


@given(st.integers(0, 500), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_a_search_is_that_of_single_texts(seed: int, beams: int, samples: int, chunk: int, ended: bool) -> None:
    sizes, prompts = Search(beams, samples, chunk), np.array([0, 3, 4])
    ends = (2,) if ended else ()
    drawn = chances(seed, 3, sizes.width, 6)
    found = search(prompts[:, None], *functions(seed), drawn, sizes, ends=ends)
    for k, prompt in enumerate(prompts):
        tokens, value = written_out(int(prompt), seed, drawn[k], sizes, ends)
        assert found.tokens[k].tolist() == tokens
        assert found.reward[k] == pytest.approx(value, abs=1e-12)


@given(st.integers(0, 500), st.integers(1, 7))
def test_one_beam_and_one_sample_is_sampling(seed: int, chunk: int) -> None:
    prompts, drawn = np.arange(TOKENS)[:, None], chances(seed, TOKENS, 1, 6)
    found = search(prompts, *functions(seed), drawn, Search(1, 1, chunk))
    last, base = prompts[:, 0], tables(seed)[0]
    for step in range(6):
        last = draw_tokens(base[last], drawn[:, 0, step])
        np.testing.assert_array_equal(found.tokens[:, step], last)


def test_more_samples_find_more_reward() -> None:
    prompts = np.zeros((200, 1), int)
    means = [search(prompts, *functions(1), chances(4, 200, k, 6), Search(1, k, 2)).reward.mean() for k in (1, 2, 4, 8)]
    assert means == sorted(means)


@given(st.integers(0, 500), st.floats(0.0, 5.0))
def test_tilting(seed: int, weight: float) -> None:
    base, tuned, untuned = tables(seed)
    np.testing.assert_allclose(tilted(base, tuned, untuned, 0.0), base, atol=1e-12)
    np.testing.assert_allclose(tilted(base, tuned, base, 1.0), tuned, atol=1e-9)
    found = np.exp(base + weight * (tuned - untuned))
    np.testing.assert_allclose(
        np.exp(tilted(base, tuned, untuned, weight)), found / found.sum(axis=1, keepdims=True), rtol=1e-9
    )


def test_a_token_without_probability_is_not_drawn() -> None:
    log_p = np.array([np.log(0.7), np.log(0.3), -np.inf])
    drawn = draw_tokens(np.broadcast_to(log_p, (3, 3)), np.array([2.0**-53, 0.7 - 1e-12, 1.0 - 2.0**-53]))
    np.testing.assert_array_equal(drawn, [0, 0, 1])


def test_tilting_adds_no_token() -> None:
    base = np.array([0.0, -np.inf])
    np.testing.assert_array_equal(tilted(base, np.log([0.1, 0.9]), np.log([0.5, 0.5]), 3.0), base)


def test_sizes_are_checked() -> None:
    with pytest.raises(FieldError, match="chunk"):
        Search(1, 1, 0)
    with pytest.raises(ValueError, match="uniforms of 3 texts"):
        search(np.zeros((2, 1), int), *functions(0), chances(0, 2, 3, 4), Search(2, 2, 1))
