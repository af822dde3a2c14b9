"""Mixtures of given heads: the best weights on the simplex, by a primal-dual interior point method, many problems side by side.

The mixtures of K heads are a convex set of probabilities, and both directions of the divergence are convex in the weights.
"""

from __future__ import annotations

from typing import Any

from w2s_kernels import Backend
from w2s_kernels.backend import Array

__all__ = ["fit_mixture"]

_ROUNDS = 100
_GAP = 1e-12  # mean complementarity, in nats, at which a fit is finished
_FLOOR = 1e-300


def fit_mixture(heads: Array, log_labels: Array, backend: Backend, *, reverse: bool) -> tuple[Array, Array]:
    """Find weights (B, K) of the mixture f = sum_k w_k p_k of heads nearest to labels q, and the gaps (B,) that are left.

    ``reverse`` minimises the mean over rows of KL(f || q), otherwise of KL(q || f). The gap is Frank and Wolfe's,
    max_k <grad, w - e_k>: no mixture is better by more. With ``reverse`` and a mixture f* that holds the truth,

        E KL(f* || q) - E KL(f* || f) - E KL(f || q) = <grad, w* - w> >= -gap.

    Parameters: heads (B, K, n, c), probabilities above zero; log_labels (B, n, c). A problem is left alone once it is finished,
    so its bits do not depend on its neighbours. Cost O(rounds n c K^2) per problem, about twenty rounds.
    """
    xp = backend.xp
    problems, count, items, classes = heads.shape
    flat = heads.reshape(problems, count, items * classes)
    logs = log_labels.reshape(problems, 1, items * classes)
    labels = xp.exp(logs)

    def at(weights: Array) -> tuple[Array, Array]:
        """Compute the gradient (B, K) and the curvature's diagonal (B, 1, n c) at weights."""
        mixed = xp.maximum(xp.matmul(weights[:, None, :], flat), _FLOOR)
        pull = xp.log(mixed) - logs + 1.0 if reverse else -labels / mixed
        curved = 1.0 / mixed if reverse else labels / mixed**2
        return xp.matmul(flat, pull.swapaxes(-1, -2))[..., 0] / items, curved

    weights = xp.full((problems, count), 1.0 / count)
    gradient, curved = at(weights)
    level = gradient.min(axis=-1, keepdims=True) - 1.0
    slack = gradient - level  # dual feasible from the start: gradient - level - slack = 0
    active = xp.ones(problems, dtype=bool)
    for _ in range(_ROUNDS):
        centre = (weights * slack).sum(axis=-1, keepdims=True) / count
        active = active & (centre[:, 0] > _GAP / count)
        if not bool(active.any()):
            break
        hessian = xp.matmul(flat * curved, flat.swapaxes(-1, -2)) / items
        system = hessian + (slack / weights)[:, None, :] * xp.eye(count)
        dual = gradient - level - slack
        right = 0.1 * centre / weights - slack - dual
        found = xp.linalg.solve(system, xp.stack([right, xp.ones_like(right)], axis=-1))
        free, ones = found[..., 0], found[..., 1]
        change = (1.0 - weights.sum(axis=-1, keepdims=True) - free.sum(axis=-1, keepdims=True)) / ones.sum(
            axis=-1, keepdims=True
        )
        step = free + change * ones
        drop = (0.1 * centre - weights * slack - slack * step) / weights
        length = xp.where(active[:, None], xp.minimum(_room(weights, step, xp), _room(slack, drop, xp)), 0.0)
        weights, slack, level = weights + length * step, slack + length * drop, level + length * change
        gradient, curved = at(weights)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    gradient, _ = at(weights)
    return weights, (gradient * weights).sum(axis=-1) - gradient.min(axis=-1)


def _room(values: Array, change: Array, xp: Any) -> Array:
    """Compute the longest step up to 1 that keeps positive values positive, (B, 1), and a hundredth less."""
    share = xp.where(change < 0, -change / values, 0.0).max(axis=-1, keepdims=True)
    return xp.minimum(1.0, 0.99 / xp.maximum(share, 1e-300))
