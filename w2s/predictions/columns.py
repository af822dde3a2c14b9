"""The columns of a file of predictions by role, checked: every complaint names file, column and item."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2s.errors import FieldError, nearest

__all__ = ["OPTIONAL", "ColumnNames", "Reader"]

Matrix = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

SUM_TOLERANCE = 1e-3  # probabilities written with four digits
_EDGE = 1e-6  # a softmax in float32 can pass 1 by its rounding
OPTIONAL = {"strong": "strong", "seed": "seed", "group": "group"}
"""Columns that a file may lack under these names; under a name of the grid's own they must be there."""


@dataclass(frozen=True)
class ColumnNames:
    """What the columns of a file are called."""

    item_id: str = "item_id"
    truth: str = "truth"
    weak: str = "weak"
    student: str = "student"
    ceiling: str = "ceiling"
    strong: str = OPTIONAL["strong"]
    seed: str = OPTIONAL["seed"]
    group: str = OPTIONAL["group"]

    def field(self, role: str) -> str:
        """Name of the cell field that says what a role's column is called."""
        return "item_column" if role == "item_id" else f"{role}_column"


@dataclass(frozen=True)
class Reader:
    """A table with names for its columns; a role is item_id, truth, a model, seed or group. Raises :class:`FieldError`."""

    name: str
    table: pa.Table
    names: ColumnNames

    def classes(self) -> tuple[Array, dict[str, Array]]:
        """Truth and models as class numbers; a class is a whole number or a word, numbered over the whole file."""
        roles = ("truth", *self.roles())
        words = {role: self.labels(role) for role in roles}
        known, codes = np.unique(np.concatenate([*words.values()]), return_inverse=True)
        if len(known) < 2:
            raise FieldError(f"{self.name}: truth and predictions are all {known[0]!r}: one class is nothing to predict")
        parts = dict(zip(roles, np.split(codes.astype(np.int64), len(roles)), strict=True))
        return parts.pop("truth"), parts

    def probabilities(self) -> tuple[Array, dict[str, Array]]:
        """Truth as class numbers 0..K-1 and models as (n, K) probabilities; one number per item is P(class 1)."""
        truth = self.whole("truth")
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
        """Truth and models as real numbers (n, k)."""
        truth = self.numbers("truth")
        models = {role: self.numbers(role) for role in self.roles()}
        for role, values in models.items():
            if values.shape != truth.shape:
                counts = f"{values.shape[1]} outputs, truth has {truth.shape[1]}"
                raise FieldError(f"{self.name}: {role} has {counts}", self.names.field(role))
        return truth, models

    def roles(self) -> tuple[str, ...]:
        """Models of the file; the strong baseline where there is one."""
        return ("weak", "student", "ceiling", *(["strong"] if self.has("strong") else []))

    def has(self, role: str) -> bool:
        """Whether an optional column is there; a name of the grid's own must be."""
        name = getattr(self.names, role)
        found = name in self.table.column_names or f"{name}_0" in self.table.column_names
        if not found and name != OPTIONAL[role]:
            self.column(role)
        return found

    def simplex(self, role: str) -> Matrix:
        """Class probabilities (n, K), rows summing to 1; one number per item is P(class 1)."""
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
        """Float64 (n, k): one column, a column of lists, or columns ``name_0``, ``name_1``, ..."""
        columns = self.spread(role)
        matrix = np.column_stack([self.cast(role, column, pa.float64(), "numbers") for column in columns])
        if (bad := ~np.isfinite(matrix)).any():
            where = self.at(role, int(bad.any(axis=1).argmax()))
            raise FieldError(f"{where}: the value is not finite", self.names.field(role))
        return np.asarray(matrix, dtype=np.float64)

    def spread(self, role: str) -> list[pa.Array]:
        """Columns of numbers behind a role."""
        name = getattr(self.names, role)
        if name not in self.table.column_names and f"{name}_0" in self.table.column_names:
            count = next(k for k in range(len(self.table.column_names) + 1) if f"{name}_{k}" not in self.table.column_names)
            return [self.filled(role, self.table[f"{name}_{k}"]) for k in range(count)]
        column = self.filled(role, self.column(role))
        if not _is_list(column.type):
            return [column]
        lengths = pc.list_value_length(column)
        if pc.count_distinct(lengths).as_py() != 1 or lengths[0].as_py() == 0:
            raise FieldError(f"{self.name}: the lists of column {name!r} differ in length", self.names.field(role))
        return [self.filled(role, pc.list_element(column, k)) for k in range(lengths[0].as_py())]

    def labels(self, role: str) -> Array:
        """Classes as text, equal however they are stored: 1, 1.0, true and "1" are one class."""
        column = self.filled(role, self.column(role))
        if pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
            column = pa.array(self.cast(role, column, pa.int64(), "classes (kind: probability, or value?)"))
        return self.cast(role, column, pa.string(), "classes").astype(str)

    def whole(self, role: str) -> npt.NDArray[np.int64]:
        """Whole numbers (n,)."""
        return np.asarray(self.cast(role, self.filled(role, self.column(role)), pa.int64(), "whole numbers"))

    def seeds(self) -> npt.NDArray[np.int64]:
        """Seeds (n,), 0 or more."""
        seeds = self.whole("seed")
        if (bad := seeds < 0).any():
            row = int(bad.argmax())
            raise FieldError(f"{self.at('seed', row)}: {seeds[row]} is no seed: 0 or more", self.names.field("seed"))
        return seeds

    def text(self, role: str) -> Array:
        """Names (n,), whatever they are stored as."""
        return self.cast(role, self.filled(role, self.column(role)), pa.string(), "names").astype(str)

    def cast(self, role: str, column: pa.Array, kind: pa.DataType, wanted: str) -> Array:
        """One column as another type; ``wanted`` names it in the complaint."""
        try:
            return np.asarray(pc.cast(column, kind).to_numpy(zero_copy_only=False))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            name = getattr(self.names, role)
            raise FieldError(
                f"{self.name}: column {name!r} holds {column.type}, not {wanted}", self.names.field(role)
            ) from None

    def column(self, role: str) -> pa.ChunkedArray:
        """Return the column of a role, or raise with the nearest name."""
        name = getattr(self.names, role)
        if name in self.table.column_names:
            return self.table[name]
        known = ", ".join(self.table.column_names[:20])
        used = {getattr(self.names, other.name) for other in fields(self.names)}
        free = [column for column in self.table.column_names if column not in used]
        message = f"{self.name}: no column {name!r}{nearest(name, free)}; its columns: {known}"
        raise FieldError(f"{message}; name yours with {self.names.field(role)}", self.names.field(role))

    def filled(self, role: str, column: pa.ChunkedArray | pa.Array) -> pa.Array:
        """Return a column in one piece, or raise for the first item that has no value."""
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if whole.null_count:
            row = int(np.argmax(pc.is_null(whole).to_numpy(zero_copy_only=False)))
            raise FieldError(f"{self.at(role, row)}: no value (null or NaN)", self.names.field(role))
        return whole

    def at(self, role: str, row: int) -> str:
        """Name a place in the file: column and item."""
        item = self.table[self.names.item_id][row].as_py() if self.names.item_id in self.table.column_names else None
        place = f"row {row + 1}" if role == "item_id" or item is None else f"item {item!r}"
        return f"{self.name}: column {getattr(self.names, role)!r}, {place}"


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
