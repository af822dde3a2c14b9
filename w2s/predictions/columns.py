"""The columns of a file of predictions by role, checked: every complaint names file, column and item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2s.errors import FieldError, nearest
from w2s.files.columns import MISSING, CellError, Column, column_of, spelling
from w2s.files.tablefile import other_separator

__all__ = ["OPTIONAL", "ColumnNames", "Reader", "class_remarks"]

Matrix = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

SUM_TOLERANCE = 1e-3  # probabilities written with four digits
_EDGE = 1e-6  # a softmax in float32 can pass 1 by its rounding
OPTIONAL = {"ceiling": "ceiling", "strong": "strong", "seed": "seed", "group": "group"}
"""Columns that a file may lack under these names; under a name of the grid's own they must be there."""


@dataclass(frozen=True)
class ColumnNames:
    """What the columns of a file are called."""

    item_id: str = "item_id"
    truth: str = "truth"
    weak: str = "weak"
    student: str = "student"
    ceiling: str = OPTIONAL["ceiling"]
    strong: str = OPTIONAL["strong"]
    seed: str = OPTIONAL["seed"]
    group: str = OPTIONAL["group"]

    def field(self, role: str) -> str:
        """Return the name of the cell field that names a role's column."""
        return "item_column" if role == "item_id" else f"{role}_column"


