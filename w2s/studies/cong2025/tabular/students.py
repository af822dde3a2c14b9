"""Strong students as tables of logits: fitted to texts, then trained on pairs of texts or on the weak log ratios.

A student is the language's table plus a change. The change of a ``table`` is free in every entry; that of a ``shared`` student
is one number for each token, the same after every token, so it learns from all contexts at once what an alignment has in common
there. Trainings are full-batch gradient descent; ``rate`` counts in steps of one over a bound of the loss's curvature, so a
rate of 1 is stable and means the same for both losses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from w2s.studies.cong2025.tabular.world import log_softmax
from w2s_kernels import Backend
from w2s_kernels.backend import Array

__all__ = ["Descent", "fitted", "prefer", "regress"]

_NEWTON = 30
_LONGEST = 1.0
"""Newton's steps are shortened to it, in logits."""


class Descent(NamedTuple):
    """How long a training goes: steps of gradient descent, of a size in units of one over the curvature's bound."""

    rate: float
    steps: int


def fitted(counts: Array, base: Array, prior: float, student: str, backend: Backend) -> Array:
    """Fit a student to counts of steps (S, V, V): maximum likelihood, with ``prior`` steps of the language after each token.

    Returns log-probabilities (S, V, V). A ``table`` has the shares of its counts. A ``shared`` student is the convex problem of
    V numbers, solved by Newton's method; O(V^3) a step.
    """
    xp, seen = backend.xp, counts + prior * backend.xp.exp(base)
    if student == "table":
        return xp.log(seen) - xp.log(xp.sum(seen, axis=-1, keepdims=True))
    rows, wanted = xp.sum(seen, axis=-1, keepdims=True), xp.sum(seen, axis=-2)
    change, eye = xp.zeros((len(base), 1, base.shape[-1])), xp.eye(base.shape[-1])
    for _ in range(_NEWTON):
        chances = xp.exp(log_softmax(base + change, backend))
        given = xp.sum(rows * chances, axis=-2)
        # A number added to all tokens changes nothing: the last term makes the matrix regular and leaves the step as it is.
        curvature = (
            given[:, :, None] * eye - xp.swapaxes(chances, 1, 2) @ (rows * chances) + xp.mean(given, axis=1)[:, None, None]
        )
        step = xp.linalg.solve(curvature, (wanted - given)[:, :, None])[:, None, :, 0]
        longest = xp.max(xp.abs(step), axis=2, keepdims=True)
        change = change + step * xp.minimum(1.0, _LONGEST / xp.maximum(longest, _LONGEST))
    return log_softmax(base + change, backend)


def prefer(
    start: Array, chosen: Array, rejected: Array, beta: float, student: str, descent: Descent, backend: Backend
) -> tuple[Array, Array]:
    """Train a student by DPO on pairs of texts, itself before the training as reference.

    ``chosen`` and ``rejected`` (S, n, T) are the steps of texts of the same prompts, from :func:`transitions`. Returns
    log-probabilities (S, V, V) and margins beta (log ratio of the chosen - that of the rejected), (S, n), after the training.
    Cost: steps x S n T.
    """
    xp, shape, (_, pairs, length) = backend.xp, start.shape, chosen.shape
    visits = xp.bincount(xp.concatenate([chosen, rejected]).reshape(-1), minlength=start.size).reshape(shape)
    size = 2.0 * descent.rate / (beta**2 * length) / _busiest(visits, student, backend)

    def margins(policy: Array) -> Array:
        ratios = (policy - start).reshape(-1)
        return beta * (xp.sum(ratios[chosen], axis=2) - xp.sum(ratios[rejected], axis=2))

    def slope(policy: Array) -> Array:
        pull = beta / pairs / (1.0 + xp.exp(margins(policy)))
        weights = xp.broadcast_to(pull[:, :, None], chosen.shape).reshape(-1)
        return sum(
            sign * xp.bincount(steps.reshape(-1), weights=weights, minlength=start.size).reshape(shape)
            for sign, steps in ((1.0, rejected), (-1.0, chosen))
        )

    policy = _descend(start, slope, size, student, descent.steps, backend)
    return policy, margins(policy)


def regress(
    base: Array, counts: Array, weak: Array, gamma: float, student: str, descent: Descent, backend: Backend
) -> tuple[Array, Array]:
    """Train a student by WSPO: its log ratio to the language, times gamma, becomes the weak pair's log ratio ``weak``.

    ``counts`` (S, V, V) are the steps of the texts on whose tokens the loss is a mean. Returns log-probabilities (S, V, V) and
    the log ratios of the student, (S, V, V).
    """
    xp = backend.xp
    shares = counts / xp.sum(counts, axis=(1, 2), keepdims=True)

    def slope(policy: Array) -> Array:
        return 2.0 * gamma * shares * (gamma * (policy - base) - weak)

    size = descent.rate / (2.0 * gamma**2) / _busiest(counts, student, backend)
    policy = _descend(base, slope, size, student, descent.steps, backend)
    return policy, policy - base


def _busiest(counts: Array, student: str, backend: Backend) -> Any:
    """Return the largest share of steps (S, 1, 1) that one row of logits takes part in: a context's, or all of them."""
    if student == "shared":
        return 1.0
    visits = backend.xp.sum(counts, axis=2)
    return (backend.xp.max(visits, axis=1) / backend.xp.sum(visits, axis=1))[:, None, None]


def _descend(start: Array, slope: Any, size: Any, student: str, steps: int, backend: Backend) -> Array:
    """Train from log-probabilities by gradient descent; ``slope`` gives the loss's derivatives by them."""
    xp, change, policy = backend.xp, 0.0, start
    for _ in range(steps):
        outer = slope(policy)
        inner = outer - xp.exp(policy) * xp.sum(outer, axis=-1, keepdims=True)
        inner = xp.sum(inner, axis=-2, keepdims=True) if student == "shared" else inner
        change = change - size * inner
        policy = log_softmax(start + change, backend)
    return policy
