"""The reference of `softmax_students`: one student after the other in NumPy or CuPy, with the gradients written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Array, namespace

BETAS = (0.9, 0.999)
EPSILON = 1e-8
LEAST = 1e-6
"""Weights below this are raised to it before they are normalised, so that no supervisor is lost for good."""
WARMUP = 0.2
"""Share of the steps over which the weight of the own opinion rises."""
_HALVINGS = 60


@dataclass(frozen=True, eq=False)
class Problem:
    """What is trained, on what and how; arrays as in `teach`, `places` (3, R), `starts` (R, M) and `rules` (R, 7) in NumPy."""

    inputs: Array
    labels: Array
    order: Array
    places: Array
    starts: Array
    rules: Array
    learning_rate: float
    parts: int


def training(problem: Problem) -> tuple[Array, Array, Array]:
    """Train every student: W transposed (R, d, K), weights (R, M) and their history (R, H, M)."""
    xp = namespace(problem.inputs)
    found = [_train(problem, run, xp) for run in range(len(problem.starts))]
    if not found:
        (d, k), m = (problem.inputs.shape[2], problem.labels.shape[3]), problem.starts.shape[1]
        return xp.zeros((0, d, k)), xp.zeros((0, m)), xp.zeros((0, problem.parts, m))
    students, weights, history = zip(*found, strict=True)
    return xp.stack(students), xp.asarray(np.stack(weights)), xp.asarray(np.stack(history))


def _train(problem: Problem, run: int, xp: Any) -> tuple[Array, Array, Array]:
    of_inputs, of_labels, of_order = problem.places[:, run]
    x, y, order = problem.inputs[of_inputs], problem.labels[of_labels], problem.order[of_order]
    rate, decay, easy, reset, floor, own, adaptive = problem.rules[run]
    steps, k = len(order), y.shape[2]
    start = problem.starts[run]
    weights, history = start.copy(), np.empty((problem.parts, len(start)))
    student = xp.zeros((x.shape[1], k))
    first, second = xp.zeros(student.shape), xp.zeros(student.shape)
    classes = xp.argmax(y, axis=2)
    agreed = xp.all(classes == classes[:, :1], axis=1)
    for step in range(steps):
        rows, progress = order[step], step / steps
        among_easy = progress < easy
        counted = xp.where(agreed[rows], 1.0, 0.0) if among_easy else xp.ones(len(rows))
        given = y[rows]
        target = xp.sum(given * xp.asarray(weights)[:, None], axis=1)
        scores = x[rows] @ student
        logs = scores - xp.max(scores, axis=1)[:, None]
        logs = logs - xp.log(xp.sum(xp.exp(logs), axis=1))[:, None]
        mine = xp.argmax(scores, axis=1)[:, None] == xp.arange(k)
        alpha = _opinion(own, adaptive, progress, logs, mine, xp.argmax(target, axis=1)[:, None] == xp.arange(k), xp)
        mixed = (1.0 - alpha)[:, None] * target + alpha[:, None] * xp.where(mine, 1.0, 0.0)
        gradient = x[rows].T @ (counted[:, None] * (xp.exp(logs) - mixed)) / len(rows)
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient * gradient
        size, scale = problem.learning_rate / (1 - BETAS[0] ** (step + 1)), (1 - BETAS[1] ** (step + 1)) ** -0.5
        student = student - size * first / (xp.sqrt(second) * scale + EPSILON)
        if rate > 0.0 and not among_easy and len(start) > 1:
            each = xp.sum(counted[:, None] * (1.0 - alpha)[:, None] * -xp.sum(given * logs[:, None, :], axis=2), axis=0)
            slopes = np.asarray(each.get() if hasattr(each, "get") else each) / len(rows)
            weights = _descended(weights, slopes, rate * (1.0 - decay * progress), floor)
        if reset and (step + 1) % int(reset) == 0:
            weights = start.copy()
        for part in range(problem.parts):
            if step + 1 == (part + 1) * steps // problem.parts:
                history[part] = weights
    return student, weights, history


def _opinion(own: float, adaptive: float, progress: float, logs: Array, mine: Array, weak: Array, xp: Any) -> Array:
    """Return the weight of the student's own opinion, (b,)."""
    if adaptive > 0.0:
        fits = [-xp.sum(xp.where(of, logs, 0.0), axis=1) for of in (mine, weak)]
        return 1.0 / (1.0 + xp.exp((fits[1] - fits[0]) / adaptive))
    return xp.zeros(len(logs)) + own * min(1.0, progress / WARMUP)


def _descended(weights: Array, slopes: Array, rate: float, floor: float) -> Array:
    """Take a step of gradient descent on the simplex; slopes are cross-entropies CE_m."""
    moved = np.maximum(weights - rate * (slopes - np.sum(weights * slopes)), LEAST)
    return raised_entropy(moved / np.sum(moved), floor)


def raised_entropy(weights: Array, floor: float) -> Array:
    """Mix weights (M,) with the uniform ones, by the least share that gives them the entropy floor log M; floor in [0, 1].

    Weights that have it already are returned as they are. The share is found by 60 halvings; O(60 M).
    """
    count = len(weights)
    if floor <= 0.0 or count < 2 or _entropy(weights) >= floor * np.log(count):
        return weights
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        enough = _entropy((1.0 - middle) * weights + middle / count) >= floor * np.log(count)
        low, high = (low, middle) if enough else (middle, high)
    return (1.0 - high) * weights + high / count


def _entropy(weights: Array) -> float:
    inside = weights[weights > 0]
    return float(-np.sum(inside * np.log(inside)))
