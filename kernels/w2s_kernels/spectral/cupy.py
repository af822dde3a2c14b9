"""Filter responses on a CUDA device: the kernels of `kernel.cu`, one pass each, without (items, L, r) temporaries.

All arrays are contiguous, on the device, float64 or int64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array, namespace
from ..cuda import ELEMENTWISE, blocks, launch
from .filters import Filters, parameters

KERNELS = ("response", "filter_coords", "products", "filter_products")
THREADS = 128
TOGETHER = 4  # right-hand sides that share a response: 12 KiB of shared memory, 12 running sums a thread
OPTIONS = (*ELEMENTWISE, f"-DTHREADS={THREADS}", f"-DTOGETHER={TOGETHER}")


def response(out: Array, values: Array, rank: Array, filters: Filters) -> None:
    """Fill out (B, L, r) with phi(s)/s, as in `plain`."""
    _launch("response", blocks(out.size, THREADS), (out, *_spectral(values, rank, filters)), out.shape)


def filter_coords(out: Array, values: Array, rank: Array, filters: Filters, coords: Array) -> None:
    """Fill out (B, L, r, k) with phi(s)/s times coordinates (B, r, k)."""
    items, count, r, _ = out.shape
    arrays = (out, *_spectral(values, rank, filters), coords)
    _launch("filter_coords", blocks(items * count * r, THREADS), arrays, out.shape)


def products(out: Array, responses: Array, coords: Array, first: Array, second: Array) -> None:
    """Fill out (3, B, T, L) as `filtered_products` says, from responses (B, L, r) and goals (B, T, r)."""
    _launch("products", _pairs(out), (out, responses, coords, first, second), (*out.shape[1:], coords.shape[2]))


def filter_products(
    out: Array, _sums: object, values: Array, rank: Array, filters: Filters, coords: Array, first: Array, second: Array
) -> None:
    """Fill out (3, B, T, L) with the `products` of responses that are computed on the way and not stored."""
    arrays = (out, *_spectral(values, rank, filters), coords, first, second)
    _launch("filter_products", _pairs(out), arrays, (*out.shape[1:], coords.shape[2]))


def _spectral(values: Array, rank: Array, filters: Filters) -> tuple[Array, ...]:
    """Return eigenvalues and ranks, and the kind, value and step of the filters."""
    return values, rank, *parameters(filters, namespace(values))[:3]


def _pairs(out: Array) -> int:
    """Count the blocks of a reduction: one for each item and filter."""
    return blocks(out.shape[1] * out.shape[3], 1)


def _launch(name: str, grid: int, arrays: tuple[Array, ...], sizes: tuple[int, ...]) -> None:
    items, *rest = sizes
    if 0 in sizes:
        arrays[0].fill(0.0)  # a sum over nothing; a grid without blocks is an error
        return
    numbers: list[Any] = [np.int64(items), *(np.int32(n) for n in rest)]
    launch("spectral", name, grid, THREADS, OPTIONS, (*arrays, *numbers))
