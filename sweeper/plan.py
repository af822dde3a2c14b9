"""The arithmetic plan: how a grid is cut into blocks.

The cut is a pure function of the grid, the study's version and this planner's version, from nominal operations and bytes,
never from a measured time: the same grid gives the same blocks, and so the same bits, on any machine and after any kill.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sweeper.errors import GridError
from sweeper.grid import Grid, SubGrid
from w2s.block import Axis, Block
from w2s.cells import value_digest
from w2s.study import Cost, Study

__all__ = ["PLANNER_VERSION", "Cut", "Plan", "block_key", "make_plan"]

PLANNER_VERSION = 1
MAX_FLOPS = 2e10
MAX_BYTES = 2**30
ROW_BYTES = 2**10
"""Memory that one row of the table takes while its part is made; it bounds the rows of a block whose cells cost nothing."""
MIN_BLOCKS = 64
MIN_FLOPS = 2e8
"""Below this much work a block is not cut further for the sake of parallelism: it would be all overhead."""


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
        """Blocks with at least one wanted cell, in C order."""
        ranges = [range(0, len(a), c) for a, c in zip(self.part.block.axes, self.chunks, strict=True)]
        for starts in itertools.product(*ranges):
            axes = tuple(a[s : s + c] for a, s, c in zip(self.part.block.axes, starts, self.chunks, strict=True))
            block = Block(self.part.block.fixed, axes)
            mask = self.part.mask(block)
            if mask is None or mask.any():
                yield block.with_mask(None if mask is None else np.ascontiguousarray(mask))


@dataclass(frozen=True)
class Plan:
    """The cut of a whole grid."""

    grid: Grid
    cuts: tuple[Cut, ...]

    @property
    def cells(self) -> int:
        """Wanted cells."""
        return self.grid.cells

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
        """All blocks with at least one wanted cell."""
        for cut in self.cuts:
            yield from cut.blocks()


def make_plan(grid: Grid) -> Plan:
    """Cut every sub-grid of a grid. Cost: a few calls of the study's ``cost``; cells are never expanded."""
    study = grid.study()
    return Plan(grid, tuple(cut_part(study, part) for part in grid.parts))


def cut_part(study: Study, part: SubGrid) -> Cut:
    """Choose chunk sizes: axes that share nothing are cut first, then shared ones, the cheapest first.

    A block ends under :data:`MAX_FLOPS` and :data:`MAX_BYTES`, unless what remains is one shared piece that a further cut
    would only compute twice. Where that leaves fewer than :data:`MIN_BLOCKS` blocks, axes
    that share nothing are cut further while a block keeps at least :data:`MIN_FLOPS`.
    """
    axes = part.block.axes
    chunks = [len(axis) for axis in axes]
    rank = [_share_rank(study, axis.names) for axis in axes]
    free = [k for k, r in enumerate(rank) if r is None]
    shared = sorted((k for k, r in enumerate(rank) if r is not None), key=lambda k: rank[k] or 0, reverse=True)
    cost = _chunk_cost(study, part, chunks)

    def halved(k: int) -> tuple[list[int], Cost]:
        smaller = [math.ceil(c / 2) if j == k else c for j, c in enumerate(chunks)]
        return smaller, _chunk_cost(study, part, smaller)

    for k in (*free, *shared):
        while chunks[k] > 1 and (cost.flops > MAX_FLOPS or cost.bytes > MAX_BYTES):
            smaller, less = halved(k)
            if k in shared and not _pays(cost, less):
                break
            chunks, cost = smaller, less
    for k in free:
        while chunks[k] > 1 and _count(axes, chunks) < MIN_BLOCKS:
            smaller, less = halved(k)
            if less.flops < MIN_FLOPS:
                break
            chunks, cost = smaller, less
    return Cut(part, tuple(chunks), cost)


def _pays(cost: Cost, less: Cost) -> bool:
    """Whether halving a shared axis makes the limiting cost a quarter smaller (otherwise the shared piece is what costs)."""
    if cost.bytes > MAX_BYTES:
        return less.bytes <= 0.75 * cost.bytes
    return less.flops <= 0.75 * cost.flops


def _share_rank(study: Study, names: tuple[str, ...]) -> int | None:
    """Place of an axis in ``study.shares`` (0 = dearest to cut), or None when its cells share nothing."""
    places = [study.shares.index(name) for name in names if name in study.shares]
    return min(places) if places else None


def _count(axes: tuple[object, ...], chunks: list[int]) -> int:
    return math.prod(math.ceil(len(a) / c) for a, c in zip(axes, chunks, strict=True))  # type: ignore[arg-type]


def _chunk_cost(study: Study, part: SubGrid, chunks: list[int]) -> Cost:
    """Cost of a block of the smallest or of the largest values of every axis, whichever is dearer; an upper bound."""
    axes = [_sorted(axis) for axis in part.block.axes]
    first = Block(part.block.fixed, tuple(a[:c] for a, c in zip(axes, chunks, strict=True)))
    last = Block(part.block.fixed, tuple(a[len(a) - c :] for a, c in zip(axes, chunks, strict=True)))
    costs = [_cost(study, first), _cost(study, last)]
    return Cost(max(c.flops for c in costs), max(c.bytes for c in costs) + ROW_BYTES * first.size)


def _sorted(axis: Axis) -> Axis:
    """Order an axis of numbers by size; others stay as they are written."""
    values = [value[0] for value in axis.values]
    if len(axis.names) > 1 or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in values):
        return axis
    return Axis(axis.names, tuple(sorted(axis.values)))


def _cost(study: Study, block: Block) -> Cost:
    try:
        cost = study.cost(block)
    except Exception as error:
        raise GridError(f"{study.name}.cost raised {type(error).__name__}: {error}") from error
    if not isinstance(cost, Cost):
        raise GridError(f"{study.name}.cost returned {type(cost).__name__}, not a Cost")
    return cost


def block_key(study: type[Study], block: Block) -> str:
    """Name of a block's part file: 24 hex digits of its study, planner version, fields, axes and mask."""
    content = {
        "study": [study.name, study.version, PLANNER_VERSION],
        "fixed": sorted((n, value_digest(n, v)) for n, v in block.fixed.items() if v is not None),
        "axes": [
            [a.names, [[value_digest(n, v) for n, v in zip(a.names, vs, strict=True)] for vs in a.values]] for a in block.axes
        ],
    }
    digest = hashlib.blake2b(json.dumps(content).encode(), digest_size=12)
    if block.mask is not None and not block.mask.all():
        digest.update(np.packbits(block.mask).tobytes())
    return digest.hexdigest()
