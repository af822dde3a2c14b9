"""The reference of `descent`: batched NumPy or CuPy, with the gradients written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..backend import Array, namespace
from ..items import matmul, transpose_matmul

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True, eq=False)
class Problem:
    """What is trained, on what and how.

    Attributes
    ----------
    parameters : where training starts, [W, b, W, b, ..., heads, intercepts]; float64, shapes as in `descend`.
    inputs, tasks, targets : (B or 1, N, d), (N,) int64, (B or 1, N).
    batch, learning_rate, train_heads : as in `descend`.
    relu : whether max(0, .) follows the heads.
    """

    parameters: list[Array]
    inputs: Array
    tasks: Array
    targets: Array
    batch: int
    learning_rate: float
    train_heads: bool
    relu: bool

    @property
    def steps(self) -> int:
        """Count the minibatches of an epoch; the last one may be short."""
        return -(-len(self.tasks) // self.batch)


class Training(Protocol):
    """State of B networks in training."""

    def parameters(self) -> list[Array]:
        """Return the parameters as they are now, in the order and with the shapes that the problem gives them."""

    def epoch(self, epoch: int, order: Array) -> Array:
        """Pass once over the samples in the order (B, N), as epoch 0, 1, ..., and return the mean squared errors (B,)."""


def training(problem: Problem) -> Training:
    """Start training on NumPy or CuPy."""
    return Plain(problem)


class Plain:
    """`Training` on an array namespace."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.xp = xp = namespace(*problem.parameters)
        self._parameters = [p.copy() for p in problem.parameters]
        trained = self._parameters if problem.train_heads else self._parameters[:-2]
        self._first, self._second = ([xp.zeros(p.shape) for p in trained] for _ in range(2))

    def parameters(self) -> list[Array]:
        """Return the parameters as they are now."""
        return self._parameters

    def epoch(self, epoch: int, order: Array) -> Array:
        """Train for one epoch; return the mean squared errors, as in `Training`."""
        problem, total = self.problem, self.xp.zeros(len(order))
        for k in range(problem.steps):
            rows = order[:, k * problem.batch : (k + 1) * problem.batch]
            x, y = (_picked(a, rows, self.xp) for a in (problem.inputs, problem.targets))
            of = problem.tasks[rows]
            loss, slopes = gradients(self._parameters, x, of, y, problem.relu, self.xp, heads_too=problem.train_heads)
            total += loss * rows.shape[1]
            self._adam(epoch * problem.steps + k + 1, slopes)
        return total / order.shape[1]

    def _adam(self, count: int, slopes: list[Array]) -> None:
        rate, scale = corrections(self.problem.learning_rate, count)
        for p, m, v, g in zip(self._parameters, self._first, self._second, slopes, strict=False):
            m *= BETAS[0]
            m += (1 - BETAS[0]) * g
            v *= BETAS[1]
            v += (1 - BETAS[1]) * g * g
            p -= rate * m / (self.xp.sqrt(v) * scale + EPSILON)


def corrections(learning_rate: float, count: int) -> tuple[float, float]:
    """Return Adam's bias corrections at step `count` >= 1: rate / (1 - beta_1^count), and 1 / sqrt(1 - beta_2^count)."""
    return learning_rate / (1 - BETAS[0] ** count), (1 - BETAS[1] ** count) ** -0.5


def gradients(
    parameters: Sequence[Array], x: Array, tasks: Array, y: Array, relu: bool, xp: Any, *, heads_too: bool = True
) -> tuple[Array, list[Array]]:
    """Return mean squared errors (B,) and their gradients, in the order of the parameters; those of heads are optional.

    Takes x (B, m, d), tasks (B, m) and y (B, m). Sums over samples are BLAS products, one per item, so that no bit depends
    on the batch.
    """
    *layers, heads, intercepts = parameters
    features = activations(layers, x, xp)
    item, m = xp.arange(len(y))[:, None], y.shape[1]
    own = heads[item, tasks]
    score = xp.sum(own * features[-1], axis=-1) + intercepts[item, tasks]
    error = (xp.maximum(score, 0.0) if relu else score) - y
    slope = 2.0 / m * error * (xp.where(score <= 0, 0.0, 1.0) if relu else 1.0)
    found = _head_gradients(slope, tasks, features[-1], heads.shape[1], xp) if heads_too else []
    delta = slope[..., None] * own
    for k in reversed(range(0, len(layers), 2)):
        below = features[k // 2]
        found = [transpose_matmul(below, delta, xp), matmul(xp.ones((1, m)), delta, xp)[:, 0], *found]
        if k:
            delta = xp.where(below > 0, matmul(delta, xp.swapaxes(layers[k], -1, -2), xp), 0.0)
    return xp.sum(error * error, axis=-1) / m, found


def activations(layers: Sequence[Array], x: Array, xp: Any) -> list[Array]:
    """Return the inputs of every layer of [W, b, W, b, ...], then the outputs of the last one."""
    found = [x]
    for k in range(0, len(layers), 2):
        z = matmul(found[-1], layers[k], xp) + layers[k + 1][:, None, :]
        found.append(xp.maximum(z, 0.0) if k + 2 < len(layers) else z)
    return found


def _head_gradients(slope: Array, tasks: Array, features: Array, count: int, xp: Any) -> list[Array]:
    of_task = xp.where(tasks[:, None, :] == xp.arange(count)[:, None], slope[:, None, :], 0.0)
    return [matmul(of_task, features, xp), xp.sum(of_task, axis=-1)]


def _picked(a: Array, rows: Array, xp: Any) -> Array:
    """Return a[b, rows[b]] for every network b, of a (B or 1, N, ...)."""
    return a[xp.arange(len(rows))[:, None] % len(a), rows]
