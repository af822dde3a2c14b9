"""How many operations a second a core can do: register tiles on numbers that stay in the nearest cache."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import time

import numpy as np
from numba import njit

from ..backend import Array
from .tiles import COLUMNS, ROWS, add_product

__all__ = ["peak_flops"]

_DEPTH = 128  # 8 KiB of X and 16 KiB of Y at the widest registers


def peak_flops(seconds: float = 0.05, turns: int = 5) -> float:
    """Measure multiplications and additions a second, in float64 on one thread: the best of some turns of processor time."""
    C, X, Y = np.zeros(ROWS * COLUMNS), np.zeros(ROWS * _DEPTH), np.zeros(_DEPTH * COLUMNS)
    _tiles(C, X, Y, 1)
    times, best = 1000, 0.0
    for _ in range(turns):
        start = time.thread_time()
        _tiles(C, X, Y, times)
        spent = max(time.thread_time() - start, 1e-6)
        best = max(best, 2.0 * ROWS * COLUMNS * _DEPTH * times / spent)
        times = max(1000, int(times * seconds / spent))
    return best


@njit(cache=True)
def _tiles(C: Array, X: Array, Y: Array, times: int) -> None:
    """Add X (ROWS, _DEPTH) times Y (_DEPTH, COLUMNS) to C, so many times over."""
    for _ in range(times):
        add_product(C, (0, COLUMNS), X, (0, _DEPTH), Y, (0, COLUMNS), _DEPTH)
