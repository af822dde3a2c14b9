"""Errors of predictions in one pass over the outputs, without a temporary of their size."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import njit

from ..backend import Array

__all__ = ["errors"]


@njit(cache=True)
def errors(out: Array, scores: Array, offset: Array, truth: Array, teacher: Array, labels: Array) -> None:
    """Fill out (6, L) as `prediction_errors` says, from scores (m, L, k): sums in the order of rows."""
    m, count, k = scores.shape
    out[:] = 0.0
    for i in range(m):
        true, weak = _largest(truth[i]), _largest(teacher[i])
        for f in range(count):
            squared, misfit, distance, cross = 0.0, 0.0, 0.0, 0.0
            best, top, unknown = 0, -np.inf, False
            for j in range(k):
                p = scores[i, f, j] + offset[j]
                to_truth, to_teacher, to_label = p - truth[i, j], teacher[i, j] - p, p - labels[i, j]
                squared += to_truth * to_truth
                misfit += to_label * to_label
                distance += to_teacher * to_teacher
                cross += to_teacher * to_truth
                unknown |= p != p
                if p > top:
                    best, top = j, p
            out[0, f] += squared
            out[1, f] += misfit
            out[2, f] += distance
            out[3, f] += 2.0 * cross
            out[4, f] += np.nan if unknown else 1.0 if best != true else 0.0
            out[5, f] += np.nan if unknown else 1.0 if best != weak else 0.0
    for place in range(6):
        for f in range(count):
            out[place, f] /= m


@njit(cache=True)
def _largest(values: Array) -> int:
    """Return the place of the largest value, the first of equals."""
    best = 0
    for j in range(1, len(values)):
        if values[j] > values[best]:
            best = j
    return best
