"""Training of `patch_cnn` on a CUDA device: in the span a block trains a network, and one launch takes many steps of all.

Tasks are padded to one size with rows that no example holds. With weights, products are large and cuBLAS makes them: that
is the plain version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import Array, namespace
from ..cuda import blocks, launch
from ..items import matmul
from .plain import Plain, Problem, Training, outputs_of

KERNELS = ("train_in_span",)
THREADS = 128
TOGETHER = 4  # rows of a product that share what a thread reads of the other factor
OPTIONS = ("-std=c++17", f"-DTHREADS={THREADS}", f"-DTOGETHER={TOGETHER}")


def training(problems: Sequence[Problem]) -> Training:
    """Start training; tasks that keep weights, or of unequal patches and filters, are trained by array code."""
    shapes = {(problem.members.shape[1], problem.starts.shape[1], problem.relu) for problem in problems}
    return Blocks(problems) if len(shapes) == 1 and all(problem.span for problem in problems) else Plain(problems)


class Blocks:
    """`Training` in the span, a block for each network."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._problems = problems
        self._xp = xp = namespace(problems[0].rows)
        self._sizes = [len(problem.labels) for problem in problems]
        self._ends = np.cumsum([0, *self._sizes])
        rows = -(-max(len(problem.rows) for problem in problems) // TOGETHER) * TOGETHER
        examples, patches = max(len(p.members) for p in problems), problems[0].members.shape[1]
        items, filters = int(self._ends[-1]), problems[0].starts.shape[1]
        zeros = xp.zeros
        self._products, self._held, self._added = (zeros((items, rows, filters)) for _ in range(3))
        self._work = (zeros((items, rows)), zeros((items, examples)))
        gram, labels = zeros((len(problems), rows, rows)), zeros((items, examples))
        lists = [zeros((len(problems), examples * patches), dtype=np.int64) for _ in range(2)]
        offsets = zeros((len(problems), rows + 1), dtype=np.int64)
        scales, rates, task = zeros((items, rows)), zeros(items), zeros(items, dtype=np.int64)
        for t, problem in enumerate(problems):
            at, count = slice(int(self._ends[t]), int(self._ends[t + 1])), len(problem.rows)
            n = len(problem.members)
            gram[t, :count, :count] = problem.rows @ problem.rows.T
            self._products[at, :count] = xp.swapaxes(matmul(problem.starts, problem.rows.T, xp), 1, 2)
            flat = problem.members.reshape(-1)
            order = xp.argsort(flat, kind="stable")
            lists[0][t, : n * patches], lists[1][t, : n * patches] = flat, order // patches
            offsets[t] = xp.searchsorted(flat[order], xp.arange(rows + 1))
            labels[at, :n], scales[at, :count], rates[at], task[at] = problem.labels, problem.scales, problem.rates / n, t
        self._data = (gram, *lists, offsets, labels, scales, rates, task)
        self._numbers: list[Any] = [np.int32(n) for n in (rows, examples, patches, filters, problems[0].relu)]

    def advance(self, steps: int) -> None:
        """Take some gradient steps of all networks, in one launch."""
        if steps and len(self._products):
            arrays = (self._products, self._held, self._added, *self._work, *self._data)
            grid = blocks(len(self._products), 1)
            launch("patch_cnn", "train_in_span", grid, THREADS, OPTIONS, (*arrays, np.int32(steps), *self._numbers))

    def states(self) -> list[tuple[Array, Array]]:
        """Return weights and outputs, as in `Training`."""
        xp, found = self._xp, []
        for t, problem in enumerate(self._problems):
            at, count = slice(int(self._ends[t]), int(self._ends[t + 1])), len(problem.rows)
            held, products = (xp.swapaxes(a[at, :count], 1, 2) for a in (self._held, self._products))
            outputs = outputs_of(problem, xp.ascontiguousarray(products), xp)
            found.append((problem.starts + matmul(xp.ascontiguousarray(held), problem.rows, xp), outputs))
        return found
