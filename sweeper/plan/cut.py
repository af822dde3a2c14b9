"""The arithmetic plan: how a grid is cut into blocks.

The cut is a pure function of the grid, the study's version and this planner's version, from nominal operations and bytes,
never from a measured time: the same grid gives the same blocks, and so the same bits, on any machine and after any kill.
Predicted seconds (:mod:`sweeper.plan.forecast`) are read from a plan and never go into one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sweeper.errors import GridError
from sweeper.grid.model import Grid, SubGrid
from sweeper.plan.looks import all_looks
from w2s.contract.block import Axis, Block
from w2s.contract.cells import cell_fields, value_digest
from w2s.contract.study import Cost, Study
from w2s.user_files import told

__all__ = ["PLANNER_VERSION", "Cut", "Plan", "block_key", "make_plan", "plan_of"]

PLANNER_VERSION = 3
MAX_FLOPS = 2e10
MAX_BYTES = 2**30
ROW_BYTES = 2**10
"""Memory that one row of the table takes while its part is made; it bounds the rows of a block whose cells cost nothing."""
MIN_BLOCKS = 64
MIN_FLOPS = 4e9
"""Below this much work, some 0.2 s, a block is not cut further for the sake of parallelism: its part costs 5 ms."""
ROW_FLOPS = 3e4
"""What a row of the table is counted as in that: one to two microseconds."""
MAX_WASTE = 0.2
"""A cut may add this share of the operations: what cells have in common is computed in every block."""
SAMPLES = 64
"""Blocks of a sub-grid whose pieces are looked at to describe all of them."""
_MAX_LOOK = 4_000_000


@dataclass(frozen=True)
class Cut:
    """How one sub-grid is cut: ``chunks[k]`` values of axis k go into one block."""

    part: SubGrid
    chunks: tuple[int, ...]
    cost: Cost

    @property
    def count(self) -> int:
        """Number of blocks, those left empty by ``exclude`` counted too."""
        return math.prod(math.ceil(len(a) / c) for a, c in zip(self.part.block.axes, self.chunks, strict=True))

    def blocks(self) -> Iterator[Block]:
        """Yield blocks with at least one wanted cell, in C order."""
        # Blocks share the pieces of the axes as objects, and with them what a piece remembers.
        pieces = [[a[s : s + c] for s in range(0, len(a), c)] for a, c in zip(self.part.block.axes, self.chunks, strict=True)]
        for axes in itertools.product(*pieces):
            block = Block(self.part.block.fixed, axes)
            mask = self.part.mask(block)
            if mask is None or mask.any():
                yield block.with_mask(None if mask is None else np.ascontiguousarray(mask))

    def sample(self) -> Iterator[tuple[float, Block]]:
        """Yield at most :data:`SAMPLES` blocks that represent all, each with the number of blocks that it represents.

        Blocks that differ in their seeds alone cost the same; along other axes, evenly spread blocks represent their
        neighbours. Blocks without a wanted cell are left out; in a cut of many cells, all blocks count by the share of
        wanted cells.
        """
        axes = self.part.block.axes
        ranges = [range(0, len(a), c) for a, c in zip(axes, self.chunks, strict=True)]
        most = _sample_sizes([1 if a.names == ("seed",) else len(r) for a, r in zip(axes, ranges, strict=True)])
        picked = [_picked(r, len(a), m) for a, r, m in zip(axes, ranges, most, strict=True)]
        looks = math.prod(self.chunks) * math.prod(map(len, picked)) <= _MAX_LOOK
        share = 1.0 if looks else self.part.wanted / self.part.block.size
        for choice in itertools.product(*picked):
            chunks = [a[s : s + c] for a, (_, s), c in zip(axes, choice, self.chunks, strict=True)]
            block = Block(self.part.block.fixed, tuple(chunks))
            mask = self.part.mask(block) if looks else None
            if mask is None or mask.any():
                yield share * math.prod(weight for weight, _ in choice), block.with_mask(mask)


@dataclass(frozen=True)
class Plan:
    """The cut of a whole grid."""

    grid: Grid
    cuts: tuple[Cut, ...]

    @property
    def cells(self) -> int:
        """Wanted cells."""
        return sum(cut.part.wanted for cut in self.cuts)

    @property
    def waste(self) -> int:
        """Cells inside blocks that are solved although ``exclude`` leaves them out (an upper bound)."""
        return sum(cut.part.block.size for cut in self.cuts) - self.cells

    @property
    def block_count(self) -> int:
        """Number of blocks."""
        return sum(cut.count for cut in self.cuts)

    @property
    def flops(self) -> float:
        """Nominal operations of the whole grid."""
        return sum(cut.count * cut.cost.flops for cut in self.cuts)

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks with at least one wanted cell."""
        for cut in self.cuts:
            yield from cut.blocks()


