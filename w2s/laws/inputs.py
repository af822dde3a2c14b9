"""Inputs and targets from the columns of a file.

Inputs are numbers that the user named or meant, never the row numbers that a tool wrote along.

input      numbers, and true and false; every cell has one
odd        a column that would be an input but for some cells: one "?" among numbers, a missing value, numbers stored as text.
           To ask for it is an error, for to leave it out would change the result without a word
left out   index columns (without a name, ``Unnamed: 0``, ``__index_level_0__``, what pandas marks as its index, ``index`` or
           ``level_0`` where they count the rows), text, dates, lists
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.errors import FieldError
from w2s.files.columns import CellError, Column, column_of
from w2s.files.tablefile import named_errors, read_table_file

__all__ = ["Inputs", "choose_inputs", "choose_targets", "read_columns", "table_of_arrays"]

Matrix = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_INDEX = re.compile(r"Unnamed: \d+(\.\d+)?|__index_level_\d+__")
_COUNTERS = ("index", "level_0")
"""What ``DataFrame.reset_index`` calls its column."""
_TEXTS = ("text", "smiles")
"""Columns that feature maps read as text, whatever stands there."""
_DECIMAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_FEW = 20
"""Rows from which on numbers in order are taken for row numbers."""


@dataclass(frozen=True)
class Inputs:
    """Inputs (rows, p) with their names, and the other columns: see :class:`w2s.laws.table.Table`."""

    matrix: Matrix
    columns: tuple[str, ...]
    others: Mapping[str, Any]


@dataclass
class _Sorted:
    inputs: dict[str, Matrix] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    words: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


def table_of_arrays(columns: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    """Make a table of columns that are in memory."""
    return pa.table(dict(columns))


def read_columns(name: str, path: Path) -> pa.Table:
    """Read the columns of a table file or an npz file; raise :class:`FieldError` for one that cannot be read."""
    if path.suffix == ".npz":
        with named_errors(name):
            return _read_npz(path)
    return read_table_file(name, path, also=(".npz",))


def _read_npz(path: Path) -> pa.Table:
    with path.open("rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise ValueError("it is one array, not an npz archive")
        if "x" not in stored or "y" not in stored:
            raise ValueError(f"needs arrays 'x' and 'y', it holds {', '.join(stored.files) or 'nothing'}")
        inputs, target = stored["x"], stored["y"]
    if inputs.ndim != 2 or target.ndim != 1 or len(inputs) != len(target):
        raise ValueError(f"'x' must be (rows, columns) and 'y' (rows,), not {inputs.shape} and {target.shape}")
    if inputs.dtype.kind not in "biuf" or target.dtype.kind not in "biufU":
        raise ValueError(f"'x' must hold numbers and 'y' numbers or text, not {inputs.dtype} and {target.dtype}")
    columns = {f"x{k}": np.asarray(inputs[:, k], dtype=np.float64) for k in range(inputs.shape[1])}
    return pa.table(columns | {"y": target.tolist() if target.dtype.kind == "U" else target})


def choose_inputs(name: str, table: pa.Table, target: str) -> Inputs:
    """Sort the columns of a table other than the target; ``name`` is the file's, for messages."""
    found, index = _Sorted(), _pandas_index(table)
    for column in (column_of(table, column) for column in table.column_names if column != target):
        if reason := _index_reason(column, index):
            found.left_out[column.name] = reason
        elif column.is_number:
            _add_numbers(found, name, column)
        elif column.is_text:
            _add_text(found, name, column)
        else:
            _add_other(found, column)
    matrix = np.column_stack([*found.inputs.values()]) if found.inputs else np.empty((table.num_rows, 0))
    counters = tuple(column for column, values in found.inputs.items() if _counts_rows(values))
    others = {"words": found.words, "odd": found.odd, "left_out": found.left_out, "counters": counters}
    return Inputs(np.ascontiguousarray(matrix), tuple(found.inputs), others)


def choose_targets(name: str, table: pa.Table, target: str, task: str) -> tuple[Matrix, Index | None, tuple[str, ...]]:
    """Read a column as targets (rows, k), with class indices (rows,) and classes where the task is a classification."""
    column = column_of(table, target)
    where = f"{name}: the target {column.name!r}"
    if task == "regression":
        return _numbers(name, where, column)[:, None], None, ()
    try:
        names = column.names()
    except CellError as error:
        place = "" if error.row is None else f", row {error.row + 1}"
        raise FieldError(f"{where}{place}: {error}") from None
    _refuse(f"{name}: column {column.name!r}", np.asarray(names.is_null()), "missing labels")
    classes, codes = _numbered(names)
    if len(classes) < 2:
        raise FieldError(f"{where} has one class only ({classes[0]}); a classification needs two")
    if _fractions(classes):
        raise FieldError(f"{where} is not whole numbers or words; set task: regression")
    if len(classes) > 1000:
        raise FieldError(f"{where} has {len(classes)} classes; is this a regression?")
    return np.eye(len(classes))[codes], codes, classes


