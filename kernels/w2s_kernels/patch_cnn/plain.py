"""The reference of `patch_cnn`: NumPy or CuPy, one product per network and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..backend import Array, namespace
from ..items import matmul


@dataclass(frozen=True, eq=False)
class Problem:
    """What is trained, on what and how: the arrays of a `Task`, complete.

    Attributes
    ----------
    rows, members, labels, starts, scales : (K, d), (n, P) int64, (B, n), (B, F, d), (B, K).
    rates : (B,) learning rates.
    relu, span : as in `descend`.
    """

    rows: Array
    members: Array
    labels: Array
    starts: Array
    scales: Array
    rates: Array
    relu: bool
    span: bool

    @property
    def per_class(self) -> int:
        """Count the filters of a class: the second layer is one over it."""
        return int(self.starts.shape[1]) // 2 if self.relu else 1


class Training(Protocol):
    """State of the networks of several problems."""

    def advance(self, steps: int) -> None:
        """Take some gradient steps."""

    def states(self) -> list[tuple[Array, Array]]:
        """Return weights (B, F, d) and outputs (B, n) of every problem as they are now."""


def training(problems: Sequence[Problem]) -> Training:
    """Start training on NumPy or CuPy."""
    return Plain(problems)


class Plain:
    """`Training` on an array namespace."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._tasks = [_PlainTask(problem) for problem in problems]

    def advance(self, steps: int) -> None:
        """Take some gradient steps."""
        for task in self._tasks:
            for _ in range(steps):
                task.step()

    def states(self) -> list[tuple[Array, Array]]:
        """Return weights and outputs, as in `Training`."""
        return [task.state() for task in self._tasks]


class _PlainTask:
    """The networks of one problem: products u (B, F, K) with the rows, and weights or what was added to them."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.xp = xp = namespace(problem.rows)
        self._products = matmul(problem.starts, problem.rows.T, xp)
        self._gram = problem.rows @ problem.rows.T if problem.span else None
        self._weights = problem.starts.copy()
        self._added = xp.zeros(self._products.shape) if problem.span else None

    def step(self) -> None:
        added = step_of(self.problem, self._products, self.xp)
        if self._gram is not None:
            self._added += added
            self._products = self._products + matmul(added, self._gram, self.xp)
        else:
            self._weights += matmul(added, self.problem.rows, self.xp)
            self._products = matmul(self._weights, self.problem.rows.T, self.xp)

    def state(self) -> tuple[Array, Array]:
        weights = self._weights
        if self._added is not None:
            weights = weights + matmul(self._added, self.problem.rows, self.xp)
        return weights.copy(), outputs_of(self.problem, self._products, self.xp)


def outputs_of(problem: Problem, products: Array, xp: Any) -> Array:
    """Compute what the networks say on their examples, (B, n), from the filters' products (B, F, K) with the rows."""
    seen = products * problem.scales[:, None, :]
    half = problem.per_class
    if problem.relu:
        seen = xp.maximum(seen, 0.0)
        of_row = (xp.sum(seen[:, :half], axis=1) - xp.sum(seen[:, half:], axis=1)) / half
    else:
        of_row = seen[:, 0]
    return xp.sum(of_row[:, problem.members], axis=-1)


def step_of(problem: Problem, products: Array, xp: Any) -> Array:
    """Compute the combination of rows, (B, F, K), that a step adds to every filter."""
    outputs = outputs_of(problem, products, xp)
    n, patches = problem.members.shape
    pull = problem.rates[:, None] / n * problem.labels / (1.0 + xp.exp(problem.labels * outputs))
    of_row = [_by_row(problem.members, xp.repeat(a, patches), products.shape[2], xp) for a in pull]
    added = (xp.stack(of_row) * problem.scales)[:, None, :]
    if not problem.relu:
        return added
    half = problem.per_class
    gate = products * problem.scales[:, None, :] > 0
    sign = xp.where(xp.arange(2 * half) < half, 1.0, -1.0)[:, None] / half
    return xp.where(gate, sign * added, 0.0)


def _by_row(members: Array, pulls: Array, count: int, xp: Any) -> Array:
    return xp.bincount(members.reshape(-1), weights=pulls, minlength=count)