@dataclass(frozen=True)
class Reader:
    """A table with names for its columns; a role is item_id, truth, a model, seed or group. Raises :class:`FieldError`."""

    name: str
    table: pa.Table
    names: ColumnNames

    def classes(self) -> tuple[Array, dict[str, Array]]:
        """Read truth and models as class numbers, places in :meth:`class_names`."""
        known = np.array(self.class_names(), dtype=str)
        words = {role: self.labels(role) for role in ("truth", *self.roles())}
        for role in self.roles():
            self.check_spelling(role, words["truth"], words[role])
        if len(known) < 2:
            raise FieldError(f"{self.name}: truth and predictions are all {known[0]!r}: one class is nothing to predict")
        codes = {role: np.searchsorted(known, names).astype(np.int64) for role, names in words.items()}
        return codes.pop("truth"), codes

    def class_names(self) -> tuple[str, ...]:
        """List the names of all classes of the file, those of the truth and of the models, in order."""
        return tuple(np.unique(np.concatenate([np.unique(self.labels(role)) for role in ("truth", *self.roles())])).tolist())

    def check_spelling(self, role: str, truth: Array, words: Array) -> None:
        """Raise for a model whose classes are written otherwise than the truth's: none in common, or one that looks alike."""
        true, own = set(truth.tolist()), set(words.tolist())
        alike = {spelling(name): name for name in sorted(true)}
        for name in sorted(own - true):
            if (other := alike.get(spelling(name))) is not None:
                row = int((words == name).argmax())
                raise FieldError(
                    f"{self.at(role, row)}: class {name!r}, but {other!r} in the truth: write a class the same way in every "
                    "column (names are text: 1, 01 and 1.0 are three classes)",
                    self.names.field(role),
                )
        if not own & true:
            raise FieldError(
                f"{self.name}: column {getattr(self.names, role)!r} shares no class with the truth: it has {_some(own)}, the "
                f"truth has {_some(true)}; write classes the same way in every column (or is the kind probability, or value?)",
                self.names.field(role),
            )

    def unused(self) -> tuple[str, ...]:
        """List the columns of the file that have no role."""
        names = {getattr(self.names, role.name) for role in fields(self.names)}
        return tuple(c for c in self.table.column_names if c not in names and c.rpartition("_")[0] not in names)

    def probabilities(self) -> tuple[Array, dict[str, Array]]:
        """Read truth as class numbers 0..K-1 and models as (n, K) probabilities; one number per item is P(class 1)."""
        truth = self.whole("truth", "; kind probability takes numbers of classes: of names write kind: class (--kind class)")
        models = {role: self.simplex(role) for role in self.roles()}
        sizes = {role: values.shape[1] for role, values in models.items()}
        if len(set(sizes.values())) > 1:
            raise FieldError(f"{self.name}: the models have different numbers of classes: {sizes}")
        classes = sizes["weak"]
        if outside := sorted({int(label) for label in truth[(truth < 0) | (truth >= classes)]}):
            raise FieldError(f"{self.name}: truth {outside[0]} is not one of the classes 0..{classes - 1}", "truth_column")
        if all(np.isin(values, (0.0, 1.0)).all() for values in models.values()):
            raise FieldError(f"{self.name}: every prediction is 0 or 1: these are classes; write kind: class", "kind")
        return truth, models

    def values(self) -> tuple[Array, dict[str, Array]]:
        """Read truth and models as real numbers (n, k)."""
        truth = self.numbers("truth")
        models = {role: self.numbers(role) for role in self.roles()}
        for role, values in models.items():
            if values.shape != truth.shape:
                counts = f"{values.shape[1]} outputs, truth has {truth.shape[1]}"
                raise FieldError(f"{self.name}: {role} has {counts}", self.names.field(role))
        return truth, models

    def roles(self) -> tuple[str, ...]:
        """List the models of the file; ceiling and strong baseline where they are there."""
        return ("weak", "student", *(role for role in ("ceiling", "strong") if self.has(role)))

    def has(self, role: str) -> bool:
        """Tell whether an optional column is there.

        A column that the grid names must be there, and the usual name must not be spelled otherwise.
        """
        name, columns = getattr(self.names, role), self.table.column_names
        found = name in columns or f"{name}_0" in columns
        if not found and name != OPTIONAL[role]:
            self.column(role)
        taken = {getattr(self.names, other.name) for other in fields(self.names)}
        if alike := [other for other in columns if not found and other not in taken and spelling(other) == name]:
            remedy = f"write {name!r} in the file, or {self.names.field(role)}: {alike[0]}"
            raise FieldError(f"{self.name}: is column {alike[0]!r} the {name} column? {remedy}", self.names.field(role))
        return found

    def simplex(self, role: str) -> Matrix:
        """Read class probabilities (n, K), rows summing to 1; one number per item is P(class 1)."""
        matrix, field = self.numbers(role), self.names.field(role)
        if (bad := (matrix < -_EDGE) | (matrix > 1 + _EDGE)).any():
            row = int(bad.any(axis=1).argmax())
            raise FieldError(f"{self.at(role, row)}: {matrix[row].tolist()} is outside [0, 1], no probability", field)
        matrix = np.clip(matrix, 0.0, 1.0)
        if matrix.shape[1] == 1:
            return np.hstack([1.0 - matrix, matrix])
        totals = matrix.sum(axis=1)
        if (bad := np.abs(totals - 1.0) > SUM_TOLERANCE).any():
            row = int(bad.argmax())
            raise FieldError(f"{self.at(role, row)}: the probabilities sum to {totals[row]:.6g}, not to 1", field)
        return np.asarray(matrix / totals[:, None])

    def numbers(self, role: str) -> Matrix:
        """Read float64 (n, k) from one column, a column of lists, or columns ``name_0``, ``name_1``, ..."""
        matrix = np.column_stack([self.floats(role, column) for column in self.spread(role)])
        if (bad := np.isinf(matrix)).any():
            where = self.at(role, int(bad.any(axis=1).argmax()))
            raise FieldError(f"{where}: the value is not finite", self.names.field(role))
        return matrix

    def floats(self, role: str, column: Column, wanted: str = "numbers", remedy: str = "") -> Matrix:
        """Read float64 (n,) of one column, no cell missing; ``remedy`` ends the complaint about a cell that is no number."""
        try:
            values = column.numbers()
        except CellError as error:
            raise self.unlike(role, column, CellError(f"{error}{remedy}", error.row), wanted) from None
        self.refuse_missing(role, np.isnan(values))
        return values

    def spread(self, role: str) -> list[Column]:
        """Return the columns of numbers of a role."""
        name, columns = getattr(self.names, role), self.table.column_names
        if name not in columns and f"{name}_0" in columns:
            count = next(k for k in range(len(columns) + 1) if f"{name}_{k}" not in columns)
            numbered = {f"{name}_{k}" for k in range(count, len(columns) + 100)} & set(columns)
            if numbered:
                absent = f"there is {min(numbered)!r}, but no {f'{name}_{count}'!r}"
                raise FieldError(f"{self.name}: {absent}", self.names.field(role))
            return [column_of(self.table, f"{name}_{k}") for k in range(count)]
        column = self.column(role)
        if not _is_list(column.cells.type):
            return [column]
        self.refuse_missing(role, np.asarray(pc.is_null(column.cells)))
        lengths = pc.list_value_length(column.cells)
        if pc.count_distinct(lengths).as_py() != 1 or lengths[0].as_py() == 0:
            raise FieldError(f"{self.name}: the lists of column {name!r} differ in length", self.names.field(role))
        parts = [pc.list_element(column.cells, k) for k in range(lengths[0].as_py())]
        return [Column(name, part, untyped=False, opaque=False) for part in parts]

    def labels(self, role: str) -> Array:
        """Read classes as text, (n,), as written; a whole number that a file stores as a number has the name of its value."""
        column = self.column(role)
        if pa.types.is_floating(column.cells.type):
            values = column.numbers()
            if (bad := np.isfinite(values) & (values != np.round(values))).any():
                problem = CellError(f"{values[bad][0]:g} is no class (kind: probability, or value?)", int(bad.argmax()))
                raise self.unlike(role, column, problem, "classes")
        return self.text(role, "classes")

    def whole(self, role: str, remedy: str = "") -> npt.NDArray[np.int64]:
        """Read whole numbers (n,); ``remedy`` as for :meth:`floats`."""
        column = self.column(role)
        values = self.floats(role, column, "whole numbers", remedy)
        if (bad := (values != np.round(values)) | (np.abs(values) > 2**53)).any():
            row = int(bad.argmax())
            raise self.unlike(role, column, CellError(f"{values[row]:g} is no whole number", row), "whole numbers")
        return values.astype(np.int64)

    def seeds(self) -> npt.NDArray[np.int64]:
        """Read seeds (n,), 0 or more."""
        seeds = self.whole("seed")
        if (bad := seeds < 0).any():
            row = int(bad.argmax())
            raise FieldError(f"{self.at('seed', row)}: {seeds[row]} is no seed: 0 or more", self.names.field("seed"))
        return seeds

    def text(self, role: str, wanted: str = "names") -> Array:
        """Read names (n,), as :meth:`w2s.files.columns.Column.names` reads them."""
        column = self.column(role)
        try:
            names = column.names()
        except CellError as error:
            raise self.unlike(role, column, error, wanted) from None
        self.refuse_missing(role, np.asarray(pc.is_null(names)))
        return np.asarray(names.to_numpy(zero_copy_only=False)).astype(str)

    def column(self, role: str) -> Column:
        """Return the column of a role, or raise an error with the nearest name."""
        name = getattr(self.names, role)
        if name in self.table.column_names:
            return column_of(self.table, name)
        known = ", ".join(self.table.column_names[:20])
        used = {getattr(self.names, other.name) for other in fields(self.names)}
        free = [column for column in self.table.column_names if column not in used]
        if parted := other_separator(self.table.column_names):
            raise FieldError(f"{self.name}: {parted}", self.names.field(role))
        message = f"{self.name}: no column {name!r}{nearest(name, free)}; its columns: {known}"
        raise FieldError(f"{message}; name yours with {self.names.field(role)}", self.names.field(role))

    def refuse_missing(self, role: str, missing: npt.NDArray[np.bool_]) -> None:
        """Raise for the first item that has no value."""
        if missing.any():
            raise FieldError(f"{self.at(role, int(missing.argmax()))}: no value (null or NaN)", self.names.field(role))

    def unlike(self, role: str, column: Column, error: CellError, wanted: str) -> FieldError:
        """Make the complaint about a column that does not hold what is wanted, with the first such item."""
        name, field = getattr(self.names, role), self.names.field(role)
        if error.row is None:
            return FieldError(f"{self.name}: column {name!r} {error}", field)
        if column.untyped:
            return FieldError(f"{self.at(role, error.row)}: {error}", field)
        where = self.place(role, error.row)
        return FieldError(f"{self.name}: column {name!r} holds {column.holds}, not {wanted} ({where}: {error})", field)

    def at(self, role: str, row: int) -> str:
        """Name a place in the file: column and item."""
        return f"{self.name}: column {getattr(self.names, role)!r}, {self.place(role, row)}"

    def place(self, role: str, row: int) -> str:
        """Name an item, by its row where that is what is wrong."""
        item = self.table[self.names.item_id][row].as_py() if self.names.item_id in self.table.column_names else None
        return f"row {row + 1}" if role == "item_id" or item is None else f"item {item!r}"


def class_remarks(classes: Sequence[str]) -> tuple[str, ...]:
    """Say which classes have a name that elsewhere stands for a missing value, and which are spelled alike."""
    found, by_spelling = set(classes) & set(MISSING), dict[str, set[str]]()
    for name in classes:
        by_spelling.setdefault(spelling(name), set()).add(name)
    alike = [names for names in by_spelling.values() if len(names) > 1]
    missing = [f"{_some(found)} is the name of a class here, not a missing value"] if found else []
    return (*missing, *(f"{_some(names)} are {len(names)} classes: names are taken as they are written" for names in alike))


def _some(names: set[str]) -> str:
    """Name up to three of some names."""
    return ", ".join(map(repr, sorted(names)[:3])) + (", ..." if len(names) > 3 else "")


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
