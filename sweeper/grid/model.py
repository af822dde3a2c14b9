"""A checked grid: a study, and the products of axes whose cells it names. :func:`sweeper.load_grid` makes one from YAML."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sweeper.grid.compute import Compute
from sweeper.grid.conditions import Condition, excluded, kept_cells
from w2s.contract.block import Axis, Block
from w2s.contract.cells import cell_fields
from w2s.contract.study import Study
from w2s.files.datafile import Content
from w2s.places.url import Where
from w2s.summary.looks import Until

__all__ = ["Grid", "SubGrid", "common_cells", "pairs_to_compare"]


_MAX_MASK = 50_000_000


@dataclass(frozen=True)
class SubGrid:
    """One product of axes of a grid: ``block`` holds all its cells, ``conditions`` leave some of them out.

    With ``until`` these are the most cells that it can come to: settings end at fewer seeds (:mod:`sweeper.plan.looks`).
    """

    block: Block
    conditions: tuple[Condition, ...]
    written: Mapping[str, Any]
    line: int | None = None
    until: Until | None = None

    @functools.cached_property
    def wanted(self) -> int:
        """Number of cells, excluded ones not counted. Looks only at the axes that conditions name."""
        return kept_cells(self.conditions, self.block)

    @functools.cached_property
    def values(self) -> Mapping[str, frozenset[Any]]:
        """Distinct values of every field."""
        return {name: frozenset(self.block.values(name)) for name in self.block.names}

    def asked(self) -> Block:
        """Return the whole sub-grid with its mask, or without it where the mask would be too large to hold."""
        return self.block.with_mask(self.mask(self.block)) if self.block.size <= _MAX_MASK else self.block

    def mask(self, block: Block) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Return which cells of a block cut from this sub-grid are wanted; None when all are."""
        out = excluded(self.conditions, block)
        return None if out is None or not out.any() else ~out


@dataclass(frozen=True)
class Grid:
    """A checked grid: a study and the sub-grids whose cells it names."""

    study: type[Study]
    study_reference: str
    parts: tuple[SubGrid, ...]
    compute: Compute
    out: Where
    file: Path | None = None
    folder: Path = field(default_factory=Path.cwd)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return sum(part.wanted for part in self.parts)

    def axes(self) -> dict[str, list[Any]]:
        """Return the fields that take more than one value anywhere in the grid, with their values."""
        seen: dict[str, dict[Any, None]] = {}
        for part in self.parts:
            for name in part.block.names:
                seen.setdefault(name, {}).update(dict.fromkeys(part.block.values(name)))
        values = {name: [v for v in found if v is not None] for name, found in seen.items()}
        return {name: values[name] for name in cell_fields(self.study.Cell) if len(values.get(name, ())) > 1}

    def files(self) -> Iterator[tuple[str, Content]]:
        """Yield the values that are files, with their fields, in the order of the sub-grids. Cost: O(axis values)."""
        for part in self.parts:
            for name in part.block.names:
                yield from ((name, value) for value in part.block.values(name) if isinstance(value, Content))


def pairs_to_compare(first: Sequence[SubGrid], second: Sequence[SubGrid]) -> Iterator[tuple[int, int]]:
    """Yield the places of sub-grids that may have cells in common: those that share a value of the field that parts them best.

    Cost: O(axis values) and the pairs, instead of all pairs.
    """
    best: tuple[int, dict[Any, list[int]], str] | None = None
    for name in {name for part in (*first, *second) for name in part.block.names}:
        places: dict[Any, list[int]] = {}
        for k, part in enumerate(second):
            for value in part.values[name]:
                places.setdefault(value, []).append(k)
        count = sum(len(places.get(value, ())) for part in first for value in part.values[name])
        if best is None or count < best[0]:
            best = (count, places, name)
    if best is not None:
        _, places, name = best
        for k, part in enumerate(first):
            yield from ((k, j) for j in sorted({j for value in part.values[name] for j in places.get(value, ())}))


def common_cells(first: SubGrid, second: SubGrid) -> int:
    """Count the cells that two sub-grids have in common. Cost: O(axis values); expands only the overlap, if there is one."""
    if any(first.values[name].isdisjoint(second.values[name]) for name in first.block.names):
        return 0
    axes = []
    for axis in first.block.axes:
        there = [second.values[name] for name in axis.names]
        axes.append(Axis(axis.names, tuple(value for value in axis.values if all(map(operator.contains, there, value)))))
    if not all(map(len, axes)):
        return 0
    overlap = Block(first.block.fixed, tuple(axes))
    inside = np.ones(overlap.shape, dtype=bool)
    for axis in second.block.axes:
        group = overlap.group(*axis.names)
        known = set(axis.values)
        inside &= np.array([tuple(level.values()) in known for level in group.levels], dtype=bool)[group.codes]
    for part in (first, second):
        mask = part.mask(overlap)
        if mask is not None:
            inside &= mask
    return int(inside.sum())
