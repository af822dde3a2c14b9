"""Small SPD systems on a CUDA device: the kernel of `small.cu`, compiled for one order at its first use."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Array

SOURCE = Path(__file__).with_name("small.cu")
KERNEL = "solve_small"


def launch_plan(d: int) -> tuple[int, int]:
    """Threads an item and items a block for matrices of order d <= 64.

    One thread a row: the smallest power of two that holds d, at least 4. Blocks of 128 threads, 64 from d = 17 on so that
    their shared memory stays within the 48 KiB that every device grants.
    """
    group = max(4, 1 << (d - 1).bit_length())
    return group, max(1, (128 if group <= 16 else 64) // group)


def compile_options(d: int) -> tuple[str, ...]:
    """Options that turn `small.cu` into the kernel for order d."""
    group, items = launch_plan(d)
    return ("-std=c++17", f"-DDIM={d}", f"-DGROUP={group}", f"-DITEMS={items}")


@cache
def _kernel(d: int) -> Any:
    import cupy

    return cupy.RawModule(code=SOURCE.read_text(), options=compile_options(d)).get_function(KERNEL)


def solve(A: Array, B: Array) -> tuple[Array, Array, Array]:
    """Return x (items, d, k), quadratic (items, k), info (items,) of contiguous float64 A (items, d, d), B (items, d, k)."""
    import cupy

    items, d, k = B.shape
    group, together = launch_plan(d)
    x, quadratic, info = cupy.empty_like(B), cupy.empty((items, k)), cupy.empty(items, dtype=np.int64)
    arguments = (A, B, x, quadratic, info, np.int64(items), np.int32(k))
    _kernel(d)(((items + together - 1) // together,), (group * together,), arguments)
    return x, quadratic, info