def _numbers(name: str, where: str, column: Column) -> Matrix:
    if column.is_text and not column.like_numbers().any():
        raise FieldError(f"{where} is text; set task: classification")
    try:
        values = column.numbers()
    except CellError as error:
        place = "" if error.row is None else f", row {error.row + 1}"
        raise FieldError(f"{where}{place}: {error}") from None
    _refuse(f"{name}: column {column.name!r}", ~np.isfinite(values), "missing or non-finite values")
    return values


def _numbered(names: pa.Array) -> tuple[tuple[str, ...], Index]:
    """Return the classes in order, as numbers where all of them are, and the class of every row."""
    coded = names.dictionary_encode()
    found = coded.dictionary.to_pylist()
    numeric = all(_number(name) is not None for name in found)
    order = sorted(range(len(found)), key=lambda k: (_number(found[k]) or 0.0 if numeric else 0.0, found[k]))
    places = np.empty(len(found), dtype=np.int64)
    places[order] = np.arange(len(found))
    return tuple(found[k] for k in order), places[coded.indices.to_numpy()]


def _number(name: str) -> float | None:
    """Return the number that a name is; None for words, and for nan and inf."""
    value = float(name) if _DECIMAL.fullmatch(name) else math.inf
    return value if math.isfinite(value) else None


def _fractions(classes: tuple[str, ...]) -> bool:
    """Tell whether all classes are numbers, and one of them is not whole."""
    values = [_number(name) for name in classes]
    return None not in values and not all(value.is_integer() for value in values if value is not None)


def _refuse(where: str, bad: Mask, what: str) -> None:
    """Raise :class:`FieldError` with the first rows that are bad, if any is."""
    if bad.any():
        raise FieldError(_rows_said(where, bad, what))


def _rows_said(where: str, bad: Mask, what: str) -> str:
    rows = np.flatnonzero(bad)
    shown = ", ".join(str(row + 1) for row in rows[:5])
    return f"{where} has {rows.size} {what} (rows {shown}{', ...' if rows.size > 5 else ''})"


def _pandas_index(table: pa.Table) -> set[str]:
    """List the columns that pandas wrote as the index of its frame."""
    marked = (table.schema.pandas_metadata or {}).get("index_columns", [])
    return {name.strip() for name in marked if isinstance(name, str)}


def _index_reason(column: Column, index: set[str]) -> str:
    if not column.name:
        return "an index column, it has no name"
    if column.name in index:
        return "an index column of pandas"
    if _INDEX.fullmatch(column.name):
        return "an index column, by its name"
    counts = column.name in _COUNTERS and column.is_number | column.untyped
    return "an index column, it counts the rows" if counts and _counts_rows(_numbers_or_none(column)) else ""


def _numbers_or_none(column: Column) -> Matrix:
    try:
        return column.numbers()
    except CellError:
        return np.empty(0)


def _counts_rows(values: Matrix) -> bool:
    return len(values) >= _FEW and bool((np.diff(values) == 1).all())


def _add_numbers(found: _Sorted, name: str, column: Column) -> None:
    values = column.numbers()
    bad = ~np.isfinite(values)
    if bad.any():
        found.odd[column.name] = _rows_said(f"{name}: column {column.name!r}", bad, "missing or non-finite values")
    else:
        found.inputs[column.name] = values


def _add_text(found: _Sorted, name: str, column: Column) -> None:
    """Take text for numbers where every cell is one and the file has no types; else for words, odd ones if some are numbers."""
    if column.name not in _TEXTS:
        try:
            if column.untyped:
                _add_numbers(found, name, column)
                return
            problem, row = "the file stores it as text", int(column.like_numbers().argmax())
        except CellError as error:
            problem, row = str(error), error.row or 0
        like = int(column.like_numbers().sum())
        if like:
            where = f"{name}: column {column.name!r}, row {row + 1}"
            found.odd[column.name] = f"{where}: {problem}, but {like} of {len(column.cells)} cells look like numbers"
    found.words[column.name] = column.texts().to_numpy(zero_copy_only=False)
    found.left_out.setdefault(column.name, "text")


def _add_other(found: _Sorted, column: Column) -> None:
    try:
        found.words[column.name] = column.names().to_numpy(zero_copy_only=False)
        found.left_out[column.name] = f"{column.holds}, no numbers"
    except CellError as error:
        found.left_out[column.name] = str(error).replace("not names", "no numbers")
