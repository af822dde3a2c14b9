"""Stages: what the cells of a block share, stated once for its solution, its account and what other blocks need too.

A *level* is a mapping from field names to values: what is fixed at one place of a solver's loops, for instance
``{"seed": 3, "d": 100, "ridge": 0.1}``. A stage is computed once for each distinct combination of the fields it is ``over``:
``over=("seed", "d")`` gives one value for seed 3 and d 100, and every ridge shares that value. Its ``run`` is given the fields
in ``over`` and nothing else, and asks for the stages it builds on, so a value cannot depend on a field that is not named. Where
many values go into one batched call, the field is a tuple of all of them (``seeds``, ``filters``), which the solver writes into
the level.

From the same list follow the pieces that ``plan`` shows (:meth:`Stages.pieces`), the operations by which a grid is cut
(:meth:`Stages.flops`), and the values that blocks of other sub-grids need as well (:meth:`Stages.common`).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from w2s.contract.block import Block
from w2s.contract.memo import Memo
from w2s.contract.study import Common, Kind, Piece
from w2s_kernels import Backend

__all__ = ["MOST_COMMON", "Count", "Level", "Stage", "Stages", "Values"]

Level = Mapping[str, Any]
Count = Callable[[Level, Any], float]

MOST_COMMON = 256
"""Values of one stage in a block that are offered to other blocks; a stage with more of them is cheap for each."""


def _order_one(_level: Level, _sizes: Any) -> float:
    """Return the order of a stage that works on no matrix."""
    return 1.0


def _counted_once(_level: Level, _sizes: Any) -> float:
    """Count a value as one piece."""
    return 1.0


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of a solution.

    Attributes
    ----------
    name : what is computed, without sizes: "SVD of the student's rows".
    over : fields whose distinct combinations have a value each.
    run : ``run(level, values)`` returns the value of one combination; ``values(stage, level)`` gives another stage's value.
        None for a part of another stage's work that has a line of its own.
    kind, order, flops : as in :class:`w2s.contract.study.Piece`; ``order`` and ``flops`` of one value, from its level and the
        sizes of the block. A stage without ``flops`` has no line in a plan.
    times : how many pieces one value is counted as; 0 where the stage is not needed.
    sizes : fields that ``flops``, ``order`` and ``times`` read; the other fields of ``over`` multiply the count.
    ask : maps a level to the level that counts: fields that do not matter there get one fixed value, so that all their values
        share one result. A basis of fresh rows does not depend on the number of labelled ones:
        ``ask=lambda level: {**level, "n_labeled": 0}``.
    weighed : fields by which the planner multiplies the operations, where these are not ``over``. A stage that became shared by
        more cells than before keeps its old weight, so that the cut of existing grids, and with it their bits, does not move: a
        basis that once was computed for every weak model is ``weighed=(*student_fields, *teacher_fields)`` though its ``over``
        has the student's fields alone.
    latest : only the latest value is kept, since it is large and asked for in order: the features of all rows of a design are
        needed until the solver comes to the next design.
    shared : whether other blocks may use its values.

    """

    name: str
    over: tuple[str, ...]
    run: Callable[[Level, Values], Any] | None = None
    kind: Kind = "other"
    flops: Count | None = None
    order: Count = _order_one
    times: Count = _counted_once
    why: str = ""
    sizes: tuple[str, ...] = ()
    ask: Callable[[Level], Level] = dict
    weighed: tuple[str, ...] | None = None
    latest: bool = False
    shared: bool = True

    def level(self, level: Level) -> dict[str, Any]:
        """Return the fields that the value depends on. Raises KeyError for one that ``level`` lacks."""
        asked = self.ask(level)
        try:
            return {name: asked[name] for name in self.over}
        except KeyError as error:
            raise KeyError(f"stage {self.name!r} is over {error}, which the stage that asks for it is not over") from None

    def value(self, own: Level, values: Values) -> Any:
        """Compute the value of a combination of the fields in ``over``."""
        assert self.run is not None, f"stage {self.name!r} has no value"
        return self.run(own, values)

    def key(self, level: Level) -> tuple[Any, ...]:
        """Return the identity of the value."""
        return (self.name, *self.level(level).values())


