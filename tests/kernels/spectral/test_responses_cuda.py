"""The CUDA filter kernels on the CPU: against the reference, tiny, vanishing and divergent directions included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from cuda_build import STAND_IN, Shim
from problems import Floats

from w2s_kernels import (
    NUMPY,
    Backend,
    Spectrum,
    concat,
    filter_coords,
    filter_products,
    filtered_products,
    flow,
    response,
    ridge,
    steps,
)

FILTERS = concat(
    ridge([0.0, 1e-300, 1e-3, 1.0, np.inf]),
    flow([0.0, 1e-20, 0.5, 30.0, 1e299, np.inf]),
    steps([0, 1, 2, 3, 40, 1_000_000], 0.25),
    steps([2, 7, 8], 1.9),
    steps([3, 10_000], 60.0),  # eta s = 240: diverged
)


def spectrum(items: int, r: int) -> Spectrum:
    """Eigenvalues from 4 down over all magnitudes, the smallest below the rank, some zero."""
    rng = np.random.default_rng(r)
    values = -np.sort(-4.0 * np.exp(-rng.uniform(0, 30, (items, r)) * np.linspace(0, 1, r)), axis=-1)
    values[:, 0] = 4.0
    values[0, r // 2 :] *= 1e-290
    values[-1, -1:] = 0.0
    values[:, 1:2] = 2.0 / 1.9  # eta s = 2 to the bit for one of the filters
    rank = np.maximum(1, r - np.arange(items) % 3)
    none = np.zeros(items, dtype=np.int64)
    return Spectrum(-np.sort(-values, axis=-1), np.zeros((items, r, r)), rank, np.zeros(items), none, "gram", none > 0)


def sides(items: int, count: int, r: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng([items, count, r])
    return tuple(rng.standard_normal((3, items, count, r)))  # type: ignore[return-value]


def near(got: Floats, want: Floats, scale: Floats | float = 0.0) -> None:
    """Equal where not finite, else within 1e-14 of the entry or of the scale of its terms."""
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    size = np.maximum(np.abs(want), scale)[finite]
    assert np.all(np.abs(got[finite] - want[finite]) <= 1e-14 * size)


def check_responses(backend: Backend) -> None:
    for items, r in [(1, 1), (3, 7), (2, 300)]:
        given = spectrum(items, r)
        near(backend.to_numpy(response(given, FILTERS, backend)), response(given, FILTERS, NUMPY))


def check_filtered_coordinates(backend: Backend) -> None:
    for items, r, k in [(1, 1, 1), (3, 7, 2), (2, 140, 5)]:
        given, coords = spectrum(items, r), np.random.default_rng(k).standard_normal((items, r, k))
        near(backend.to_numpy(filter_coords(given, FILTERS, coords, backend)), filter_coords(given, FILTERS, coords, NUMPY))


def check_products(backend: Backend) -> None:
    """Sums are compared on the scale of their terms, which may cancel in the third."""
    for items, count, r in [(1, 1, 1), (3, 4, 7), (2, 9, 300)]:
        given, (coords, first, second) = spectrum(items, r), sides(items, count, r)
        factors = response(given, FILTERS, NUMPY)
        want = filtered_products(factors, coords, first, second, NUMPY)
        with np.errstate(invalid="ignore", over="ignore"):
            scale = filtered_products(np.abs(factors), np.abs(coords), -np.abs(first), -np.abs(second), NUMPY).max(axis=0)
        scale = np.where(np.isfinite(scale), scale, 0.0)
        for got in (
            filtered_products(factors, coords, first, second, backend),
            filter_products(given, FILTERS, coords, first, second, backend),
        ):
            near(backend.to_numpy(got), want, 10 * scale)


CHECKS = [check_responses, check_filtered_coordinates, check_products]


@pytest.mark.parametrize("check", CHECKS)
def test_kernels_against_the_reference(check: Callable[[Backend], None], shim: Shim) -> None:
    check(STAND_IN)
    assert shim.launches >= 3


def test_an_item_in_a_batch_has_the_bits_it_has_alone(shim: Shim) -> None:
    given, (coords, first, second) = spectrum(5, 200), sides(5, 6, 200)
    whole = filter_products(given, FILTERS, coords, first, second, STAND_IN)
    one = Spectrum(given.values[3:4], given.vectors[3:4], given.rank[3:4], given.cutoff, given.clamped, "gram", given.repaired)
    alone = filter_products(one, FILTERS, coords[3:4], first[3:4], second[3:4], STAND_IN)
    np.testing.assert_array_equal(alone[:, 0], whole[:, 3])
    few = filter_products(given, FILTERS, *(np.ascontiguousarray(a[:, 5:]) for a in (coords, first, second)), STAND_IN)
    np.testing.assert_array_equal(few[:, :, 0], whole[:, :, 5])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_barrier_is_missing(seed: int, shim: Shim) -> None:
    given, arrays = spectrum(2, 333), sides(2, 7, 333)
    want = filter_products(given, FILTERS, *arrays, STAND_IN)
    with shim.threads_in_order(seed):
        np.testing.assert_array_equal(filter_products(given, FILTERS, *arrays, STAND_IN), want)


def test_the_fused_sums_have_the_bits_of_the_two_passes(shim: Shim) -> None:
    given, arrays = spectrum(2, 150), sides(2, 3, 150)
    two = filtered_products(response(given, FILTERS, STAND_IN), *arrays, STAND_IN)
    np.testing.assert_array_equal(filter_products(given, FILTERS, *arrays, STAND_IN), two)


def test_sums_over_nothing_are_zero(shim: Shim) -> None:
    given, arrays = spectrum(2, 5), sides(2, 3, 5)
    assert filter_products(given, FILTERS[:0], *arrays, STAND_IN).shape == (3, 2, 3, 0)
    assert filter_products(given, FILTERS, *(a[:, :0] for a in arrays), STAND_IN).shape == (3, 2, 0, len(FILTERS))
    nothing = filtered_products(np.empty((2, 4, 0)), *(a[..., :0] for a in arrays), STAND_IN)
    np.testing.assert_array_equal(nothing, np.zeros((3, 2, 3, 4)))
    assert shim.launches == 0


@pytest.mark.gpu
@pytest.mark.parametrize("check", CHECKS)
def test_device_against_the_reference(check: Callable[[Backend], None], device: Backend) -> None:
    check(device)
