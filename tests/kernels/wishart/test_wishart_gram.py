"""Grams of a Gaussian design at many counts from one product, against the factors they belong to."""

from __future__ import annotations

import numpy as np
import pytest

from w2s_kernels import NUMPY, Backend, stream, wishart

STREAM = stream("gram", "tests", seed=3)


@pytest.mark.parametrize("d", [1, 2, 37, 130])
@pytest.mark.parametrize("counts", [[10**9, 40, 200], [1, 36, 37, 38], [129]])
def test_as_the_product_of_the_factor(d: int, counts: list[int], backend: Backend) -> None:
    grams = backend.to_numpy(wishart.gram(STREAM, counts, d, backend))
    for found, R in zip(grams, backend.to_numpy(wishart.factor(STREAM, counts, d, backend)), strict=True):
        assert (found == found.T).all()
        assert np.all(abs(found - R.T @ R) <= 4 * np.finfo(float).eps * d * (abs(R).T @ abs(R)))


def test_columns_come_in_the_order_that_is_asked_for() -> None:
    order = np.random.default_rng(0).permutation(40)
    plain, ordered = (wishart.gram(STREAM, [50, 20], 40, NUMPY, columns) for columns in (None, order))
    np.testing.assert_allclose(ordered, plain[:, order][:, :, order], rtol=1e-13, atol=1e-12)


def test_a_count_does_not_depend_on_the_others(backend: Backend) -> None:
    several = backend.to_numpy(wishart.gram(STREAM, [30, 5000, 12], 20, backend))
    for at, count in enumerate([30, 5000, 12]):
        assert (backend.to_numpy(wishart.gram(STREAM, [count], 20, backend))[0] == several[at]).all()


def test_a_gram_of_few_rows_has_their_rank() -> None:
    grams = wishart.gram(STREAM, [5, 19], 20, NUMPY)
    assert np.linalg.matrix_rank(grams, hermitian=True).tolist() == [5, 19]


def test_columns_must_be_a_permutation() -> None:
    with pytest.raises(ValueError, match="columns must be"):
        wishart.gram(STREAM, [50], 4, NUMPY, [0, 1, 1, 2])
    with pytest.raises(ValueError, match="columns must be a permutation"):
        wishart.gram(STREAM, [50], 4, NUMPY, [0, 1, 2])


def test_a_result_goes_where_it_is_wanted(backend: Backend) -> None:
    if backend.xp is not np:
        pytest.skip("views of host memory")
    whole = np.full((3, 2, 9, 9), 7.0)
    place = whole[:, 1]
    assert wishart.gram(STREAM, [4, 30, 50], 9, backend, out=place) is place
    np.testing.assert_array_equal(place, wishart.gram(STREAM, [4, 30, 50], 9, backend))
    assert (whole[:, 0] == 7.0).all()


@pytest.mark.parametrize("out", [np.empty((1, 9, 9)), np.empty((3, 9, 9), dtype=np.float32)])
def test_a_place_that_does_not_fit_is_refused(out: np.ndarray, backend: Backend) -> None:
    with pytest.raises(ValueError, match="float64"):
        wishart.gram(STREAM, [4, 30, 50], 9, backend, out=out)


def test_no_columns() -> None:
    with pytest.raises(ValueError, match="d must be at least 1"):
        wishart.gram(STREAM, [4], 0, NUMPY)