def make_plan(grid: Grid) -> Plan:
    """Cut every sub-grid of a grid; with ``seeds: {until: ...}`` this is the most that it comes to.

    Cost: a few calls of the study's ``cost``; cells are never expanded.
    """
    return plan_of(grid, [look for part in grid.parts for look in all_looks(part)])


def plan_of(grid: Grid, parts: Iterable[SubGrid]) -> Plan:
    """Cut some sub-grids of a grid: those of its looks, where seeds end at a rule."""
    study = grid.study()
    return Plan(grid, tuple(_cut_part(study, part) for part in parts))


def _cut_part(study: Study, part: SubGrid) -> Cut:
    """Choose chunk sizes: axes that share nothing are cut first, then shared ones, the cheapest first.

    A block ends under :data:`MAX_FLOPS` and :data:`MAX_BYTES`, unless what remains is one shared piece that a further cut
    would only compute twice. Where that leaves fewer than :data:`MIN_BLOCKS` blocks, axes that share nothing are cut
    further. That stops where it would add more than a fifth of the work (:data:`MAX_WASTE`) or leave a block less than
    :data:`MIN_FLOPS`, its rows counted (:data:`ROW_FLOPS`).
    """
    axes, ordered = part.block.axes, [_sorted(axis) for axis in part.block.axes]
    chunks = [len(axis) for axis in axes]
    rank = [_share_rank(study, axis.names) for axis in axes]
    free = [k for k, r in enumerate(rank) if r is None]
    shared = sorted((k for k, r in enumerate(rank) if r is not None), key=lambda k: rank[k] or 0, reverse=True)
    cost = _chunk_cost(study, part, ordered, chunks)

    def halved(k: int) -> tuple[list[int], Cost]:
        smaller = [math.ceil(c / 2) if j == k else c for j, c in enumerate(chunks)]
        return smaller, _chunk_cost(study, part, ordered, smaller)

    for k in (*free, *shared):
        while chunks[k] > 1 and (cost.flops > MAX_FLOPS or cost.bytes > MAX_BYTES):
            smaller, less = halved(k)
            if k in shared and not _pays(cost, less, smaller[k] / chunks[k]):
                break
            chunks, cost = smaller, less
    whole, size, blocks = cost.flops, math.prod(chunks), _count(axes, chunks)
    for k in free:
        while chunks[k] > 1 and _count(axes, chunks) < MIN_BLOCKS:
            smaller, less = halved(k)
            again = _shared(whole, less.flops, math.prod(smaller) / size) * (_count(axes, smaller) / blocks - 1.0)
            if less.flops + ROW_FLOPS * math.prod(smaller) < MIN_FLOPS or again > MAX_WASTE * whole:
                break
            chunks, cost = smaller, less
    return Cut(part, tuple(chunks), cost)


def _sample_sizes(counts: list[int]) -> list[int]:
    """Reduce the longest axes until the product of the counts is within :data:`SAMPLES`."""
    sizes = list(counts)
    while math.prod(sizes) > SAMPLES:
        longest = max(range(len(sizes)), key=lambda k: sizes[k])
        sizes[longest] = math.ceil(sizes[longest] / 2)
    return sizes


