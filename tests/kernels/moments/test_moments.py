from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import FAMILIES, close, make
from textbook import gram_reference

from w2s_kernels import CHUNK, NUMPY, Backend, gram, normals, stream, streamed_grams
from w2s_kernels.backend import Array
from w2s_kernels.moments import TOGETHER


def prefix_grams(X: Any, counts: list[int], backend: Backend) -> np.ndarray:
    """`streamed_grams` of rows in memory, (..., N, p)."""
    X = np.asarray(X)
    return backend.to_numpy(streamed_grams(lambda ends: X[..., slice(*ends), :], counts, backend))


def rows(n: int, p: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, p))


@pytest.mark.parametrize("family", FAMILIES)
def test_gram_against_exact_sums(family: str, backend: Backend) -> None:
    X, y = make(family)
    before = X.copy()
    exact = X.astype(np.float64)
    with np.errstate(over="ignore"):
        close(backend.to_numpy(gram(X, backend=backend)), gram_reference(exact, exact), 1e-14)
        close(backend.to_numpy(gram(X, y, backend)), gram_reference(exact, y), 1e-14)
    np.testing.assert_array_equal(X, before)


def test_known_answer(backend: Backend) -> None:
    X = [[1, 2], [3, 4], [5, 6]]
    np.testing.assert_array_equal(backend.to_numpy(gram(X, backend=backend)), [[35, 44], [44, 56]])
    got = prefix_grams(X, [1, 3], backend)
    np.testing.assert_array_equal(got, [[[1, 2], [2, 4]], [[35, 44], [44, 56]]])


@settings(max_examples=30, deadline=None)
@given(counts=st.sets(st.integers(1, 3 * CHUNK), min_size=1, max_size=5), data=st.data())
def test_bits_do_not_depend_on_the_other_counts(counts: set[int], data: st.DataObject) -> None:
    X = rows(3 * CHUNK, 3)
    asked = sorted(counts)
    chosen = data.draw(st.sampled_from(asked))
    together = prefix_grams(X, asked, NUMPY)[asked.index(chosen)]
    np.testing.assert_array_equal(together, prefix_grams(X, [chosen], NUMPY)[0])
    np.testing.assert_array_equal(together, gram(X[:chosen]))


@pytest.mark.parametrize("n", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_chunk_borders(n: int, backend: Backend) -> None:
    X = rows(2 * CHUNK, 4)
    got = prefix_grams(X, [n], backend)[0]
    close(got, X[:n].T @ X[:n], 1e-13)
    np.testing.assert_array_equal(got, got.T)


def test_item_in_a_batch_is_the_item_alone(backend: Backend) -> None:
    X, Z = rows(4 * 1500, 7).reshape(2, 2, 1500, 7), rows(4 * 1500, 3, 1).reshape(2, 2, 1500, 3)
    batch, cross = prefix_grams(X, [9, 1100, 1500], backend), backend.to_numpy(gram(X, Z, backend))
    assert batch.shape == (2, 2, 3, 7, 7)
    for i in np.ndindex(2, 2):
        np.testing.assert_array_equal(batch[i], prefix_grams(X[i], [9, 1100, 1500], backend))
        np.testing.assert_array_equal(cross[i], backend.to_numpy(gram(X[i], Z[i], backend)))


@pytest.mark.parametrize("width", [255, 256, 300])
def test_narrow_and_wide_sums_keep_the_same_rules(width: int, backend: Backend) -> None:
    """Around the width from which only one triangle is summed: value, symmetry, prefixes and items of a batch."""
    X = rows(2 * (CHUNK + 40), width).reshape(2, CHUNK + 40, width)
    counts = [7, CHUNK, CHUNK + 40]
    batch = prefix_grams(X, counts, backend)
    for item, sums in zip(X, batch, strict=True):
        for n, got in zip(counts, sums, strict=True):
            close(got, item[:n].T @ item[:n], 1e-13)
            np.testing.assert_array_equal(got, got.T)
            np.testing.assert_array_equal(got, backend.to_numpy(gram(item[:n], backend=backend)))


@pytest.mark.parametrize("width", [5, 260])
@pytest.mark.parametrize(
    "counts", [[3], [CHUNK], [1, CHUNK, CHUNK + 1, 2 * CHUNK, TOGETHER * CHUNK, (TOGETHER + 1) * CHUNK + 300]]
)
def test_streamed_rows_give_the_bits_of_rows_in_memory(counts: list[int], width: int, backend: Backend) -> None:
    role, asked = stream("moments", seed=0), []

    def made(ends: tuple[int, int]) -> Array:
        asked.append(ends)
        return normals(role, ends, width, backend)

    got = backend.to_numpy(streamed_grams(made, counts, backend))
    whole = normals(role, counts[-1], width, backend)
    for n, found in zip(counts, got, strict=True):
        np.testing.assert_array_equal(found, backend.to_numpy(gram(whole[:n], backend=backend)))
    assert [start for start, _ in asked] == list(range(0, counts[-1], TOGETHER * CHUNK))
    assert asked[-1][1] == counts[-1]


def test_streamed_rows_are_checked() -> None:
    first = 2 * TOGETHER * CHUNK
    with pytest.raises(ValueError, match=rf"rows \({first}, {first + 6}\) has 6 non-finite"):
        streamed_grams(lambda ends: np.full((ends[1] - ends[0], 1), np.nan if ends[0] == first else 1.0), [first + 6], NUMPY)
    with pytest.raises(ValueError, match="increase strictly"):
        streamed_grams(lambda ends: np.ones((ends[1] - ends[0], 1)), [5, 5], NUMPY)


def test_strides_do_not_change_bits() -> None:
    X = rows(3000, 16)
    np.testing.assert_array_equal(gram(np.asfortranarray(X)), gram(X))
    np.testing.assert_array_equal(gram(rows(3000, 32)[:, ::2]), gram(rows(3000, 32)[:, ::2].copy()))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), split=st.integers(1, 199))
def test_permutation_and_concatenation_of_samples(seed: int, split: int) -> None:
    X = rows(200, 3, seed)
    close(gram(X[np.random.default_rng(seed).permutation(200)]), gram(X), 1e-13)
    close(gram(X[:split]) + gram(X[split:]), gram(X), 1e-13)


def test_power_of_two_scaling_is_exact() -> None:
    X = rows(1500, 5)
    np.testing.assert_array_equal(gram(X * 2.0**-400), gram(X) * 2.0**-800)


def test_nonfinite_rows_are_counted_and_located() -> None:
    X = rows(10, 3)
    X[4, 1] = np.nan
    with pytest.raises(ValueError, match=r"X has 1 non-finite values of 30, the first at index \(4, 1\)"):
        gram(X)
    with pytest.raises(ValueError, match="Z has"):
        gram(rows(10, 3), X)


@pytest.mark.parametrize("counts", [[], [0], [3, 3], [5, 4]])
def test_counts_are_checked(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="increase strictly from 1 on"):
        prefix_grams(rows(10, 2), counts, NUMPY)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="share batch and sample axes"):
        gram(rows(10, 2), rows(9, 2))
    with pytest.raises(ValueError, match="n >= 1"):
        gram(np.zeros(3))
    with pytest.raises(TypeError):
        prefix_grams(rows(10, 2), [1.5], NUMPY)  # type: ignore[list-item]
