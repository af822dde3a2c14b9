"""A block: the sub-grid that a study solves in one call.

A block is a product of axes. An axis carries one field or several that move together (a ``zip``, or a field together with
the ones that matter only for some of its values), so every shape of grid is a product, and a study never sees a list of cells.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Axis", "Block", "Group"]

Levels = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Axis:
    """Fields that vary together: ``values[i]`` holds one value per name (null where a field is inactive)."""

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    def __post_init__(self) -> None:
        if not set(map(len, self.values)) <= {len(self.names)}:
            raise ValueError(f"axis {self.names}: every value needs {len(self.names)} entries")

    def __len__(self) -> int:
        return len(self.values)

    def __getstate__(self) -> dict[str, Any]:
        return {"names": self.names, "values": self.values}  # an axis travels without its cache

    @functools.cached_property
    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Values of each field as an array, numbers as numbers (None becomes NaN among them); not to be written to."""
        return {name: _array(self.column(name)) for name in self.names}

    @functools.cached_property
    def _columns(self) -> Mapping[str, tuple[Any, ...]]:
        columns = zip(*self.values, strict=True) if self.values else [()] * len(self.names)
        return dict(zip(self.names, columns, strict=True))

    @functools.cached_property
    def _grouped(self) -> dict[tuple[str, ...], tuple[Levels, npt.NDArray[np.int64]]]:
        return {}

    def grouped(self, names: tuple[str, ...]) -> tuple[Levels, npt.NDArray[np.int64]]:
        """Return the distinct combinations of the axis's fields among ``names``, and the number of the one each value has.

        They are remembered, since many blocks share an axis, and are not to be written to. Cost: O(length), once.
        """
        if names not in self._grouped:
            levels: dict[tuple[Any, ...], int] = {}
            own = [name for name in dict.fromkeys(names) if name in self.names]
            rows = zip(*(self._columns[name] for name in own), strict=True) if own else [()]
            codes = np.array([levels.setdefault(row, len(levels)) for row in rows], dtype=np.int64)
            self._grouped[names] = tuple(dict(zip(own, level, strict=True)) for level in levels), codes
        return self._grouped[names]

    def __getitem__(self, part: slice) -> Axis:
        return Axis(self.names, self.values[part])

    @classmethod
    def single(cls, name: str, values: Sequence[Any]) -> Axis:
        """Build an axis of one field."""
        return cls((name,), tuple((value,) for value in values))

    def column(self, name: str) -> tuple[Any, ...]:
        """Return the values of one of the axis's fields."""
        return self._columns[name]


@dataclass(frozen=True)
class Group:
    """Distinct value combinations of some fields in a block.

    ``levels[k]`` maps each field to its value; ``codes`` (broadcasts to the block's shape) says which level each cell has.
    Held as one factor per axis, its levels and the one of each of its values, so that counting the levels of a large group
    costs nothing.
    """

    names: tuple[str, ...]
    fixed: Mapping[str, Any]
    factors: tuple[tuple[Levels, npt.NDArray[np.int64]], ...]

    def __len__(self) -> int:
        return self._count

    @functools.cached_property
    def _count(self) -> int:
        return math.prod([len(levels) for levels, _ in self.factors])

    @functools.cached_property
    def levels(self) -> tuple[Mapping[str, Any], ...]:
        """One mapping per level, in order of first appearance."""
        found = []
        for parts in itertools.product(*(levels for levels, _ in self.factors)):
            values = dict(self.fixed)
            for part in parts:
                values.update(part)
            found.append({name: values[name] for name in self.names})
        return tuple(found)

    @functools.cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """Level of each cell; dimensions that do not matter have length 1."""
        total = np.zeros((1,) * len(self.factors), dtype=np.int64)
        for position, (levels, codes) in enumerate(self.factors):
            total = total * len(levels) + codes.reshape((-1,) + (1,) * (len(self.factors) - position - 1))
        return total

    def values(self, name: str) -> list[Any]:
        """List the values of a field, one per level."""
        return [level[name] for level in self.levels]


