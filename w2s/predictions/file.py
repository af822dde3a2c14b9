"""A file of predictions: who predicted what for which item, checked and brought into one order.

Rows are joined by item id, never by position: within a seed they are sorted by group and id, so that the order of the file
changes nothing. Ids, classes and groups are names: text as written (:mod:`w2s.files.columns`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError
from w2s.files.datafile import DataFile, content_sha256
from w2s.files.tablefile import read_table_file
from w2s.predictions.columns import ColumnNames, Reader, class_remarks
from w2s.predictions.kinds import Kind

__all__ = ["Predictions", "load_predictions"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """Items in order: ``truth`` (n,) classes or (n, k) values; ``models`` maps a model to (n,) classes or an (n, k) matrix.

    ``seeds`` (n,) and ``groups`` (n,) are None in a file without such a column. A column of groups that cannot be read, with
    nulls say, is none either; ``no_groups`` says why, to whom asks for a group. ``classes`` are the names behind class numbers,
    for predictions that are classes; ``unused`` are columns without a role; ``remarks`` go into the rows' messages.
    """

    name: str
    items: Array
    truth: Array
    models: Mapping[str, Array]
    seeds: npt.NDArray[np.int64] | None
    groups: Array | None
    no_groups: str = ""
    classes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def of(self, seed: int, group: str | None) -> Predictions:
        """Keep the items of one seed and group (None: every group).

        Where there are none, a :class:`FieldError` names the seeds or groups that exist.
        """
        keep = np.ones(len(self), dtype=bool)
        if self.seeds is not None:
            keep = self.seeds == seed
            if not keep.any():
                raise FieldError(f"{self.name}: no rows of seed {seed}; its seeds: {_listed(np.unique(self.seeds))}")
        elif seed != 0:
            raise FieldError(f"{self.name}: no seed column, so its rows are seed 0; write seeds: 1, not seed {seed}")
        if group is not None:
            if self.groups is None:
                raise FieldError(self.no_groups or f"{self.name}: no group column, so there is no group {group!r}", "group")
            known = np.unique(self.groups[keep])
            keep &= self.groups == group.strip()
            if not keep.any():
                raise FieldError(
                    f"{self.name}: no rows of group {group!r} in seed {seed}; its groups: {_listed(known)}", "group"
                )
        return self.take(np.flatnonzero(keep))

    def take(self, rows: npt.NDArray[np.int64]) -> Predictions:
        """Return some items, in the order of ``rows``."""
        seeds, groups = (None if column is None else column[rows] for column in (self.seeds, self.groups))
        models = {name: values[rows] for name, values in self.models.items()}
        return replace(self, items=self.items[rows], truth=self.truth[rows], models=models, seeds=seeds, groups=groups)


def load_predictions(file: DataFile, kind: Kind, names: ColumnNames) -> Predictions:
    """Read and check a whole file, sorted by seed, group and item; cached per content, kind and names.

    Raises :class:`w2s.errors.FieldError` for a file that cannot be read or changed, a missing column, a missing value, an item
    that is listed twice in one (seed, group), and predictions that are not of the kind.
    """
    return _load(file.name, file.path, file.sha256, kind, names)


@functools.lru_cache(maxsize=4)
def _load(name: str, path: Path, sha256: str, kind: Kind, names: ColumnNames) -> Predictions:
    table = read_table_file(name, path)
    if content_sha256(path) != sha256:
        raise FieldError(f"{name}: the file at {path} changed since the grid was read; launch again")
    reader = Reader(name, table, names)
    items = reader.text("item_id")
    classes = reader.class_names() if kind == "class" else ()
    truth, models = {"class": reader.classes, "probability": reader.probabilities, "value": reader.values}[kind]()
    seeds = reader.seeds() if reader.has("seed") else None
    groups, problem = _groups(reader)
    more = {"classes": classes, "unused": reader.unused(), "remarks": class_remarks(classes)}
    whole = Predictions(name, items, truth, models, seeds, groups, problem, **more)
    order = np.lexsort([items, *(column for column in (groups, seeds) if column is not None)])
    return _unique(whole.take(order))


def _groups(reader: Reader) -> tuple[Array | None, str]:
    """Read the names of groups where there are any, and say what is wrong with them."""
    if not reader.has("group"):
        return None, ""
    try:
        return reader.text("group"), ""
    except FieldError as error:
        return None, str(error)


def _unique(rows: Predictions) -> Predictions:
    keys = [column for column in (rows.items, rows.groups, rows.seeds) if column is not None]
    same = np.logical_and.reduce([column[1:] == column[:-1] for column in keys])
    if same.any():
        place = int(same.argmax())
        named = zip(("item", "group", "seed"), (rows.items, rows.groups, rows.seeds), strict=True)
        where = ", ".join(f"{what} {column[place]}" for what, column in named if column is not None)
        raise FieldError(rows.no_groups or f"{rows.name}: {where} is listed twice")
    return rows


def _listed(values: Array) -> str:
    shown = ", ".join(str(value) for value in values[:20])
    return f"{shown}, ... ({len(values)} of them)" if len(values) > 20 else shown
