"""Which cells a run wants next: all of them, or the looks so far where its seeds end at a rule.

The answer follows from the grid and from the rows in the folder, and from nothing else. A setting goes on to its next look when
every cell of the looks before it has a row that did not fail. So a launch that was killed in the middle of a look asks for the
rest of this look and then decides as if nothing had happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sweeper.folder.part import DamagedPartError
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.conditions import show
from sweeper.grid.model import Grid, SubGrid
from sweeper.plan.cut import Plan, make_plan, plan_of
from sweeper.plan.looks import look_parts, setting_axes, settings_of
from w2s.contract.block import Block
from w2s.contract.identity import cell_ids, hex_ids
from w2s.contract.rows import table_schema
from w2s.contract.study import Study
from w2s.summary.columns import FloatArray, is_ratio, numbers, ratio_columns, ratio_parts, ratios, usable
from w2s.summary.looks import Until, settle

__all__ = ["Asked", "Stopped", "asked"]


@dataclass(frozen=True)
class Stopped:
    """What became of the settings of one sub-grid: how many are in each state, and at which look.

    ``states`` counts the settings by state, and by the seeds that they have; ``examples`` names some that ended without being
    tight, with the reason.
    """

    until: Until
    settings: int
    look: int
    states: Mapping[tuple[str, int], int]
    examples: tuple[str, ...] = ()

    @property
    def looks(self) -> int:
        """Number of looks that there can be."""
        return len(self.until.looks)


@dataclass(frozen=True)
class Asked:
    """The plan of the cells that are wanted so far, and for every sub-grid with a rule what became of its settings."""

    plan: Plan
    stopped: tuple[Stopped, ...] = ()


def asked(grid: Grid, folder: RunFolder) -> Asked:
    """Say which cells of a grid a run folder is to hold, as far as its rows tell.

    Parts that cannot be read count as absent. Cost: nothing without a rule; else a look at the metric's columns of all rows.
    """
    if all(part.until is None for part in grid.parts):
        return Asked(make_plan(grid))
    study, rows = grid.study(), _Rows.of(grid, folder)
    parts: list[SubGrid] = []
    stopped: list[Stopped] = []
    for part in grid.parts:
        if part.until is None:
            parts.append(part)
            continue
        found, what = _follow(study, part, part.until, rows)
        parts += found
        stopped.append(what)
    return Asked(plan_of(grid, parts), tuple(stopped))


def _follow(study: Study, part: SubGrid, until: Until, rows: _Rows) -> tuple[list[SubGrid], Stopped]:
    """Follow the looks until one is not complete or no setting is open."""
    wanted = settings_of(part)
    state = np.full(wanted.shape, "open", dtype="<U10")
    seeds = np.zeros(wanted.shape, dtype=np.int64)
    places = np.flatnonzero(wanted.reshape(-1))
    top = np.empty((wanted.size, 0))
    bottom = np.empty((wanted.size, 0))
    asked_for: list[SubGrid] = []
    look = 0
    for look, count in enumerate(until.looks):
        open_now = np.zeros(wanted.size, dtype=bool)
        open_now[places] = True
        asked_for += look_parts(study, part, look, open_now.reshape(wanted.shape))
        more = rows.of_settings(part, slice(seeds.max(initial=0), count), places, until.metric)
        if more is None:
            break
        top, bottom = (np.concatenate([old, new], axis=1) for old, new in zip((top, bottom), more, strict=True))
        seeds.reshape(-1)[places] = count
        found = settle(until, top[places], bottom[places] if rows.is_ratio(until.metric) else None)
        state.reshape(-1)[places] = found
        places = places[found == "open"]
        if not places.size:
            break
    counts = Counter(zip(state[wanted].tolist(), seeds[wanted].tolist(), strict=True))
    return asked_for, Stopped(until, int(wanted.sum()), look + 1, counts, tuple(_examples(part, state, wanted)))


def _examples(part: SubGrid, state: npt.NDArray[np.str_], wanted: npt.NDArray[np.bool_]) -> Iterator[str]:
    """Name the first settings that ended without being tight."""
    axes = setting_axes(part)
    ended = np.argwhere(wanted & ((state == "unresolved") | (state == "max")))
    for index in ended[:8]:
        values = [
            f"{name}={show(value)}"
            for axis, k in zip(axes, index, strict=True)
            for name, value in zip(axis.names, axis.values[int(k)], strict=True)
            if value is not None
        ]
        yield f"{', '.join(values) or 'the only setting'}: {_WORDS[str(state[tuple(index)])]}"


_WORDS = {"unresolved": "the interval has no bounds", "max": "as many seeds as the rule allows"}


@dataclass(frozen=True)
class _Rows:
    """Identities (S32, sorted) and rows of a run that did not fail, and the study they are of."""

    study: type[Study]
    ids: npt.NDArray[np.bytes_]
    frame: Any

    @classmethod
    def of(cls, grid: Grid, folder: RunFolder) -> _Rows:
        """Read the columns that the grid's rules look at."""
        study = grid.study
        empty = table_schema(study).empty_table().to_pandas()
        empty.attrs["w2s"] = {"pgr": dict(study.pgr)}
        columns = {"cell_id", "status"}
        for part in grid.parts:
            if part.until is not None:
                columns |= set(_columns(empty, part.until.metric))
        tables = []
        for found in folder.contents().parts:
            if found.study != study.name or found.version != study.version:
                continue
            try:
                tables.append(folder.read(found, sorted(columns)))
            except DamagedPartError:
                continue
        bare = [table.replace_schema_metadata() for table in tables]
        rows = pa.concat_tables(bare).to_pandas() if bare else empty[sorted(columns)]
        rows = rows[rows["status"] != "failed"]
        ids = np.array(rows["cell_id"].to_numpy(), dtype="S32")
        order = np.argsort(ids, kind="stable")
        rows = rows.iloc[order]
        rows.attrs["w2s"] = {"pgr": dict(study.pgr)}
        return cls(study, ids[order], rows)

    def is_ratio(self, metric: str) -> bool:
        return is_ratio(self.frame, metric)

    def of_settings(
        self, part: SubGrid, seeds: slice, places: Sequence[int] | npt.NDArray[np.int64], metric: str
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return tops and bottoms (settings, seeds) of some seeds, NaN for settings that are not asked for.

        None where a row is missing. A row whose numbers may not be used has NaN.
        """
        block = part.block
        kept = tuple(axis[seeds] if axis.names == ("seed",) else axis for axis in block.axes)
        position = next(k for k, axis in enumerate(kept) if axis.names == ("seed",))
        some = Block(block.fixed, kept)
        ids = np.moveaxis(hex_ids(cell_ids(self.study, some)).reshape(some.shape), position, -1)
        ids = ids.reshape(-1, len(kept[position]))
        wanted = ids[places]
        if not self.ids.size:
            return None
        at = np.minimum(np.searchsorted(self.ids, wanted), self.ids.size - 1)
        if not (self.ids[at] == wanted).all():
            return None
        top, bottom = self._numbers(metric)
        found = tuple(np.full(ids.shape, np.nan) for _ in range(2))
        for array, values in zip(found, (top, bottom), strict=True):
            array[places] = values[at]
        return found[0], found[1]

    def _numbers(self, metric: str) -> tuple[FloatArray, FloatArray]:
        if is_ratio(self.frame, metric):
            top, bottom = ratio_parts(self.frame, metric)
        else:
            top = numbers(self.frame, metric)
            bottom = np.ones(len(top))
        unusable = ~usable(self.frame)
        top[unusable] = np.nan
        return top, bottom


def _columns(frame: Any, metric: str) -> tuple[str, ...]:
    if metric not in ratios(frame):
        return (metric,)
    top, bottom = ratio_columns(frame, metric)
    return (*top, *bottom)
