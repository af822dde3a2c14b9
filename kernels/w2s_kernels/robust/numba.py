"""Compiled training of `robust`: one network after the other, a minibatch at a time, everything of it in cache.

Products are BLAS calls on one network's own arrays, all else is loops. Parameters lie in one flat row a network: for each layer
the weights (fan_in, fan_out), then the biases. Features and slopes of a minibatch lie in flat buffers too, one part a layer:
part k has what goes into layer k, part L the logits.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..backend import Array
from ..descent.plain import BETAS, EPSILON, corrections
from .plain import Plain, Problem

__all__ = ["Compiled", "training"]

_B1, _B2 = BETAS


def training(problem: Problem) -> Compiled | Plain:
    """Start compiled training; without networks or samples there is nothing to compile, and plain training starts."""
    return Compiled(problem) if problem.labels.size else Plain(problem)


class Compiled:
    """`Plain` of `plain`, compiled."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._sizes = np.array([problem.inputs.shape[-1], *(W.shape[-1] for W in problem.layers[::2])])
        self._places = np.concatenate([[0], np.cumsum((self._sizes[:-1] + 1) * self._sizes[1:])])
        self._flat = np.concatenate([p.reshape(len(p), -1) for p in problem.layers], axis=1)
        self._moments = np.zeros((2, *self._flat.shape))
        self._hidden = problem.masks.any(axis=-1)
        self._data = [np.ascontiguousarray(a) for a in (problem.inputs, problem.masks, problem.labels)]

    @property
    def layers(self) -> list[Array]:
        """Return the parameters as they are now."""
        found: list[Array] = []
        for i, o, place in zip(self._sizes[:-1], self._sizes[1:], self._places[:-1], strict=True):
            block = self._flat[:, place : place + (i + 1) * o].reshape(-1, i + 1, o)
            found += [block[:, :i].copy(), block[:, i].copy()]
        return found

    def epoch(self, epoch: int, order: Array) -> Array:
        """Pass once over the samples in the order (G, N) of their world; return the mean losses (B,)."""
        problem, losses = self.problem, np.empty(len(self._flat))
        first = epoch * problem.steps + 1
        rates = np.array([corrections(problem.learning_rate, first + k) for k in range(problem.steps)])
        counts = np.arange(first, first + problem.steps)
        whole = problem.growth * problem.epochs * problem.steps
        grown = np.minimum(counts / whole, 1.0) if whole else np.ones(problem.steps)
        inputs, masks, labels = self._data
        for b, world in enumerate(problem.worlds):
            strengths = [-1.0 if s is None else float(s[b]) for s in (problem.penalty, problem.attack, problem.bound)]
            losses[b] = _epoch(
                self._flat[b],
                self._moments[:, b],
                order[world],
                inputs[world],
                masks[world],
                labels[b],
                self._hidden[world],
                self._sizes,
                self._places,
                rates,
                grown,
                np.array(strengths),
                problem.attack_steps,
                problem.batch,
            )
        return losses


@njit(cache=True)
def _weights(p: Array, k: int, sizes: Array, places: Array) -> Any:
    return p[places[k] : places[k] + sizes[k] * sizes[k + 1]].reshape(sizes[k], sizes[k + 1])


@njit(cache=True)
def _part(A: Array, k: int, sizes: Array, at: Array, m: int) -> Any:
    return A[at[k] : at[k] + m * sizes[k]].reshape(m, sizes[k])


@njit(cache=True)
def _times(X: Array, W: Array, into: Array) -> None:
    np.dot(X, W, into)


@njit(cache=True)
def _times_transpose(X: Array, W: Array, into: Array) -> None:
    np.dot(X, W.T, into)


@njit(cache=True)
def _add_transpose_times(X: Array, Y: Array, to: Array) -> None:
    to += np.dot(X.T, Y)


@njit(cache=True)
def _forward(A: Array, p: Array, sizes: Array, places: Array, at: Array, m: int) -> None:
    """Compute the features of every layer from those in part 0."""
    last = len(sizes) - 1
    for k in range(last):
        z = _part(A, k + 1, sizes, at, m)
        _times(_part(A, k, sizes, at, m), _weights(p, k, sizes, places), z)
        bias = places[k + 1] - sizes[k + 1]
        for i in range(m):
            for j in range(sizes[k + 1]):
                value = z[i, j] + p[bias + j]
                z[i, j] = value if k + 1 == last or not value < 0.0 else 0.0


