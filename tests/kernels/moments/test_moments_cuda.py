from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from cupy_stand_in import Cupy, syrk

from w2s_kernels import CHUNK, NUMPY, Backend, gram, streamed_grams
from w2s_kernels.moments import cupy as moments_cupy


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_one_update_an_item_into_the_upper_triangle(lead: tuple[int, ...]) -> None:
    rng, calls = np.random.default_rng(0), []

    def update(*args: Any, **options: Any) -> None:
        calls.append(options)
        syrk(*args, **options)

    X, total = rng.standard_normal((*lead, 9, 5)), rng.standard_normal((*lead, 5, 5))
    want = np.triu(total + np.swapaxes(X, -1, -2) @ X) + np.tril(total, -1)
    assert moments_cupy.add(total, X, X, update)
    np.testing.assert_allclose(total, want, rtol=1e-14, atol=1e-14)
    assert len(calls) == int(np.prod(lead))


def test_slices_of_a_larger_sum_are_updated_in_place() -> None:
    sums, X = np.zeros((2, 4, 3, 3)), np.random.default_rng(1).standard_normal((2, 30, 3))
    part = X[:, 7:21]
    moments_cupy.add(sums[:, 1], part, part, syrk)
    np.testing.assert_allclose(sums[:, 1], np.triu(np.swapaxes(X[:, 7:21], 1, 2) @ X[:, 7:21]), rtol=1e-14)
    assert not sums[:, [0, 2, 3]].any()


@pytest.mark.parametrize("columns", [1, 70])
def test_prefix_sums_as_the_reference(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All chunks and remainders, and the lower triangle mirrored."""
    monkeypatch.setitem(sys.modules, "cupy", Cupy())
    stand_in = Backend("cupy", "NumPy in place of a device")
    X = np.random.default_rng(4).standard_normal((2, 2 * CHUNK + 100, columns))
    counts = [5, CHUNK, CHUNK + 1, 2 * CHUNK + 100]
    got, want = (streamed_grams(lambda ends: X[:, slice(*ends)], counts, backend) for backend in (stand_in, NUMPY))
    np.testing.assert_allclose(got, want, atol=1e-12 * len(X[0]))
    np.testing.assert_array_equal(got, np.swapaxes(got, -1, -2))
    np.testing.assert_array_equal(got[:, 2], gram(X[:, : CHUNK + 1], backend=stand_in))


@pytest.mark.gpu
def test_device_sums_keep_the_rule_of_prefixes(device: Backend) -> None:
    X = np.random.default_rng(2).standard_normal((2, 3 * CHUNK + 17, 70))
    counts = [5, CHUNK, 2 * CHUNK + 1, 3 * CHUNK + 17]
    there = device.asarray(X)
    sums = device.to_numpy(streamed_grams(lambda ends: there[:, slice(*ends)], counts, device))
    for n, found in zip(counts, np.moveaxis(sums, 1, 0), strict=True):
        np.testing.assert_array_equal(found, device.to_numpy(gram(device.asarray(X[:, :n]), backend=device)))
        np.testing.assert_array_equal(found, np.swapaxes(found, 1, 2))
        np.testing.assert_allclose(found, np.swapaxes(X[:, :n], 1, 2) @ X[:, :n], atol=1e-12 * n)


@pytest.mark.gpu
def test_device_update_is_a_triangle(device: Backend) -> None:
    X = np.random.default_rng(3).standard_normal((3, 40, 33))
    total = device.xp.full((3, 33, 33), 7.0)
    rows = device.asarray(X)
    moments_cupy.add(total, rows, rows)
    want = np.where(np.tri(33, k=-1, dtype=bool), 7.0, 7.0 + np.swapaxes(X, 1, 2) @ X)
    np.testing.assert_allclose(device.to_numpy(total), want, rtol=1e-13, atol=1e-12)