class Values:
    """Values of stages while a block is solved.

    ``scopes`` are groups of fields, outer ones first; the values over all fields of a scope are dropped when one of these takes
    another value, so that no more is held than one design needs. What a ``memo`` keeps outlives that, and the block.
    """

    def __init__(self, backend: Backend, scopes: Sequence[tuple[str, ...]] = (), memo: Memo | None = None) -> None:
        self.backend, self.memo, self._scopes = backend, memo, list(scopes)
        self._now: list[tuple[Any, ...] | None] = [None] * len(self._scopes)
        self._held: list[dict[tuple[Any, ...], Any]] = [{} for _ in range(len(self._scopes) + 1)]
        self._latest: dict[tuple[Any, ...], Any] = {}

    def enter(self, level: Level) -> None:
        """Enter the cells of a level: drop the values that belong to other values of the scopes' fields."""
        for place, names in enumerate(self._scopes):
            now = tuple(level[name] for name in names)
            if now != self._now[place]:
                self._now[place], self._held[place + 1] = now, {}

    def __call__(self, stage: Stage, level: Level) -> Any:
        """Return the value of a stage for the combination that a level has."""
        own = stage.level(level)
        key = (stage.name, *own.values())
        held = self._latest if stage.latest else self._held[self._scope(stage)]
        if key not in held:
            memo = self.memo if stage.shared else None
            value = stage.value(own, self) if memo is None else memo.get(key, lambda: stage.value(own, self))
            if stage.latest:
                for old in [old for old in held if old[0] == stage.name]:
                    del held[old]
            held[key] = value
        return held[key]

    def _scope(self, stage: Stage) -> int:
        """Return the place of the innermost scope whose fields the stage is over; 0: kept for the block."""
        inner = (place + 1 for place, names in enumerate(self._scopes) if set(names) <= set(stage.over))
        return max(inner, default=0)


@functools.lru_cache(maxsize=1024)
def _kept(names: tuple[str, ...], among: tuple[str, ...]) -> tuple[str, ...]:
    """Keep the names that are among others, each once; remembered, since every block of a plan asks for the same."""
    return tuple(name for name in dict.fromkeys(names) if name in among)


class _NoSizes:
    """For stages whose operations depend on their levels alone."""

    def __init__(self, _block: Block) -> None:
        return

    def given(self, _level: Level) -> dict[str, Any]:
        """Return no further fields."""
        return {}


