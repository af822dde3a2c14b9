"""Compiled training of `descent`: one network after the other, a minibatch at a time, everything of it in cache.

Rows of activations, deltas and weights are padded with zeros to whole tiles. Padding trains to itself: its weights, biases and
inputs are zero, so are its gradients, and Adam moves by 0 / epsilon. The heads are one more layer, of which a sample takes the
column of its task. Parameters lie in one flat row a network: for each layer the weights (fan_in, fan_out), then the biases.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import njit

from ..backend import Array
from ..simd.tiles import COLUMNS, ROWS
from .plain import BETAS, EPSILON, Plain, Problem, Training, corrections
from .tiles import backward, forward, gradient

_B1, _B2 = BETAS


def training(problem: Problem) -> Training:
    """Start compiled training; without networks or samples there is nothing to compile, and plain training starts."""
    return Compiled(problem) if len(problem.parameters[-1]) and len(problem.tasks) else Plain(problem)


class Compiled:
    """`Training` of `plain`, compiled."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        layers = problem.parameters[:-2:2]
        items, tasks = problem.parameters[-1].shape
        self._sizes = np.array([problem.inputs.shape[-1], *(W.shape[-1] for W in layers), tasks])
        self._strides = _whole(self._sizes, COLUMNS)
        rows = _whole(self._sizes[:-1], ROWS) + 1  # the biases are one more row
        self._places = np.concatenate([[0], np.cumsum(rows * self._strides[1:])])
        self._flat = np.zeros((items, self._places[-1]))
        for view, p in zip(self._views(), problem.parameters, strict=True):
            view[...] = p
        trained = len(self._sizes) - (1 if problem.train_heads else 2)
        self._moments = np.zeros((2, items, self._places[trained]))
        self._data = [np.ascontiguousarray(a) for a in (problem.inputs, problem.tasks, problem.targets)]

    def parameters(self) -> list[Array]:
        """Return the parameters as they are now."""
        return [view.copy() for view in self._views()]

    def epoch(self, epoch: int, order: Array) -> Array:
        """Train for one epoch; return the mean squared errors, as in `Training`."""
        problem, losses = self.problem, np.empty(len(order))
        first = epoch * problem.steps + 1
        rates = np.array([corrections(problem.learning_rate, first + k) for k in range(problem.steps)])
        layout = (self._sizes, self._strides, self._places)
        _epochs(losses, self._flat, self._moments, order, *self._data, *layout, rates, problem.batch, problem.relu)
        return losses

    def _views(self) -> list[Array]:
        views = []
        for layer, (i, o) in enumerate(zip(self._sizes[:-1], self._sizes[1:], strict=True)):
            block = self._flat[:, self._places[layer] : self._places[layer + 1]]
            block = block.reshape(len(self._flat), -1, self._strides[layer + 1])
            views += [block[:, :i, :o], block[:, -1, :o]]
        views[-2] = np.swapaxes(views[-2], -1, -2)
        return views


