"""Compiled training of `softmax_students`: one student after the other, a minibatch at a time in cache.

A minibatch is held twice, by items and by features, so that both products run along contiguous numbers and every sum has one
order.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import njit

from ..backend import Array
from .plain import BETAS, EPSILON, LEAST, WARMUP, Problem

_B1, _B2 = BETAS
_HALVINGS = 60


def training(problem: Problem) -> tuple[Array, Array, Array]:
    """Train every student, as `plain.training`."""
    (d, k), (runs, m) = (problem.inputs.shape[2], problem.labels.shape[3]), problem.starts.shape
    students, weights = np.zeros((runs, k, d)), np.array(problem.starts)
    history = np.empty((runs, problem.parts, m))
    data = [np.ascontiguousarray(a) for a in (problem.inputs, problem.labels, problem.order, problem.places, problem.rules)]
    _all(students, weights, history, *data, problem.learning_rate)
    return np.ascontiguousarray(np.swapaxes(students, 1, 2)), weights, history


@njit(cache=True)
def _all(
    students: Array,
    weights: Array,
    history: Array,
    inputs: Array,
    labels: Array,
    order: Array,
    places: Array,
    rules: Array,
    learning_rate: float,
) -> None:
    for run in range(len(students)):
        x, y, items = inputs[places[0, run]], labels[places[1, run]], order[places[2, run]]
        _one(students[run], weights[run], history[run], x, y, items, rules[run], learning_rate)


@njit(cache=True)
def _agree(y: Array) -> bool:
    wanted, found = np.argmax(y[0]), True
    for m in range(1, len(y)):
        found = found and np.argmax(y[m]) == wanted
    return found


@njit(cache=True)
def _entropy(w: Array) -> float:
    total = 0.0
    for m in range(len(w)):
        if w[m] > 0.0:
            total -= w[m] * np.log(w[m])
    return total


@njit(cache=True)
def _raise_entropy(w: Array, floor: float) -> None:
    count = len(w)
    if floor <= 0.0 or count < 2 or _entropy(w) >= floor * np.log(count):
        return
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if _entropy((1.0 - middle) * w + middle / count) >= floor * np.log(count):
            high = middle
        else:
            low = middle
    w[:] = (1.0 - high) * w + high / count


@njit(cache=True)
def _descend(w: Array, slopes: Array, rate: float, floor: float) -> None:
    mean, total = 0.0, 0.0
    for m in range(len(w)):
        mean += w[m] * slopes[m]
    for m in range(len(w)):
        w[m] = max(w[m] - rate * (slopes[m] - mean), LEAST)
        total += w[m]
    for m in range(len(w)):
        w[m] /= total
    _raise_entropy(w, floor)


@njit(cache=True, error_model="numpy")
def _one(
    student: Array, w: Array, history: Array, x: Array, y: Array, items: Array, rules: Array, learning_rate: float
) -> None:
    rate, decay, easy, reset, floor, own, adaptive = rules[0], rules[1], rules[2], rules[3], rules[4], rules[5], rules[6]
    steps, b = items.shape
    supervisors, k, d = y.shape[1], y.shape[2], x.shape[1]
    start = w.copy()
    rows, columns = np.empty((b, d)), np.empty((d, b))
    z, g = np.empty((k, b)), np.empty((k, d))
    first, second = np.zeros((k, d)), np.zeros((k, d))
    slopes, target, logs, powers = np.empty(supervisors), np.empty(k), np.empty(k), np.empty(k)
    parts, part = len(history), 0
    for step in range(steps):
        progress = step / steps
        among_easy = progress < easy
        for s in range(b):
            row = x[items[step, s]]
            for j in range(d):
                rows[s, j] = row[j]
                columns[j, s] = row[j]
        for c in range(k):
            z[c, :] = 0.0
            for j in range(d):
                at = student[c, j]
                for s in range(b):
                    z[c, s] += at * columns[j, s]
        slopes[:] = 0.0
        g[:, :] = 0.0
        for s in range(b):
            given = y[items[step, s]]
            if among_easy and not _agree(given):
                continue
            mine, top, weak, most, total = 0, z[0, s], 0, -1.0, 0.0
            for c in range(k):
                if z[c, s] > top:
                    mine, top = c, z[c, s]
                target[c] = 0.0
                for m in range(supervisors):
                    target[c] += given[m, c] * w[m]
                if target[c] > most:
                    weak, most = c, target[c]
            for c in range(k):
                logs[c] = z[c, s] - top
                powers[c] = np.exp(logs[c])
                total += powers[c]
            shift = np.log(total)
            for c in range(k):
                logs[c] -= shift
            if adaptive > 0.0:
                alpha = 1.0 / (1.0 + np.exp((logs[mine] - logs[weak]) / adaptive))
            else:
                alpha = own * min(1.0, progress / WARMUP)
            for c in range(k):
                mixed = (1.0 - alpha) * target[c] + (alpha if c == mine else 0.0)
                slope = powers[c] / total - mixed
                for j in range(d):
                    g[c, j] += slope * rows[s, j]
            for m in range(supervisors):
                fit = 0.0
                for c in range(k):
                    fit -= given[m, c] * logs[c]
                slopes[m] += (1.0 - alpha) * fit
        size, scale = learning_rate / (1.0 - _B1 ** (step + 1)), (1.0 - _B2 ** (step + 1)) ** -0.5
        for c in range(k):
            for j in range(d):
                slope = g[c, j] / b
                first[c, j] = _B1 * first[c, j] + (1.0 - _B1) * slope
                second[c, j] = _B2 * second[c, j] + (1.0 - _B2) * slope * slope
                student[c, j] -= size * first[c, j] / (np.sqrt(second[c, j]) * scale + EPSILON)
        if rate > 0.0 and not among_easy and supervisors > 1:
            _descend(w, slopes / b, rate * (1.0 - decay * progress), floor)
        if reset > 0.0 and (step + 1) % int(reset) == 0:
            w[:] = start
        while part < parts and step + 1 >= (part + 1) * steps // parts:
            history[part] = w
            part += 1