@dataclass(frozen=True)
class Block:
    """Product of ``axes`` with all other fields ``fixed``; ``mask`` (True = wanted) has the block's shape, or is None for all.

    Cells are numbered in C order: the last axis varies fastest. A block is read-only: writing into ``fixed`` or ``mask`` raises
    TypeError or ValueError, and what is given for them is copied.
    """

    fixed: Mapping[str, Any]
    axes: tuple[Axis, ...]
    mask: npt.NDArray[np.bool_] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        names = [*self.fixed, *(name for axis in self.axes for name in axis.names)]
        if len(set(names)) != len(names):
            raise ValueError(f"a field is listed twice in a block: {sorted(names)}")
        if self.mask is not None and self.mask.shape != self.shape:
            raise ValueError(f"mask has shape {self.mask.shape}, block has shape {self.shape}")
        object.__setattr__(self, "fixed", MappingProxyType(_own(self.fixed)))
        if self.mask is not None:
            mask = self.mask.copy()
            mask.flags.writeable = False
            object.__setattr__(self, "mask", mask)

    def __reduce__(self) -> tuple[type[Block], tuple[Any, ...]]:
        return Block, (dict(self.fixed), self.axes, self.mask)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of cells, masked ones included."""
        return math.prod(self.shape)

    @property
    def wanted(self) -> int:
        """Number of cells that are asked for."""
        return self.size if self.mask is None else int(self.mask.sum())

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Every field of the block's cells."""
        return (*self.fixed, *(name for axis in self.axes for name in axis.names))

    @functools.cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self.names)

    def values(self, name: str) -> list[Any]:
        """List the distinct values of one field, in order of first appearance."""
        if name in self.fixed:
            return [self.fixed[name]]
        return list(dict.fromkeys(self.axes[self._position(name)].column(name)))

    def one(self, name: str) -> Any:
        """Return the value of a field that is the same in all cells of the block."""
        values = self.values(name)
        if len(values) != 1:
            raise ValueError(f"{name} takes {len(values)} values in this block")
        return values[0]

    def group(self, *names: str) -> Group:
        """Group the cells by the named fields: their distinct combinations, and which one each cell has.

        Cost: O(length of the axes involved).
        """
        fixed = {name: self.fixed[name] for name in names if name in self.fixed}
        factors = tuple(axis.grouped(names) for axis in self.axes)
        if not self._all.issuperset(names):
            for name in names:
                self._known(name)
        return Group(names, fixed, factors)

    def gather(self, table: npt.NDArray[Any], *groups: Group) -> npt.NDArray[Any]:
        """Spread ``table`` (one leading dimension per group) over the block's cells: the result has the block's shape."""
        picked = table[tuple(group.codes for group in groups)]
        return np.broadcast_to(picked, self.shape + picked.shape[len(self.shape) :])

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield every wanted cell as a plain mapping, for small blocks and tests: the cost is one dictionary per cell."""
        for index in np.ndindex(*self.shape):
            if self.mask is None or self.mask[index]:
                cell = dict(self.fixed)
                for axis, k in zip(self.axes, index, strict=True):
                    cell.update(zip(axis.names, axis.values[k], strict=True))
                yield cell

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return the values of one field as an array that broadcasts to the block's shape (None becomes NaN among numbers)."""
        if name in self.fixed:
            return _array([self.fixed[name]]).reshape([1] * len(self.axes))
        position = self._position(name)
        array = self.axes[position].arrays[name]
        # A copy: a study may write into what it gets, and the axis keeps its own.
        return array.reshape([len(array) if k == position else 1 for k in range(len(self.axes))]).copy()

    def with_mask(self, mask: npt.NDArray[np.bool_] | None) -> Block:
        """Return the same block with another mask."""
        return replace(self, mask=mask)

    def copy(self) -> Block:
        """Return an equal block that shares nothing with this one that could be written into, whatever is done to it."""
        axes = tuple(Axis(axis.names, tuple(tuple(map(_unshared, value)) for value in axis.values)) for axis in self.axes)
        return Block(self.fixed, axes, self.mask)

    def _known(self, name: str) -> None:
        if name not in self.fixed:
            self._position(name)

    def _position(self, name: str) -> int:
        for position, axis in enumerate(self.axes):
            if name in axis.names:
                return position
        raise KeyError(f"{name} is not a field of this block; it has {', '.join(self.names)}")


def _own(fixed: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _unshared(value) for name, value in fixed.items()}


def _unshared(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, (list, dict)) else value


def _array(values: Sequence[Any]) -> npt.NDArray[Any]:
    if all(v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in values):
        return np.array([np.nan if v is None else v for v in values])
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
