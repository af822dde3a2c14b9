"""The CUDA streams on the CPU: every bit against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cuda_build import STAND_IN, Shim

from w2s_kernels import NUMPY, Backend, normals, permutation, stream, uniforms, words
from w2s_kernels.cuda import MAX_BLOCKS
from w2s_kernels.streams import cupy as streams_cupy

KINDS = [words, uniforms, normals]
ROLE = stream("test", "design", seed=3)
LAST = 2**32
SPANS = [
    (3, 7),
    (1, 1),
    (9, 2),
    ((1, 40), (3, 150)),
    ((7, 9), (5, 6)),
    ((0, 5), (2, 4)),
    ((LAST - 3, LAST), (LAST - 9, LAST)),
    ((LAST - 1, LAST), (0, 3)),
    ((2**31 - 2, 2**31 + 2), (2**31 - 3, 2**31 + 3)),
    ((0, 300), (8, 12)),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "cols"), SPANS)
def test_kernel_has_the_bits_of_the_reference(kind: Any, rows: Any, cols: Any, shim: Shim) -> None:
    got = kind(ROLE, rows, cols, STAND_IN)
    assert shim.launches == 1
    np.testing.assert_array_equal(got.view(np.uint64), kind(ROLE, rows, cols, NUMPY).view(np.uint64))


def test_normals_of_many_words_have_the_bits_of_the_reference(shim: Shim) -> None:
    """Enough draws for every branch of the transform: all quarters of the circle, both halves of the logarithm's range."""
    got = normals(ROLE, 400, 500, STAND_IN)
    np.testing.assert_array_equal(got.view(np.uint64), normals(ROLE, 400, 500, NUMPY).view(np.uint64))
    assert shim.launches == 1


def test_permutation_is_that_of_the_reference(shim: Shim) -> None:
    np.testing.assert_array_equal(permutation(ROLE, 1000, STAND_IN), permutation(ROLE, 1000, NUMPY))
    assert shim.launches == 1


def test_nothing_is_launched_for_nothing(shim: Shim) -> None:
    assert normals(ROLE, 0, 4, STAND_IN).shape == (0, 4)
    assert words(ROLE, 4, (5, 5), STAND_IN).shape == (4, 0)
    assert shim.launches == 0


def test_a_grid_has_room_for_any_array_that_fits_a_device() -> None:
    grid, _ = streams_cupy.geometry((2**20, 2**20), 0, 3)
    assert grid == -(-(2**20) * (2**18 + 1) // streams_cupy.THREADS) <= MAX_BLOCKS
    with pytest.raises(ValueError, match="a grid has at most"):
        streams_cupy.geometry((2**31, 2**16), 0, 0)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "cols"), [*SPANS, (3000, 1001)])
def test_device_has_the_bits_of_the_reference(kind: Any, rows: Any, cols: Any, device: Backend) -> None:
    got = device.to_numpy(kind(ROLE, rows, cols, device))
    np.testing.assert_array_equal(got.view(np.uint64), kind(ROLE, rows, cols, NUMPY).view(np.uint64))
