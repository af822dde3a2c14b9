"""Filter responses on a CUDA device: the kernels of `responses.cu`, one pass each, without (items, L, r) temporaries."""

from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array
from .cuda_source import ELEMENTWISE, blocks, kernel

FILE = "responses.cu"
KERNELS = ("response", "filter_coords", "products", "filter_products")
THREADS = 128
TOGETHER = 4  # right-hand sides that share a response: 12 KiB of shared memory, 12 running sums a thread
OPTIONS = (*ELEMENTWISE, f"-DTHREADS={THREADS}", f"-DTOGETHER={TOGETHER}")


def response(out: Array, *spectral: Array) -> None:
    """Fill out (B, L, r) with phi(s)/s; `spectral` are values (B, r), rank (B,), kind, value and step (L,) of the filters.

    All arrays here and below are contiguous, on the device, float64 or int64.
    """
    _launch("response", blocks(out.size, THREADS), (out, *spectral), out.shape)


def filter_coords(out: Array, *arrays: Array) -> None:
    """Fill out (B, L, r, k) with phi(s)/s times coordinates (B, r, k), the last of `arrays`; the others as in `response`."""
    items, filters, r, _ = out.shape
    _launch("filter_coords", blocks(items * filters * r, THREADS), (out, *arrays), out.shape)


def products(out: Array, responses: Array, coords: Array, first: Array, second: Array) -> None:
    """Fill out (3, B, T, L) as `filtered.filtered_products` says, from responses (B, L, r) and goals (B, T, r)."""
    _launch("products", _pairs(out), (out, responses, coords, first, second), (*out.shape[1:], coords.shape[2]))


def filter_products(out: Array, *arrays: Array) -> None:
    """`products` of responses that are computed on the way: `arrays` are those of `response`, then coords, first, second."""
    _launch("filter_products", _pairs(out), (out, *arrays), (*out.shape[1:], arrays[-1].shape[2]))


def _pairs(out: Array) -> int:
    """Blocks of a reduction: one for each item and filter."""
    return blocks(out.shape[1] * out.shape[3], 1)


def _launch(name: str, grid: int, arrays: tuple[Array, ...], sizes: tuple[int, ...]) -> None:
    items, *rest = sizes
    if 0 in sizes:
        arrays[0].fill(0.0)  # a sum over nothing; a grid without blocks is an error
        return
    numbers: list[Any] = [np.int64(items), *(np.int32(n) for n in rest)]
    kernel(FILE, name, OPTIONS)((grid,), (THREADS,), (*arrays, *numbers))
