"""Sub-grids of one look: the seeds between two looks, for the settings that are still open.

A setting is a value of every axis but the seed's. Which settings are open follows from finished looks alone
(:func:`w2s.summary.looks.settle`), and which sub-grids a look has follows from that: the same rows give the same blocks on any
machine and after any kill. Settings that a study solves together (axes in ``Study.shares``) stay in one block. Along other axes
the open ones are parted from the settled ones, which a block would solve in vain.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeper.grid.conditions import Condition
from sweeper.grid.model import SubGrid
from w2s.contract.block import Axis, Block
from w2s.contract.study import Study

__all__ = ["all_looks", "look_parts", "setting_axes", "settings_of"]

Open = npt.NDArray[np.bool_]
"""Which settings are open: one dimension for each axis but the seed's."""
_WORTH = 0.8
"""A box is parted where that leaves at most this share of its settings."""


def setting_axes(part: SubGrid) -> tuple[Axis, ...]:
    """Return the axes of a sub-grid without that of the seeds."""
    return tuple(axis for axis in part.block.axes if axis.names != ("seed",))


def settings_of(part: SubGrid) -> Open:
    """Return which settings of a sub-grid are wanted, those of ``exclude`` left out."""
    axes = setting_axes(part)
    some = Block({**part.block.fixed, "seed": 0}, axes)
    mask = part.mask(some)
    return np.ones(some.shape, dtype=bool) if mask is None else mask


def all_looks(part: SubGrid) -> list[SubGrid]:
    """Return the sub-grids of all looks with every setting open: the most that a sub-grid with ``until`` comes to."""
    if part.until is None:
        return [part]
    edges = [0, *part.until.looks]
    return [_with_seeds(part, slice(low, high)) for low, high in itertools.pairwise(edges)]


def look_parts(study: Study, part: SubGrid, look: int, open_now: Open) -> list[SubGrid]:
    """Return the sub-grids of look number ``look`` (from 0) for the open settings; none where no setting is open."""
    whole = all_looks(part)[look]
    axes = setting_axes(part)
    shared = [any(name in study.shares for name in axis.names) for axis in axes]
    return [_in_box(whole, axes, open_now, box) for box in _boxes(open_now, shared)]


def _with_seeds(part: SubGrid, seeds: slice) -> SubGrid:
    axes = tuple(axis[seeds] if axis.names == ("seed",) else axis for axis in part.block.axes)
    return replace(part, block=Block(part.block.fixed, axes))


Box = tuple[npt.NDArray[np.int64], ...]
"""Places on every axis."""


def _boxes(wanted: Open, shared: Sequence[bool]) -> Iterator[Box]:
    """Divide the wanted entries into boxes of places, along axes that share nothing; every wanted entry is in one of them."""
    if not wanted.any():
        return
    box = tuple(np.flatnonzero(wanted.any(axis=_others(k, wanted.ndim))) for k in range(wanted.ndim))
    inside = wanted[np.ix_(*box)]
    best: tuple[int, int, dict[bytes, list[int]]] | None = None
    for k in (k for k in range(wanted.ndim) if not shared[k]):
        alike: dict[bytes, list[int]] = {}
        for place, layer in enumerate(np.moveaxis(inside, k, 0)):
            alike.setdefault(np.packbits(layer).tobytes(), []).append(place)
        size = sum(len(places) * _box_size(np.take(inside, places[0], axis=k)) for places in alike.values())
        if len(alike) > 1 and (best is None or size < best[0]):
            best = (size, k, alike)
    if best is None or best[0] > _WORTH * inside.size:
        yield box
        return
    _, k, alike = best
    for places in alike.values():
        for part in _boxes(inside.take(places, axis=k), shared):
            whole = [part[j] if j != k else np.asarray(places)[part[j]] for j in range(wanted.ndim)]
            yield tuple(box[j][whole[j]] for j in range(wanted.ndim))


def _others(k: int, dimensions: int) -> tuple[int, ...]:
    return tuple(j for j in range(dimensions) if j != k)


def _box_size(wanted: Open) -> int:
    """Count the entries of the smallest box around the wanted ones."""
    sides = (int(wanted.any(axis=_others(k, wanted.ndim)).sum()) for k in range(wanted.ndim))
    return math.prod(sides) if wanted.any() else 0


def _in_box(part: SubGrid, axes: Sequence[Axis], open_now: Open, box: Box) -> SubGrid:
    """Cut a sub-grid down to a box; a condition leaves out the settings in it that are settled."""
    cut = {axis.names: Axis(axis.names, tuple(axis.values[k] for k in places)) for axis, places in zip(axes, box, strict=True)}
    inside = Block(part.block.fixed, tuple(cut.get(axis.names, axis) for axis in part.block.axes))
    conditions = part.conditions
    if not open_now[np.ix_(*box)].all():
        test = _Settled(tuple(axes), open_now)
        names = tuple(name for axis in axes for name in axis.names)
        conditions = (*conditions, Condition(names, test, "settled"))
    return replace(part, block=inside, conditions=conditions)


@dataclass(frozen=True)
class _Settled:
    """The condition that a setting needs no more seeds."""

    axes: tuple[Axis, ...]
    open_now: Open

    def __call__(self, block: Block) -> Open:
        """Return which cells of a block are settled, with length 1 along its seeds."""
        places: dict[tuple[str, ...], dict[tuple[Any, ...], int]] = {
            axis.names: {value: k for k, value in enumerate(axis.values)} for axis in self.axes
        }
        index, shape = [], []
        for axis in block.axes:
            if axis.names in places:
                index.append([places[axis.names][value] for value in axis.values])
                shape.append(len(axis))
            else:
                shape.append(1)
        # A block may have an axis of this sub-grid as a fixed value: `restrict` fixes what conditions do not name, never these.
        return ~self.open_now[np.ix_(*index)].reshape(shape)