def _picked(starts: range, length: int, most: int) -> list[tuple[float, int]]:
    """Choose ``most`` of an axis's chunks, the middle of each run of neighbours, with the number of whole chunks of the run."""
    runs = np.array_split(np.asarray(starts), most)
    ends = [int(run[0]) for run in runs[1:]] + [length]
    picked = []
    for run, end in zip(runs, ends, strict=True):
        middle = int(run[(len(run) - 1) // 2])
        picked.append(((end - int(run[0])) / (min(middle + starts.step, length) - middle), middle))
    return picked


def _pays(cost: Cost, less: Cost, part: float) -> bool:
    """Tell whether cutting a shared axis to a ``part`` is worth the work that is then done twice.

    Memory is a hard limit: a cut that saves a quarter is enough. Operations are not: a cut may add only a little work.
    """
    if cost.bytes > MAX_BYTES:
        return less.bytes <= 0.75 * cost.bytes
    return _shared(cost.flops, less.flops, part) <= MAX_WASTE * cost.flops


def _shared(whole: float, less: float, part: float) -> float:
    """Return the operations that each part of a block repeats, when a ``part`` of it (below 1) costs ``less``."""
    return max(0.0, (less - part * whole) / (1.0 - part))


def _share_rank(study: Study, names: tuple[str, ...]) -> int | None:
    """Return the place of an axis in ``study.shares`` (0 = most expensive to cut), or None when its cells share nothing."""
    places = [study.shares.index(name) for name in names if name in study.shares]
    return min(places) if places else None


def _count(axes: tuple[object, ...], chunks: list[int]) -> int:
    return math.prod(math.ceil(len(a) / c) for a, c in zip(axes, chunks, strict=True))  # type: ignore[arg-type]


def _chunk_cost(study: Study, part: SubGrid, axes: list[Axis], chunks: list[int]) -> Cost:
    """Bound the cost of a block: the cost at the smallest or at the largest values of every axis, whichever is higher.

    ``axes`` are sorted by size. Which seeds a block holds is no size: where no other axis is cut, the two are one.
    """
    first = Block(part.block.fixed, tuple(a[:c] for a, c in zip(axes, chunks, strict=True)))
    costs = [_cost(study, first)]
    if any(c < len(a) and a.names != ("seed",) for a, c in zip(axes, chunks, strict=True)):
        last = Block(part.block.fixed, tuple(a[len(a) - c :] for a, c in zip(axes, chunks, strict=True)))
        costs.append(_cost(study, last))
    return Cost(max(c.flops for c in costs), max(c.bytes for c in costs) + ROW_BYTES * first.size)


def _sorted(axis: Axis) -> Axis:
    """Sort an axis of numbers by size; leave others as they are written."""
    values = [value[0] for value in axis.values]
    if len(axis.names) > 1 or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in values):
        return axis
    return Axis(axis.names, tuple(sorted(axis.values)))


def _cost(study: Study, block: Block) -> Cost:
    try:
        cost = study.cost(block)
    except Exception as error:
        raise GridError(f"{study.name}.cost raised {told(error)}") from error
    if not isinstance(cost, Cost):
        raise GridError(f"{study.name}.cost returned {type(cost).__name__}, not a Cost")
    return cost


def block_key(study: type[Study], block: Block) -> str:
    """Name a block's part file by 24 hex digits of a hash of its study, planner version, fields, axes and mask."""
    words = {name: spec.word for name, spec in cell_fields(study.Cell).items()}
    named = [([words[n] for n in axis.names], axis.values) for axis in block.axes]
    content = {
        "study": [study.name, study.version, PLANNER_VERSION],
        "fixed": sorted((words[n], value_digest(words[n], v)) for n, v in block.fixed.items() if v is not None),
        "axes": [
            [names, [[value_digest(n, v) for n, v in zip(names, values, strict=True)] for values in rows]]
            for names, rows in named
        ],
    }
    digest = hashlib.blake2b(json.dumps(content).encode(), digest_size=12)
    if block.mask is not None and not block.mask.all():
        digest.update(np.packbits(block.mask).tobytes())
    return digest.hexdigest()