class Stages:
    """The stages of a study.

    Parameters
    ----------
    stages : those with operations, in the order in which a plan shows them.
    parts : fields of cells in groups that vary independently in a block, as its solver loops over them; the planner's weights
        count their combinations. By default all fields that a stage is over, together.
    sizes : makes what ``flops`` and its like read from a block; ``sizes.given(level)`` adds fields that hold several values.
    shares : fields that a plan shows as served by stages that are not over them.
    batches : the cells' fields in each field that holds several values: ``{"filters": ("student_filter", "ridge", "time")}``.

    """

    def __init__(
        self,
        stages: Sequence[Stage],
        parts: Sequence[tuple[str, ...]] = (),
        sizes: Callable[[Block], Any] = _NoSizes,
        shares: Sequence[str] = (),
        batches: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        self.stages, self.sizes, self.shares, self.batches = tuple(stages), sizes, tuple(shares), batches
        self.parts = tuple(parts) or (tuple(dict.fromkeys(name for stage in stages for name in stage.over)),)
        self._fields = tuple(dict.fromkeys(name for part in self.parts for name in part))

    def with_more(self, *stages: Stage) -> Stages:
        """Return these stages and some more."""
        return Stages((*self.stages, *stages), self.parts, self.sizes, self.shares, self.batches)

    def pieces(self, block: Block) -> list[Piece]:
        """List the distinct values of every stage, one piece for each order. Cost: O(combinations of ``sizes``)."""
        sizes = self.sizes(block)
        return [piece for stage in self.stages for piece in self._pieces(stage, block, sizes)]

    def flops(self, block: Block) -> float:
        """Count the nominal operations by which a grid is cut: each stage is counted over the fields that it is weighed by."""
        sizes, total = self.sizes(block), 0.0
        group = functools.cache(block.group)  # stages read the same fields, and a group of many levels takes time to list
        for stage in self.stages:
            fields = stage.over if stage.weighed is None else stage.weighed
            read = [name for name in stage.sizes if name in fields]
            groups = [(group(*self._of(fields, part)), group(*self._of(read, part))) for part in self.parts]
            weight = math.prod(len(whole) / len(some) for whole, some in groups)
            asked = [some.levels for place, (_, some) in enumerate(groups) if some.names or place == 0]
            for first, *others in itertools.product(*asked):
                level = dict(first)
                for other in others:
                    level.update(other)
                level.update(sizes.given(level))
                total += weight * self._one(stage, level, sizes)
        return total

    def common(self, block: Block) -> Iterator[Common]:
        """Yield the values that other blocks may need too, with their keys.

        Stages with very many values are left out.
        """
        sizes = self.sizes(block)
        for stage in self.stages:
            if not stage.shared or len(group := block.group(*self._of(stage.over))) > MOST_COMMON:
                continue
            seen: dict[tuple[Any, ...], Level] = {}
            for level in group.levels:
                whole = {**level, **sizes.given(level)}
                seen.setdefault(stage.key(whole), whole)
            for key, level in seen.items():
                if count := stage.times(level, sizes):
                    work = self._one(stage, level, sizes)
                    yield Common(key, (self._piece(stage, count, work, level, sizes),))

    def _of(self, names: Sequence[str], among: Sequence[str] | None = None) -> tuple[str, ...]:
        """Keep the names that are fields of cells, each once."""
        return _kept(tuple(names), self._fields if among is None else tuple(among))

    def _pieces(self, stage: Stage, block: Block, sizes: Any) -> Iterator[Piece]:
        over = self._of(stage.over)
        some = block.group(*(name for name in over if name in stage.sizes))
        repeats = len(block.group(*over)) / len(some)  # fields that do not matter are among those of ``sizes``
        found: dict[tuple[Any, ...], Level] = {}
        for level in some.levels:
            whole = {**level, **sizes.given(level)}
            asked = stage.ask(whole)
            found.setdefault(tuple(asked[name] for name in over if name in stage.sizes), whole)
        orders: dict[float, tuple[float, float, Level]] = {}
        for level in found.values():
            order = stage.order(level, sizes)
            count, work, _ = orders.get(order, (0.0, 0.0, level))
            count += repeats * stage.times(level, sizes)
            orders[order] = count, work + repeats * self._one(stage, level, sizes), level
        for count, work, level in orders.values():
            if count:
                yield self._piece(stage, count, work, level, sizes)

    def _one(self, stage: Stage, level: Level, sizes: Any) -> float:
        """Count the operations of one value."""
        assert stage.flops is not None
        return stage.flops(level, sizes) if stage.times is _counted_once or stage.times(level, sizes) else 0.0

    def _piece(self, stage: Stage, count: float, work: float, level: Level, sizes: Any) -> Piece:
        asked, over = stage.ask(level), set(stage.over)
        for name, fields in self.batches.items():
            over |= set(fields) if name in over and asked[name] else set()
        serves = tuple(name for name in self.shares if name not in over)
        return Piece(stage.name, stage.kind, count, work, serves, stage.why if serves else "", stage.order(level, sizes))