def _whole(sizes: Array, tile: int) -> Array:
    return -(-sizes // tile) * tile


@njit(cache=True)
def _gather(A: Array, stride: int, inputs: Array, rows: Array) -> None:
    for s in range(len(rows)):
        for j in range(inputs.shape[1]):
            A[s * stride + j] = inputs[rows[s], j]


@njit(cache=True)
def _forward(A: Array, at: Array, p: Array, sizes: Array, strides: Array, places: Array, m: int) -> None:
    """Compute the outputs of every layer and of the heads; the inputs of layer l start at A[at[l]]."""
    last = len(sizes) - 2
    for layer in range(last + 1):
        below, above = strides[layer], strides[layer + 1]
        bias = places[layer + 1] - above
        floor = 0.0 if layer + 1 < last else -np.inf
        for c in range(0, above, COLUMNS):
            for r in range(0, m, ROWS):
                x, y = at[layer] + r * below, at[layer + 1] + r * above + c
                forward(A, (y, above), A, (x, below), p, (places[layer] + c, above), sizes[layer], bias + c, floor)


@njit(cache=True)
def _backward(
    G: Array, D: Array, T: Array, A: Array, at: Array, p: Array, sizes: Array, strides: Array, places: Array, m: int
) -> None:
    """Compute the gradients of the trained parameters from the slopes of the heads' outputs in D[0].

    Only parameters whose place lies within G are trained. T is scratch memory.
    """
    last, side = len(sizes) - 2, 0
    for layer in range(last, -1, -1):
        below, above = strides[layer], strides[layer + 1]
        if places[layer] < len(G):
            for r in range(0, sizes[layer], ROWS):
                for c in range(0, above, COLUMNS):
                    g, total = places[layer] + r * above + c, places[layer + 1] - above + c
                    gradient(G, (g, above), A, (at[layer] + r, below), D[side], (c, above), m, total)
        if layer:
            _transpose(T, p, places[layer], sizes[layer], sizes[layer + 1], below, above)
            floor = 0.0 if layer < last else -np.inf
            for c in range(0, below, COLUMNS):
                for r in range(0, m, ROWS):
                    to, of, a = (r * below + c, below), (r * above, above), at[layer] + r * below + c
                    backward(D[1 - side], to, D[side], of, T, (c, below), sizes[layer + 1], A, a, floor)
            side = 1 - side


@njit(cache=True)
def _transpose(T: Array, p: Array, start: int, fan_in: int, fan_out: int, below: int, above: int) -> None:
    T[: fan_out * below] = 0.0
    for i in range(fan_in):
        for o in range(fan_out):
            T[o * below + i] = p[start + i * above + o]


@njit(cache=True)
def _errors(D: Array, A: Array, start: int, stride: int, tasks: Array, y: Array, rows: Array, relu: bool) -> float:
    """Sum the squared errors of the heads' outputs A[start + s stride + t], and write their slopes to D.

    The slope is zero for all heads but the one of the sample's own task.
    """
    m, total = len(rows), 0.0
    D[: m * stride] = 0.0
    for s in range(m):
        at = s * stride + tasks[rows[s]]
        score = A[start + at]
        closed = relu and score <= 0  # nan is open
        error = (0.0 if closed else score) - y[rows[s]]
        total += error * error
        D[at] = 2.0 / m * error * (0.0 if closed else 1.0)
    return total


@njit(cache=True, error_model="numpy")
def _adam(p: Array, first: Array, second: Array, G: Array, rate: float, scale: float) -> None:
    for i in range(len(G)):
        first[i] = _B1 * first[i] + (1 - _B1) * G[i]
        second[i] = _B2 * second[i] + (1 - _B2) * G[i] * G[i]
        p[i] -= rate * first[i] / (np.sqrt(second[i]) * scale + EPSILON)


@njit(cache=True)
def _epochs(
    losses: Array,
    flat: Array,
    moments: Array,
    order: Array,
    inputs: Array,
    tasks: Array,
    targets: Array,
    sizes: Array,
    strides: Array,
    places: Array,
    rates: Array,
    batch: int,
    relu: bool,
) -> None:
    """Train every network for one epoch."""
    n = order.shape[1]
    room = (min(batch, n) + ROWS - 1) // ROWS * ROWS
    at = np.zeros(len(strides) + 1, np.int64)
    at[1:] = np.cumsum(strides * room)
    widest = strides.max()
    A, D, T = np.zeros(at[-1]), np.zeros((2, room * widest)), np.zeros(widest * widest)
    G = np.empty(moments.shape[2])
    for b in range(len(flat)):
        p, x, y = flat[b], inputs[b % len(inputs)], targets[b % len(targets)]
        total = 0.0
        for k in range(len(rates)):
            rows = order[b, k * batch : min(n, (k + 1) * batch)]
            _gather(A, strides[0], x, rows)
            _forward(A, at, p, sizes, strides, places, len(rows))
            total += _errors(D[0], A, at[-2], strides[-1], tasks, y, rows, relu)
            _backward(G, D, T, A, at, p, sizes, strides, places, len(rows))
            _adam(p, moments[0, b], moments[1, b], G, rates[k, 0], rates[k, 1])
        losses[b] = total / n