@njit(cache=True)
def _entropy(logits: Array, labels: Array, P: Array, losses: Array) -> None:
    """Write probabilities to P and -log p_y to losses."""
    for i in range(len(logits)):
        top = logits[i].max()
        total = 0.0
        for j in range(logits.shape[1]):
            P[i, j] = np.exp(logits[i, j] - top)
            total += P[i, j]
        for j in range(logits.shape[1]):
            P[i, j] /= total
        losses[i] = np.log(total) + top - logits[i, labels[i]]


@njit(cache=True)
def _down(S: Array, A: Array, p: Array, sizes: Array, places: Array, at: Array, m: int, lowest: int) -> None:
    """Pass the slopes of the logits in the last part of S down to part `lowest`."""
    for k in range(len(sizes) - 2, lowest - 1, -1):
        s = _part(S, k, sizes, at, m)
        _times_transpose(_part(S, k + 1, sizes, at, m), _weights(p, k, sizes, places), s)
        if k:
            a = _part(A, k, sizes, at, m)
            for i in range(m):
                for j in range(sizes[k]):
                    if not a[i, j] > 0.0:
                        s[i, j] = 0.0


@njit(cache=True)
def _add_slopes(G: Array, A: Array, S: Array, sizes: Array, places: Array, at: Array, m: int) -> None:
    """Add the slopes of all parameters from features and carried slopes."""
    for k in range(len(sizes) - 1):
        s = _part(S, k + 1, sizes, at, m)
        _add_transpose_times(_part(A, k, sizes, at, m), s, _weights(G, k, sizes, places))
        bias = places[k + 1] - sizes[k + 1]
        for i in range(m):
            for j in range(sizes[k + 1]):
                G[bias + j] += s[i, j]


@njit(cache=True)
def _add_penalty(
    G: Array,
    S: Array,
    T: Array,
    A: Array,
    P: Array,
    mask: Array,
    p: Array,
    sizes: Array,
    places: Array,
    at: Array,
    weight: float,
) -> float:
    """Add `weight` times the slopes of the penalty, those through the probabilities to the last part of S; return its sum.

    S and T are scratch memory; the last part of S must hold the slopes of the logits so far, and keeps them.
    """
    m, classes, last = len(mask), P.shape[1], len(sizes) - 1
    total, top = 0.0, _part(S, last, sizes, at, m)
    kept = top.copy()
    for i in range(m):
        for c in range(classes):
            top[i, c] = 1.0 - classes * P[i, c]
    _down(S, A, p, sizes, places, at, m, 0)
    lowest, up = _part(S, 0, sizes, at, m), _part(T, 0, sizes, at, m)
    for i in range(m):
        for j in range(sizes[0]):
            masked = mask[i, j] * lowest[i, j]
            total += masked * masked
            up[i, j] = 2.0 * weight * masked * mask[i, j]
    for k in range(last):
        _add_transpose_times(_part(T, k, sizes, at, m), _part(S, k + 1, sizes, at, m), _weights(G, k, sizes, places))
        above = _part(T, k + 1, sizes, at, m)
        _times(_part(T, k, sizes, at, m), _weights(p, k, sizes, places), above)
        if k + 1 < last:
            a = _part(A, k + 1, sizes, at, m)
            for i in range(m):
                for j in range(sizes[k + 1]):
                    if not a[i, j] > 0.0:
                        above[i, j] = 0.0
    bent = _part(T, last, sizes, at, m)
    for i in range(m):
        mean = 0.0
        for c in range(classes):
            mean += P[i, c] * bent[i, c]
        for c in range(classes):
            top[i, c] = kept[i, c] - classes * P[i, c] * (bent[i, c] - mean)
    return total


