"""Linear softmax heads by Newton steps, many problems side by side, in either direction of the divergence.

A head gives log-probabilities z - log sum exp z with z = x'W. Its last class has the logit 0. Fits are unregularised unless a
ridge is given, and have no intercept: a constant feature is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from w2s_kernels import Backend
from w2s_kernels.backend import Array

__all__ = ["fit_softmax", "log_softmax"]

_ROUNDS, _HALVINGS = 200, 30
_SMALL = 1e-13  # norm of the gradient of the mean loss at which a fit is finished
_SLACK = 1e-14  # of the loss: below it a line search sees rounding


def log_softmax(logits: Array, xp: Any = np) -> Array:
    """Compute log-probabilities of logits along the last axis; nothing overflows."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))


def fit_softmax(
    rows: Array, log_labels: Array, backend: Backend, *, reverse: bool = False, ridge: float = 0.0, weights: Array | None = None
) -> tuple[Array, Array]:
    """Fit heads p = softmax(x'W) to label distributions q; return W (B, d, c), last column 0, and the gradients' norms (B,).

    Forward (the default) minimises the weighted mean over rows of KL(q || p), which is cross-entropy up to a constant;
    ``reverse`` that of KL(p || q), which is not convex in W. Both add ridge |W|^2 / 2. Every round solves with Fisher's
    information, the Hessian of the forward loss, and halves the step until the loss falls. A problem is left alone once its
    gradient is below 1e-13 or no step lowers its loss, so its bits do not depend on its neighbours.

    Parameters
    ----------
    rows : (B or 1, n, d). log_labels : (B, n, c), log q; -inf, a probability of 0, is allowed in the forward direction.
    weights : (B or 1, n), of the rows, non-negative, or None for equal ones.

    Cost O(rounds n (c d)^2) per problem: about seven rounds forward, some tens in reverse.
    """
    xp = backend.xp
    problems, count, classes = log_labels.shape
    labels, width = xp.exp(log_labels), rows.shape[-1]
    share = xp.full((1, count), 1.0 / count) if weights is None else weights / weights.sum(axis=-1, keepdims=True)
    columns = rows.swapaxes(-1, -2)

    def at(free: Array) -> tuple[Array, Array, Array]:
        """Compute log-probabilities, losses (B,) and gradients (B, d, c - 1)."""
        logits = xp.concatenate([xp.matmul(rows, free), xp.zeros((problems, count, 1))], axis=-1)
        logs = log_softmax(logits, xp)
        p = xp.exp(logs)
        if reverse:
            gap = logs - log_labels
            each = (p * gap).sum(axis=-1)
            pull = p * (gap - each[..., None])
        else:
            each = -(labels * xp.where(labels > 0, logs, 0.0)).sum(axis=-1)
            pull = p * labels.sum(axis=-1, keepdims=True) - labels
        loss = (each * share).sum(axis=-1) + 0.5 * ridge * (free**2).sum(axis=-1).sum(axis=-1)
        return p, loss, xp.matmul(columns, pull[..., :-1] * share[..., None]) + ridge * free

    free = xp.zeros((problems, width, classes - 1))
    p, loss, gradient = at(free)
    active = xp.ones(problems, dtype=bool)
    for _ in range(_ROUNDS):
        norm = xp.sqrt((gradient**2).sum(axis=-1).sum(axis=-1))
        active = active & (norm > _SMALL)
        if not bool(active.any()):
            break
        step = _solved(_information(rows, columns, p, share, ridge, xp), gradient, xp)
        slope = (step * gradient).sum(axis=-1).sum(axis=-1)
        length, waiting, moved = xp.where(active, 1.0, 0.0), active, active & False
        for _ in range(_HALVINGS):
            found = at(free - length[:, None, None] * step)
            lower = found[1] <= loss - 1e-4 * length * slope + _SLACK * xp.abs(loss)
            moved, waiting = moved | (waiting & lower), waiting & ~lower
            if not bool(waiting.any()):
                break
            length = xp.where(waiting, 0.5 * length, length)
        length = xp.where(moved, length, 0.0)
        stuck = moved & (found[1] >= loss) & (norm < 1e-9)  # rounding is all that is left
        free = free - length[:, None, None] * step
        p, loss, gradient = found if bool((moved | ~active).all()) else at(free)
        active = active & moved & ~stuck
    full = xp.concatenate([free, xp.zeros((problems, width, 1))], axis=-1)
    return full, xp.sqrt((gradient**2).sum(axis=-1).sum(axis=-1))


def _information(rows: Array, columns: Array, p: Array, share: Array, ridge: float, xp: Any) -> Array:
    """Compute Fisher's information (B, (c - 1) d, (c - 1) d), classes outermost."""
    free, width = p.shape[-1] - 1, rows.shape[-1]
    whole = xp.empty((len(p), free * width, free * width))
    for a in range(free):
        for b in range(a + 1):
            spread = p[..., a] * ((1.0 if a == b else 0.0) - p[..., b]) * share
            block = xp.matmul(columns * spread[:, None, :], rows)
            whole[:, a * width : (a + 1) * width, b * width : (b + 1) * width] = block
            whole[:, b * width : (b + 1) * width, a * width : (a + 1) * width] = block.swapaxes(-1, -2)
    trace = xp.trace(whole, axis1=-2, axis2=-1)
    # A direction without curvature, where the head is sure of all rows, must not stop the others.
    shift = ridge + 1e-13 * trace / (free * width) + 1e-300
    return whole + shift[:, None, None] * xp.eye(free * width)


def _solved(information: Array, gradient: Array, xp: Any) -> Array:
    problems, width, free = gradient.shape
    flat = gradient.swapaxes(-1, -2).reshape(problems, free * width, 1)
    return xp.linalg.solve(information, flat).reshape(problems, free, width).swapaxes(-1, -2)
