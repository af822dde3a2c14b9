"""Compiled batches of small SPD systems: WIDTH matrices side by side, one a lane.

A task packs WIDTH items at a time into scratch that stays in the cache, in the layout of `small_tiles_numba`. Panel by panel it
packs four rows of A, finishes these rows of L against all earlier panels and solves the same four rows of L y = b; then
L'x = y from the last panel up. Rows are padded to a multiple of four with the identity; lanes beyond the batch repeat the
last item and are not written back. While a panel is worked on, the same panel of the next items is on its way from memory.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from .backend import Array
from .lanes_numba import BLOCK, WIDTH, address, interleave, prefetch, scatter, scatter_past, settle, store
from .small_tiles_numba import COLUMN, backward, backward1, corner, entry, forward, forward1, panel, squares

ALIGN = 64  # bytes of a cache line, and of the widest vector
LINE = ALIGN // 8  # values in it
PAST = 2**18  # values of a result from which on it is written past the caches (2 MiB)
TASKS = 4  # tasks a thread: enough to even out, few enough that scratch is made rarely


@njit(cache=True, forceinline=True)
def _pack(out: Array, to: int, step: int, a: Array, at: int, stride: int, last: int, count: int) -> None:
    """Set out[to + j step + lane] = a[at + min(lane, last) stride + j] for j < count."""
    whole = count // BLOCK * BLOCK
    for j in range(0, whole, BLOCK):
        interleave(out, to + j * step, step, a, at + j, stride, last)
    for j in range(whole, count):
        for lane in range(WIDTH):
            out[to + j * step + lane] = a[at + min(lane, last) * stride + j]


@njit(cache=True, forceinline=True)
def _unpack(out: Array, to: int, count: int, items: int, a: Array, past: bool) -> None:
    """Set out[to + lane count + j] = a[j WIDTH + lane] for j < count, lane < items."""
    whole = count // BLOCK * BLOCK if items == WIDTH else 0
    if past:
        for j in range(0, whole, BLOCK):
            scatter_past(out, to + j, count, a, j * WIDTH)
    else:
        for j in range(0, whole, BLOCK):
            scatter(out, to + j, count, a, j * WIDTH)
    for lane in range(items):
        for j in range(whole, count):
            out[to + lane * count + j] = a[j * WIDTH + lane]


@njit(cache=True, forceinline=True)
def _pack_panel(L: Array, p: int, A: Array, at: int, d: int, last: int) -> None:
    """Rows 4p .. 4p + 3 of the items' lower triangles, as they stand in A; rows beyond d are those of the identity."""
    start = panel(p)
    for r in range(4):
        i = 4 * p + r
        if i < d:
            _pack(L, start + r * WIDTH, COLUMN, A, at + i * d, d * d, last, min(d, 4 * p + 4))
        for j in range(0 if i >= d else min(d, 4 * p + 4), 4 * p + 4):
            for lane in range(WIDTH):
                L[start + j * COLUMN + r * WIDTH + lane] = 1.0 if i == j else 0.0


@njit(cache=True, forceinline=True)
def _prefetch(A: Array, at: int, d: int, p: int) -> None:
    """Ask for panel p of the next group, now that there is work to hide the wait."""
    for lane in range(WIDTH):
        for r in range(min(4, d - 4 * p)):
            for j in range(0, 4 * p + 4, LINE):
                prefetch(A, at + (lane * d + r) * d + j)


@njit(cache=True)
def _factor(L: Array, y: Array, A: Array, at: int, d: int, k: int, last: int) -> None:
    """Factor and solve L y = b for the packed right-hand sides of one group whose matrices start at A[at]."""
    panels, step = (d + 3) // 4, k * WIDTH
    for p in range(panels):
        _pack_panel(L, p, A, at, d, last)
        _prefetch(A, at + WIDTH * d * d + 4 * p * d, d, p)
        for above in range(p):
            forward(L, above, L, panel(p), COLUMN)
        corner(L, p)
        for c in range(0, k - 3, 4):
            forward(L, p, y, c * WIDTH, step)
        for c in range(k // 4 * 4, k):
            forward1(L, p, y, c * WIDTH, step)


@njit(cache=True)
def _back(L: Array, y: Array, d: int, k: int) -> None:
    """Solve L'x = y in place for one group."""
    panels, step = (d + 3) // 4, k * WIDTH
    for p in range(panels - 1, -1, -1):
        for c in range(0, k - 3, 4):
            backward(L, p, panels, y, c * WIDTH, step)
        for c in range(k // 4 * 4, k):
            backward1(L, p, panels, y, c * WIDTH, step)


@njit(cache=True)
def _aligned(raw: Array) -> Array:
    """All of the values but LINE, from the first one that starts a cache line."""
    skip = (-address(raw) % ALIGN) // 8
    return raw[skip : skip + raw.shape[0] - LINE]


@njit(cache=True)
def _run(x: Array, quadratic: Array, info: Array, A: Array, B: Array, d: int, k: int, first: int, stop: int) -> None:
    """Groups first .. stop - 1; A, B, x and quadratic are flat, item after item."""
    rows = (d + 3) // 4 * 4
    # What the second-level cache cannot hold need not be read into it before it is written.
    past = x.shape[0] >= PAST and d * k % BLOCK == 0
    L, y = _aligned(np.empty(panel(rows // 4) + LINE)), _aligned(np.empty(rows * k * WIDTH + LINE))
    sums = np.empty(k * WIDTH)
    for group in range(first, stop):
        start = group * WIDTH
        items = min(WIDTH, info.shape[0] - start)
        _pack(y, 0, WIDTH, B, start * d * k, d * k, items - 1, d * k)
        y[d * k * WIDTH :] = 0.0
        _factor(L, y, A, start * d * d, d, k, items - 1)
        for c in range(k):
            store(sums, c * WIDTH, squares(y, c * WIDTH, k * WIDTH, d))
        _unpack(quadratic, start * k, k, items, sums, False)
        _back(L, y, d, k)
        _unpack(x, start * d * k, d * k, items, y, past)
        pivot = entry((d - 1) // 4, (d - 1) % 4, (d - 1) % 4)
        for lane in range(items):
            info[start + lane] = np.isnan(L[pivot + lane])
    settle()


@njit(cache=True, parallel=True)
def _all(x: Array, quadratic: Array, info: Array, A: Array, B: Array, d: int, k: int, tasks: int) -> None:
    groups = (info.shape[0] + WIDTH - 1) // WIDTH
    tasks = min(tasks, groups)
    for task in prange(tasks):
        _run(x, quadratic, info, A, B, d, k, groups * task // tasks, groups * (task + 1) // tasks)


def solve(A: Array, B: Array) -> tuple[Array, Array, Array]:
    """Return x (items, d, k), quadratic (items, k), info (items,) of contiguous float64 A (items, d, d), B (items, d, k)."""
    items, d, k = B.shape
    # NumPy's own allocation: it asks for large pages, compiled code's does not.
    x, quadratic, info = _aligned(np.empty(B.size + LINE)), np.empty((items, k)), np.empty(items, np.int64)
    _all(x, quadratic.reshape(-1), info, A.reshape(-1), B.reshape(-1), d, k, TASKS * get_num_threads())
    return x.reshape(items, d, k), quadratic, info
