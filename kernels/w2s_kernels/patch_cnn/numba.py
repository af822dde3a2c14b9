"""Compiled training of `patch_cnn`: the networks of a task side by side, their products as register tiles.

Column f B + b of every matrix belongs to filter f of network b, so loops over networks are loops over neighbours. Rows and
columns are padded with zeros to whole tiles; padding trains to itself, because a row that no example holds has no slope.
An element of a product is one chain of fused multiply-adds in the order of the rows, so no bit depends on the other columns.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from ..backend import Array
from ..simd.tiles import COLUMNS, ROWS, add_inner, add_product
from .plain import Problem, Training

_DEPTH = 256  # rows of a panel that stays in the first cache: 256 x 16 float64 are 32 KiB


def training(problems: Sequence[Problem]) -> Training:
    """Start compiled training."""
    return Compiled(problems)


class Compiled:
    """`Training` of `plain`, compiled."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._tasks = [_CompiledTask(problem) for problem in problems]

    def advance(self, steps: int) -> None:
        """Take some gradient steps."""
        for task in self._tasks:
            task.advance(steps)

    def states(self) -> list[tuple[Array, Array]]:
        """Return weights and outputs, as in `Training`."""
        return [task.state() for task in self._tasks]


class _CompiledTask:
    """Networks of one task.

    Keeps `held`: in the span what was added to the filters, as combinations of rows (K, columns); else weights (d, columns).
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        (count, d), (items, filters) = problem.rows.shape, problem.starts.shape[:2]
        height, columns = _whole(count, ROWS), _whole(items * filters, COLUMNS)
        self._rows = np.zeros((height, _whole(d, ROWS)))
        self._rows[:count, :d] = problem.rows
        self._starts = np.zeros((self._rows.shape[1], columns))
        self._starts[:d, : items * filters] = problem.starts.transpose(2, 1, 0).reshape(d, -1)
        self._products = np.zeros((height, columns))
        _add(self._products.reshape(-1), self._rows.reshape(-1), self._starts.reshape(-1), *self._rows.shape, columns)
        self._scales = np.zeros((height, items))
        self._scales[:count] = problem.scales.T
        self._data = (np.ascontiguousarray(problem.members), np.ascontiguousarray(problem.labels.T), problem.rates)
        self._square = self._gram() if problem.span else self._rows
        self._held = np.zeros((height, columns)) if problem.span else self._starts.copy()

    def advance(self, steps: int) -> None:
        problem = self.problem
        state = (self._products.reshape(-1), self._held.reshape(-1), self._square.reshape(-1))
        sizes = (*self._square.shape, self._products.shape[1], problem.per_class)
        _steps(steps, *state, *sizes, self._scales, *self._data, problem.relu, problem.span)

    def state(self) -> tuple[Array, Array]:
        problem = self.problem
        weights = self._held
        if problem.span:
            weights = self._starts.copy()
            sizes = (*self._rows.shape, weights.shape[1])
            _add_transposed(weights.reshape(-1), self._rows.reshape(-1), self._held.reshape(-1), *sizes)
        items, filters, d = problem.starts.shape
        found = weights[:d, : items * filters].reshape(d, filters, items).transpose(2, 1, 0)
        outputs = np.empty((len(problem.members), items))
        columns, heights = self._products.shape[1], np.empty(self._scales.shape)
        _outputs(
            outputs,
            heights,
            self._products.reshape(-1),
            columns,
            problem.per_class,
            self._scales,
            *self._data[:1],
            problem.relu,
        )
        return found.copy(), outputs.T.copy()

    def _gram(self) -> Array:
        """Compute the Gram of the rows by BLAS, on the rows that are there: padding would move its bits."""
        count, height = len(self.problem.rows), len(self._rows)
        found = np.zeros((height, height))
        found[:count, :count] = self.problem.rows @ self.problem.rows.T
        return found


def _whole(size: int, tile: int) -> int:
    return -(-size // tile) * tile


@njit(cache=True)
def _pack(panel: Array, of: Array, start: int, depth: int, stride: int, column: int) -> None:
    for k in range(depth):
        for j in range(COLUMNS):
            panel[k * COLUMNS + j] = of[(start + k) * stride + column + j]


@njit(cache=True)
def _add(to: Array, left: Array, right: Array, height: int, depth: int, columns: int) -> None:
    """Add left (height, depth) @ right (depth, columns) to `to`."""
    panel = np.empty(_DEPTH * COLUMNS)
    for start in range(0, depth, _DEPTH):
        here = min(_DEPTH, depth - start)
        for c in range(0, columns, COLUMNS):
            _pack(panel, right, start, here, columns, c)
            for r in range(0, height, ROWS):
                add_product(to, (r * columns + c, columns), left, (r * depth + start, depth), panel, (0, COLUMNS), here)


@njit(cache=True)
def _add_transposed(to: Array, left: Array, right: Array, height: int, width: int, columns: int) -> None:
    """Add left' @ right to `to` (width, columns), for left (height, width) and right (height, columns)."""
    panel = np.empty(_DEPTH * COLUMNS)
    depth = max(ROWS, min(_DEPTH, 2**17 // max(width, 1) // ROWS * ROWS))  # rows of `left` that stay in the second cache
    for start in range(0, height, depth):
        here = min(depth, height - start)
        for c in range(0, columns, COLUMNS):
            _pack(panel, right, start, here, columns, c)
            for r in range(0, width, ROWS):
                add_inner(to, (r * columns + c, columns), left, (start * width + r, width), panel, (0, COLUMNS), here)


@njit(cache=True)
def _outputs(
    outputs: Array,
    heights: Array,
    products: Array,
    columns: int,
    half: int,
    scales: Array,
    members: Array,
    relu: bool,
) -> None:
    """Fill outputs (n, B) from products with the rows; heights (K, B) receives what the networks make of each row."""
    n, patches = members.shape
    height, items = scales.shape
    share, wide = 1.0 / half, half * items
    seen = np.empty(wide)
    for k in range(height):
        at = k * columns
        if not relu:
            for b in range(items):
                heights[k, b] = scales[k, b] * products[at + b]
            continue
        plus, minus = products[at : at + wide], products[at + wide : at + 2 * wide]
        for c in range(wide):
            u, v = plus[c], minus[c]
            seen[c] = (0.0 if u < 0 else u) - (0.0 if v < 0 else v)
        left = half
        while left > 1:  # a tree over the filters: every loop is one over neighbours
            kept = (left + 1) // 2
            rest = seen[kept * items : left * items]
            for c in range(len(rest)):
                seen[c] += rest[c]
            left = kept
        for b in range(items):
            heights[k, b] = share * scales[k, b] * seen[b]
    for i in range(n):
        for b in range(items):
            outputs[i, b] = 0.0
        for p in range(patches):
            k = members[i, p]
            for b in range(items):
                outputs[i, b] += heights[k, b]


@njit(cache=True, error_model="numpy")
def _pulls(pulls: Array, outputs: Array, labels: Array, members: Array, rates: Array, scales: Array) -> None:
    """Fill pulls (K, B): how far a step moves an open filter along each row."""
    n, patches = members.shape
    pulls[:] = 0.0
    for i in range(n):
        for b in range(len(rates)):
            y = labels[i, b]
            outputs[i, b] = rates[b] / n * y / (1.0 + np.exp(y * outputs[i, b]))
        for p in range(patches):
            k = members[i, p]
            for b in range(len(rates)):
                pulls[k, b] += outputs[i, b]
    for k in range(len(pulls)):
        for b in range(len(rates)):
            pulls[k, b] *= scales[k, b]


@njit(cache=True)
def _gated(added: Array, products: Array, columns: int, half: int, pulls: Array, relu: bool) -> None:
    """Fill added (K, columns): the combination of rows that a step adds to every filter. Scales are not negative."""
    height, items = pulls.shape
    share, wide = 1.0 / half, half * items
    moves = np.empty(wide)
    for k in range(height):
        at = k * columns
        if not relu:
            for b in range(items):
                added[at + b] = pulls[k, b]
            continue
        for b in range(items):
            moves[b] = share * pulls[k, b]
        filled = items
        while filled < wide:  # doubling: every loop is one over neighbours
            rest = moves[filled : min(2 * filled, wide)]
            for c in range(len(rest)):
                rest[c] = moves[c]
            filled += len(rest)
        plus, minus = products[at : at + wide], products[at + wide : at + 2 * wide]
        more, less = added[at : at + wide], added[at + wide : at + 2 * wide]
        for c in range(wide):
            move = moves[c]
            more[c] = move if plus[c] > 0 else 0.0
        for c in range(wide):
            move = -moves[c]
            less[c] = move if minus[c] > 0 else 0.0


@njit(cache=True)
def _steps(
    steps: int,
    products: Array,
    held: Array,
    square: Array,
    height: int,
    width: int,
    columns: int,
    half: int,
    scales: Array,
    members: Array,
    labels: Array,
    rates: Array,
    relu: bool,
    span: bool,
) -> None:
    """Take gradient steps; `square` (height, width) is the rows' Gram in the span, else the rows."""
    outputs, pulls, heights = np.empty(labels.shape), np.empty(scales.shape), np.empty(scales.shape)
    added = np.zeros(height * columns)
    for _ in range(steps):
        _outputs(outputs, heights, products, columns, half, scales, members, relu)
        _pulls(pulls, outputs, labels, members, rates, scales)
        _gated(added, products, columns, half, pulls, relu)
        if span:
            for at in range(len(added)):
                held[at] += added[at]
            _add(products, square, added, height, width, columns)
        else:
            _add_transposed(held, square, added, height, width, columns)
            products[:] = 0.0
            _add(products, square, held, height, width, columns)
