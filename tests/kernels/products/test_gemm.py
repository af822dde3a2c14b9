"""Products by register tiles: any shape and memory order, errors of a chain, and bits that neighbours do not change."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_kernels import NUMPY, Backend, gemm, gram
from w2s_kernels.products import DEPTH, is_worth
from w2s_kernels.products.kept import TILED, added, multiplied

EPS = np.finfo(float).eps


@pytest.fixture(scope="module")
def tiled(numba: Backend) -> Callable[..., None]:
    from w2s_kernels.products.numba import tiled

    assert numba.name == "numba"
    return tiled


def drawn(shape: tuple[int, int], seed: int, *, across: bool = False) -> np.ndarray:
    """Numbers of many magnitudes, lying as (rows, columns) or as (columns, rows)."""
    rng = np.random.default_rng((seed, *shape))
    found = rng.standard_normal(shape) * 10.0 ** rng.uniform(-3, 3, shape)
    return np.asfortranarray(found) if across else found


@settings(deadline=None)
@given(m=st.integers(8, 90), k=st.integers(1, 2 * DEPTH + 5), n=st.integers(1, 70), across=st.booleans())
def test_tiles_multiply_within_the_error_of_a_chain(tiled: Callable[..., None], m: int, k: int, n: int, across: bool) -> None:
    left, right = drawn((m, k), 1, across=across), drawn((k, n), 2)
    got = multiplied(tiled, left, right)
    bound = (min(k, DEPTH) + k // DEPTH + 2) * EPS * (abs(left) @ abs(right))
    assert got.shape == (m, n)
    assert (abs(got - left.astype(np.longdouble) @ right) <= bound).all()


def test_a_product_is_near_the_exact_sum(tiled: Callable[..., None]) -> None:
    left, right = drawn((9, 1000), 3), drawn((1000, 17), 4)
    exact = np.array([[math.fsum(a * b for a, b in zip(row, column, strict=True)) for column in right.T] for row in left])
    np.testing.assert_allclose(multiplied(tiled, left, right), exact, rtol=0, atol=1e-13 * (abs(left) @ abs(right)).max())


@settings(deadline=None)
@given(m=st.integers(1, 40), n=st.integers(1, 50), k=st.integers(1, 500), first=st.integers(0, 20))
def test_bits_of_an_element_do_not_depend_on_its_neighbours(
    tiled: Callable[..., None], m: int, n: int, k: int, first: int
) -> None:
    """A part of the rows or columns, in either memory order of `left`, has the bits that it has in the whole."""
    left, right = drawn((first + m + 8, k), 5), drawn((k, first + n), 6)
    whole = multiplied(tiled, left, right)
    np.testing.assert_array_equal(
        multiplied(tiled, left[first:], np.ascontiguousarray(right[:, first:])), whole[first:, first:]
    )
    np.testing.assert_array_equal(multiplied(tiled, np.asfortranarray(left), right), whole)


@settings(deadline=None)
@given(p=st.integers(1, 40), q=st.integers(1, 40), n=st.integers(1, 900), upper=st.booleans())
def test_sums_are_added_to_what_is_there(tiled: Callable[..., None], p: int, q: int, n: int, upper: bool) -> None:
    X, Z, start = drawn((n, p), 7), drawn((n, q), 8), drawn((p, q), 9)
    total = start.copy()
    added(tiled, total, X, Z, upper=upper)
    want = start + multiplied(tiled, X.T, Z)
    seen = np.triu(np.ones((p, q), dtype=bool)) if upper else np.ones((p, q), dtype=bool)
    scale = abs(start) + abs(X).T @ abs(Z)
    assert (abs(total - want)[seen] <= n * EPS * scale[seen]).all()
    untouched = total == start
    assert upper or not untouched.all()


def test_kept_code_multiplies_as_numba(tiled: Callable[..., None]) -> None:
    left, right = drawn((123, 777), 10), drawn((777, 65), 11)
    np.testing.assert_array_equal(multiplied(TILED, left, right), multiplied(tiled, left, right))


@pytest.mark.parametrize("where", [(0, 0), (63, 5), (96, 776)], ids=str)
def test_what_is_not_finite_stays_in_its_row(tiled: Callable[..., None], where: tuple[int, int]) -> None:
    left, right = np.ones((97, 777)), np.ones((777, 33))
    left[where] = np.nan
    right[5, 32] = np.inf
    found = multiplied(tiled, left, right)
    assert np.isnan(found[where[0]]).all()
    others = np.delete(found, where[0], axis=0)
    assert np.isinf(others[:, 32]).all()
    assert (others[:, :32] == 777).all()


@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed"])
def test_any_memory_order_is_multiplied(numba: Backend, order: str) -> None:
    left, right = drawn((130, 200), 12), drawn((200, 140), 13)
    assert is_worth(130, 200, 140)
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "C": np.ascontiguousarray,
        "F": np.asfortranarray,
        "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 2, axis=1)[::2, ::2],
        "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    }
    want = gemm(left, right, numba)
    np.testing.assert_array_equal(gemm(ways[order](left), ways[order](right), numba), want)
    np.testing.assert_allclose(want, gemm(left, right, NUMPY), rtol=0, atol=1e-13 * abs(want).max())


def test_a_sum_is_not_lost_in_a_copy(tiled: Callable[..., None]) -> None:
    with pytest.raises(ValueError, match="contiguous"):
        added(tiled, np.zeros((10, 20))[:, ::2], np.ones((3, 10)), np.ones((3, 10)))


@pytest.mark.parametrize(("m", "k"), [(7, 30), (30, 0)])
def test_what_tiles_would_read_past_is_refused(tiled: Callable[..., None], m: int, k: int) -> None:
    with pytest.raises(ValueError, match=rf"8 rows at least, .* got \({m}, {k}\)"):
        multiplied(tiled, np.ones((m, k)), np.ones((k, 20)))


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(m, k\) and \(k, n\), got \(2, 3\) and \(2, 3\)"):
        gemm(np.ones((2, 3)), np.ones((2, 3)), NUMPY)


def test_a_gram_by_tiles_is_symmetric_to_the_bit(numba: Backend) -> None:
    X = drawn((500, 150), 14)
    found = gram(X, backend=numba)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, X.T @ X, rtol=0, atol=1e-13 * abs(X.T @ X).max())
