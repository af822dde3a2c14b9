"""Many two-layer ReLU networks on inputs made of patches, trained side by side by gradient descent on the logistic loss.

An input is a bag of patches x^(p). A convolutional network with 2m filters and a fixed second layer says

    f(x) = (1/m) sum_{r < m} sum_p relu(<w_r, x^(p)>) - (1/m) sum_{m <= r < 2m} sum_p relu(<w_r, x^(p)>),

a linear one sum_p <w, x^(p)>. Filters are trained on the mean of log(1 + exp(-y f(x))) over all examples, y = +1 or -1.

Patches are rows of a dictionary, and an example is a list of rows, so a signal that thousands of examples share is one row. All
that a filter needs of the data is its product u with every row. A gradient step adds a combination of rows to a filter, so it
adds a combination of columns of the rows' Gram to u: with fewer rows than twice the dimension, training in the span of the data
costs less than training weights, and gives the same weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..backend import Array, Backend, resolve
from ..dispatch import operation
from .plain import Problem

__all__ = ["Task", "Trained", "descend"]

TRAINING = operation("patch_cnn", "training", "numba", "cupy")
FORMS = ("auto", "span", "weights")


@dataclass(frozen=True, eq=False)
class Task:
    """Examples that B networks are trained on, and where each of them starts.

    Attributes
    ----------
    rows : (K, d) different patches.
    members : (n, P) the rows 0 .. K - 1 that are an example's patches.
    labels : (B, n) +1 or -1, what each network is told.
    starts : (B, F, d) filters at step 0: F = 2m for a ReLU network, those of the positive class first; 1 for a linear one.
    scales : (B, K) a factor >= 0 of each row for each network, or None for 1: sizes of signals and noise may differ between
        networks that share draws.
    """

    rows: Array
    members: Array
    labels: Array
    starts: Array
    scales: Array | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """Hold the networks of one task at each of S steps; float64.

    Attributes
    ----------
    weights : (S, B, F, d).
    outputs : (S, B, n) what the networks say on the examples they are trained on.
    """

    weights: Array
    outputs: Array


def descend(
    tasks: Sequence[Task],
    steps: Sequence[int],
    learning_rate: Array | float,
    *,
    relu: bool = True,
    form: str = "auto",
    backend: Backend | None = None,
) -> list[Trained]:
    """Train the networks of every task by full-batch gradient descent, and return them as they are after some steps.

    Parameters
    ----------
    tasks :
        data may differ between tasks in every size; F and relu are one.
    steps :
        ascending whole numbers >= 0.
    learning_rate :
        of the mean loss; one for all, or (B,) where every task has B networks.
    relu :
        False for linear networks, F = 1.
    form :
        "span" keeps products with the rows and updates them by the rows' Gram, "weights" keeps weights; "auto" takes the span
        of tasks with K <= 2 d. Both are exact; they differ by rounding.
    backend :
        None means the reference in the library where the arrays live.

    Returns
    -------
    One `Trained` for each task. A network that diverges has non-finite numbers; its neighbours do not notice.

    Raises
    ------
    ValueError : shapes that do not match, members outside 0 .. K - 1, negative scales, steps that do not ascend, an unknown
    form.

    Notes
    -----
    A network in a batch has the bits it has alone, whatever the other tasks and steps. The slope of relu at 0 is 0.

    Cost per step and network 2 K^2 F flops in the span (and K^2 d once per task), 4 K d F with weights. One thread.
    """
    chosen = resolve(backend, *(task.rows for task in tasks))
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    if any(b <= a for a, b in itertools.pairwise(steps)) or any(step < 0 for step in steps):
        raise ValueError(f"steps must ascend from 0 or more, got {list(steps)}")
    problems = [_problem(task, learning_rate, relu, form, chosen) for task in tasks]
    kept: list[list[tuple[Array, Array]]] = [[] for _ in problems]
    machine, done = TRAINING.on(chosen)(problems), 0
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged network is data, not an accident
        for step in steps:
            machine.advance(step - done)
            done = step
            for states, state in zip(kept, machine.states(), strict=True):
                states.append(state)
    stack = chosen.xp.stack
    return [Trained(stack([w for w, _ in states]), stack([f for _, f in states])) for states in kept]


def _problem(task: Task, learning_rate: Array | float, relu: bool, form: str, backend: Backend) -> Problem:
    rows, labels, starts = (backend.asarray(a) for a in (task.rows, task.labels, task.starts))
    members = backend.asarray(task.members, np.int64)
    items = len(labels)
    scales = backend.xp.ones((items, len(rows))) if task.scales is None else backend.asarray(task.scales)
    rates = backend.xp.zeros(items) + backend.asarray(learning_rate)
    _check(rows, members, labels, starts, scales, rates, relu)
    span = form == "span" or (form == "auto" and len(rows) <= 2 * rows.shape[1])
    return Problem(rows, members, labels, starts, scales, rates, relu, span)


def _check(rows: Array, members: Array, labels: Array, starts: Array, scales: Array, rates: Array, relu: bool) -> None:
    items, n = labels.shape
    filters = starts.shape[1]
    wanted = [(items, filters, rows.shape[1]), (items, len(rows)), (n,), (items,)]
    got = [starts.shape, scales.shape, members.shape[:1], rates.shape]
    if got != wanted:
        raise ValueError(f"expected starts, scales, members and rates of shapes {wanted}, got {got}")
    if (filters % 2 if relu else filters != 1) or not n or not filters:
        raise ValueError(f"expected examples, and 2m filters of ReLU networks or 1 of linear ones; got {n} and {filters}")
    if bool((scales < 0).any()):
        raise ValueError("scales must not be negative: let a row point the other way")
    if not (int(members.min()) >= 0 and int(members.max()) < len(rows)):
        raise ValueError(f"members must lie in 0..{len(rows) - 1}, got {int(members.min())}..{int(members.max())}")
