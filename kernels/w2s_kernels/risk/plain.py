"""Quadratic forms of many vectors in one matrix, by one GEMM an item; errors of predictions by array code."""

from __future__ import annotations

import numpy as np

from ..backend import Array, namespace
from ..items import matmul


def forms(v: Array, M: Array) -> Array:
    """Compute v'Mv for each column of v (*batch, [L,] d, k) and M (*batch, d, d): (*batch, [L,] k)."""
    xp = namespace(v, M)
    rows = xp.ascontiguousarray(xp.swapaxes(v, -1, -2))
    lead = v.shape[: M.ndim - 2]
    flat = rows.reshape(*lead, -1, rows.shape[-1])
    with np.errstate(invalid="ignore", over="ignore"):
        image = matmul(flat, M, xp).reshape(*rows.shape[:-1], M.shape[-1])
    return xp.sum(image * xp.swapaxes(v, -1, -2), axis=-1)


def errors(out: Array, scores: Array, offset: Array, truth: Array, teacher: Array, labels: Array) -> None:
    """Fill out (6, L) as `prediction_errors` says, from scores (m, L, k); temporaries have the size of `scores`."""
    xp, rows = namespace(scores), len(scores)
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged model is data, not an accident
        p = scores + offset
        to_truth, to_teacher = p - truth[:, None], teacher[:, None] - p
        for place, values in enumerate((to_truth**2, (p - labels[:, None]) ** 2, to_teacher**2, 2.0 * to_teacher * to_truth)):
            out[place] = xp.sum(values, axis=(0, 2)) / rows
    chosen, unknown = xp.argmax(p, axis=-1), xp.any(xp.isnan(p), axis=(0, 2))
    for place, goal in ((4, truth), (5, teacher)):
        out[place] = xp.where(unknown, xp.nan, xp.mean(chosen != xp.argmax(goal, axis=-1)[:, None], axis=0))