@njit(cache=True)
def _attack(
    A: Array, S: Array, P: Array, losses: Array, x: Array, labels: Array, mask: Array, p: Array, sizes: Array, places: Array,
    at: Array, radius: float, steps: int,
) -> None:  # fmt: skip
    """Move inputs by sign ascent, and leave features of where they are moved in A, slopes p - onehot in the last part of S."""
    m, last = len(x), len(sizes) - 1
    shift = np.zeros(x.shape)
    for step in range(steps + 1):
        inputs = _part(A, 0, sizes, at, m)
        for i in range(m):
            for j in range(sizes[0]):
                inputs[i, j] = x[i, j] + shift[i, j] if mask[i, j] > 0.0 else x[i, j]
        _forward(A, p, sizes, places, at, m)
        _entropy(_part(A, last, sizes, at, m), labels, P, losses)
        top = _part(S, last, sizes, at, m)
        for i in range(m):
            for c in range(sizes[last]):
                top[i, c] = P[i, c] - (1.0 if c == labels[i] else 0.0)
        if step < steps:
            _down(S, A, p, sizes, places, at, m, 0)
            lowest = _part(S, 0, sizes, at, m)
            for i in range(m):
                for j in range(sizes[0]):
                    edge = radius * mask[i, j]
                    shift[i, j] = min(max(shift[i, j] + 2.0 / steps * edge * np.sign(lowest[i, j]), -edge), edge)


@njit(cache=True)
def _add_bound(
    G: Array, C: Array, R: Array, x: Array, mask: Array, labels: Array, hidden: Array, p: Array, sizes: Array, places: Array,
    at: Array, radius: float,
) -> float:  # fmt: skip
    """Add the slopes of the mean cross-entropy of worst logits over boxes; return its sum over samples with a mask.

    Parts of C and R are centres and radii of the layers' sums, before their ReLU.
    """
    m, last = len(x), len(sizes) - 1
    c0, r0 = _part(C, 0, sizes, at, m), _part(R, 0, sizes, at, m)
    c0[:], r0[:] = x, radius * mask
    opened_c, opened_r = np.empty(len(C)), np.empty(len(C))
    for k in range(last):
        c, r = _part(C, k, sizes, at, m), _part(R, k, sizes, at, m)
        oc, own = _part(opened_c, k, sizes, at, m), _part(opened_r, k, sizes, at, m)
        for i in range(m):
            for j in range(sizes[k]):
                if k:
                    lower, upper = max(c[i, j] - r[i, j], 0.0), max(c[i, j] + r[i, j], 0.0)
                    oc[i, j], own[i, j] = 0.5 * (lower + upper), 0.5 * (upper - lower)
                else:
                    oc[i, j], own[i, j] = c[i, j], r[i, j]
        W = _weights(p, k, sizes, places)
        z = _part(C, k + 1, sizes, at, m)
        _times(oc, W, z)
        _times(own, np.abs(W), _part(R, k + 1, sizes, at, m))
        bias = places[k + 1] - sizes[k + 1]
        for i in range(m):
            for j in range(sizes[k + 1]):
                z[i, j] += p[bias + j]
    worst, radii = _part(C, last, sizes, at, m).copy(), _part(R, last, sizes, at, m)
    dc, dr = np.empty(worst.shape), np.empty(worst.shape)
    losses = np.empty(m)
    for i in range(m):
        for c in range(sizes[last]):
            worst[i, c] += -radii[i, c] if c == labels[i] else radii[i, c]
    _entropy(worst, labels, dc, losses)
    total = 0.0
    for i in range(m):
        total += losses[i] if hidden[i] else 0.0
        for c in range(sizes[last]):
            mine = c == labels[i]
            dc[i, c] = (dc[i, c] - (1.0 if mine else 0.0)) / m if hidden[i] else 0.0
            dr[i, c] = -dc[i, c] if mine else dc[i, c]
    for k in range(last - 1, -1, -1):
        W, slope = _weights(p, k, sizes, places), _weights(G, k, sizes, places)
        _add_transpose_times(_part(opened_c, k, sizes, at, m), dc, slope)
        of_radii = np.zeros(W.shape)
        _add_transpose_times(_part(opened_r, k, sizes, at, m), dr, of_radii)
        slope += np.sign(W) * of_radii
        bias = places[k + 1] - sizes[k + 1]
        for i in range(m):
            for j in range(sizes[k + 1]):
                G[bias + j] += dc[i, j]
        if k:
            below_c, below_r = np.empty((m, sizes[k])), np.empty((m, sizes[k]))
            _times_transpose(dc, W, below_c)
            _times_transpose(dr, np.abs(W), below_r)
            dc, dr = below_c, below_r
            c, r = _part(C, k, sizes, at, m), _part(R, k, sizes, at, m)
            for i in range(m):
                for j in range(sizes[k]):
                    lower = 0.5 * (dc[i, j] - dr[i, j]) if c[i, j] > r[i, j] else 0.0
                    upper = 0.5 * (dc[i, j] + dr[i, j]) if c[i, j] + r[i, j] > 0.0 else 0.0
                    dc[i, j], dr[i, j] = lower + upper, upper - lower
    return total


