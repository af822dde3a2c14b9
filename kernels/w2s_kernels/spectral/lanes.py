"""Sums over eigendirections in array code with the bits of the compiled ones: four partial sums, in the same order."""

from __future__ import annotations

import numpy as np

from ..backend import Array

__all__ = ["LANES", "products"]

LANES = 4  # partial sums


def products(out: Array, response: Array, coords: Array, first: Array, second: Array) -> None:
    """Fill out (3, S, T, L) as in `plain`; lane i sums every fourth direction from the i-th on, lane 0 those that are left."""
    rank = response.shape[-1]
    whole = rank - rank % LANES
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged filter is data, not an accident
        for t in range(coords.shape[1]):
            fitted = response * coords[:, t, None, :]
            to_first, to_second = fitted - first[:, t, None, :], second[:, t, None, :] - fitted
            for place, (a, b) in enumerate(((to_first, to_first), (to_second, to_second), (to_second, to_first))):
                terms = a * b
                lanes = np.zeros((*terms.shape[:-1], LANES))
                for start in range(0, whole, LANES):
                    lanes += terms[..., start : start + LANES]
                for last in range(whole, rank):
                    lanes[..., 0] += terms[..., last]
                out[place, :, t] = (lanes[..., 0] + lanes[..., 1]) + (lanes[..., 2] + lanes[..., 3])