@njit(cache=True, error_model="numpy")
def _adam(p: Array, moments: Array, G: Array, rate: float, scale: float) -> None:
    for i in range(len(G)):
        moments[0, i] = _B1 * moments[0, i] + (1 - _B1) * G[i]
        moments[1, i] = _B2 * moments[1, i] + (1 - _B2) * G[i] * G[i]
        p[i] -= rate * moments[0, i] / (np.sqrt(moments[1, i]) * scale + EPSILON)


@njit(cache=True, error_model="numpy")
def _epoch(
    p: Array, moments: Array, order: Array, inputs: Array, masks: Array, labels: Array, hidden: Array, sizes: Array,
    places: Array, rates: Array, grown: Array, strengths: Array, attack_steps: int, batch: int,
) -> float:  # fmt: skip
    """Train one network for an epoch; return its mean loss. A strength below zero leaves a term out."""
    n, last = len(order), len(sizes) - 1
    widest = min(batch, n)
    at = np.zeros(len(sizes) + 1, dtype=np.int64)
    for k in range(len(sizes)):
        at[k + 1] = at[k] + widest * sizes[k]
    A, S, T, R = np.empty(at[-1]), np.empty(at[-1]), np.empty(at[-1]), np.empty(at[-1])
    G, total = np.empty(len(p)), 0.0
    for step in range(len(rates)):
        rows = order[step * batch : (step + 1) * batch]
        m = len(rows)
        x, mask = np.empty((m, sizes[0])), np.empty((m, sizes[0]))
        y, h = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.bool_)
        losses, P = np.empty(m), np.empty((m, sizes[last]))
        first = _part(A, 0, sizes, at, m)
        for i in range(m):
            y[i], h[i] = labels[rows[i]], hidden[rows[i]]
            for j in range(sizes[0]):
                x[i, j], mask[i, j] = inputs[rows[i], j], masks[rows[i], j]
                first[i, j] = x[i, j]
        G[:] = 0.0
        _forward(A, p, sizes, places, at, m)
        _entropy(_part(A, last, sizes, at, m), y, P, losses)
        top = _part(S, last, sizes, at, m)
        for i in range(m):
            for c in range(sizes[last]):
                top[i, c] = (P[i, c] - (1.0 if c == y[i] else 0.0)) / m
        value = losses.sum()
        if strengths[0] >= 0.0:
            value += strengths[0] * _add_penalty(G, S, T, A, P, mask, p, sizes, places, at, strengths[0] / m)
        _down(S, A, p, sizes, places, at, m, 1)
        _add_slopes(G, A, S, sizes, places, at, m)
        if strengths[1] >= 0.0:
            _attack(A, S, P, losses, x, y, mask, p, sizes, places, at, strengths[1], attack_steps)
            for i in range(m):
                value += losses[i] if h[i] else 0.0
                for c in range(sizes[last]):
                    top[i, c] = top[i, c] / m if h[i] else 0.0
            _down(S, A, p, sizes, places, at, m, 1)
            _add_slopes(G, A, S, sizes, places, at, m)
        if strengths[2] >= 0.0:
            value += _add_bound(G, T, R, x, mask, y, h, p, sizes, places, at, grown[step] * strengths[2])
        total += value
        _adam(p, moments, G, rates[step, 0], rates[step, 1])
    return total / n
