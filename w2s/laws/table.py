"""Real data from a file: a table of inputs with a target, and the rows that each role of a cell uses."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.errors import FieldError, nearest
from w2s.files.columns import CellError, Column, column_of
from w2s.files.datafile import DataFile, content_sha256
from w2s.files.tablefile import named_errors, read_table_file
from w2s.finetune.models.folder import ModelSet
from w2s.laws.inputs import Inputs, choose_inputs, refused_rows
from w2s_kernels import Backend, streams

__all__ = ["Rows", "Table", "load_table", "split_rows"]

Matrix = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

_PARTS = ("train", "valid", "test")
_DECIMAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Table:
    """Inputs (rows, p), targets (rows, k) and what else a file holds.

    For classification the targets are one-hot and ``labels`` holds the class indices; for regression ``labels`` is None.
    ``words`` are the text columns (a SMILES string, a published split), by name, None where a cell is empty. ``odd`` columns
    would be inputs but for some cells, those ``left_out`` are none: both say why. ``counters`` are inputs that count the rows.
    ``encoders`` are models that may read the texts, besides those whose names mean the same everywhere.
    """

    name: str
    sha256: str
    inputs: Matrix
    columns: tuple[str, ...]
    targets: Matrix
    labels: Index | None
    classes: tuple[str, ...]
    words: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    counters: tuple[str, ...] = ()
    encoders: ModelSet | None = None

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Rows:
    """Row numbers of the four disjoint samples of a cell."""

    labeled: Index
    transfer: Index
    validation: Index
    test: Index


def load_table(file: DataFile, target: str | None, task: str, encoders: ModelSet | None = None) -> Table:
    """Read a table file, an npz file or the built-in ``digits``; cached per content, target, task.

    Numeric columns other than the target are inputs, in file order, but for index columns (:mod:`w2s.laws.inputs`). Table files
    are those of :mod:`w2s.files.tablefile`; an npz file holds ``x`` (rows, p) and ``y`` (rows,). Classes are names as written.
    Raises :class:`w2s.errors.FieldError` for a file that cannot be read, a missing target, targets that are missing or not
    finite, or a classification with one class. Columns that nothing asks for may hold anything.
    """
    table = _load(file.name, str(file.path), file.sha256, target, task)
    return table if encoders is None else replace(table, encoders=encoders)


@functools.lru_cache(maxsize=16)
def _load(name: str, path: str, sha256: str, target: str | None, task: str) -> Table:
    if name == "digits" and target in (None, "digit") and task == "classification":
        return _digit_classes(path, sha256)
    table = _digits(path) if name == "digits" else _read(name, Path(path))
    if content_sha256(Path(path)) != sha256:
        raise FieldError(f"{name}: the file at {path} changed since the grid was read; launch again")
    chosen = target if target is not None else ("digit" if name == "digits" else "y")
    if chosen not in table.column_names:
        known = ", ".join(table.column_names[:20])
        raise FieldError(
            f"{name}: no column {chosen!r}{nearest(chosen, table.column_names)}; name one of its columns with target: {known}"
        )
    found: Inputs = choose_inputs(name, table, chosen)
    targets, labels, classes = _targets(name, column_of(table, chosen), task)
    return Table(name, sha256, found.matrix, found.columns, targets, labels, classes, **found.others)


def _digit_classes(path: str, sha256: str) -> Table:
    """Make the table of the digits and their classes, as from a file with these columns, without Arrow.

    A plan of the grid that everybody begins with looks at it, and Arrow would import pandas for it.
    """
    pixels, digits = _pixels(path)
    columns, classes = tuple(f"pixel_{k}" for k in range(64)), tuple(str(digit) for digit in range(10))
    return Table("digits", sha256, np.ascontiguousarray(pixels), columns, np.eye(10)[digits], digits, classes)


def _pixels(path: str) -> tuple[Matrix, Index]:
    """Read the 1797 hand-written digits that scikit-learn carries: 64 pixels, centred over all images and divided by 16."""
    raw = np.loadtxt(path, delimiter=",")
    return (raw[:, :64] - raw[:, :64].mean(axis=0)) / 16, raw[:, 64].astype(np.int64)


def _digits(path: str) -> pa.Table:
    pixels, digits = _pixels(path)
    return pa.table({f"pixel_{k}": pixels[:, k] for k in range(64)} | {"digit": digits})


def _read(name: str, path: Path) -> pa.Table:
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


def _targets(name: str, column: Column, task: str) -> tuple[Matrix, Index | None, tuple[str, ...]]:
    where = f"{name}: the target {column.name!r}"
    if task == "regression":
        return _numbers(name, where, column)[:, None], None, ()
    try:
        names = column.names()
    except CellError as error:
        place = "" if error.row is None else f", row {error.row + 1}"
        raise FieldError(f"{where}{place}: {error}") from None
    refused_rows(f"{name}: column {column.name!r}", np.asarray(names.is_null()), "missing labels")
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
    refused_rows(f"{name}: column {column.name!r}", ~np.isfinite(values), "missing or non-finite values")
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


def split_rows(
    table: Table,
    *,
    seed: int,
    n_labeled: int,
    n_transfer: int,
    n_validation: int,
    n_test: int,
    split: str | None,
    backend: Backend,
) -> Rows:
    """Choose the rows of each role.

    All rows (or, with a published ``split`` column, its ``train`` rows) are shuffled by seed. Labelled rows are taken from the
    front; test, validation and transfer rows from the back, in this order. So each sample is nested in its size, and does
    not depend on the sizes that other cells of a grid have. With ``split``, test and validation rows are the published ones.
    Raises :class:`FieldError` when there are too few rows.
    """
    pool, validation, test = np.arange(len(table)), None, None
    if split is not None:
        parts = _published(table, split)
        pool, validation, test = parts["train"], parts["valid"], parts["test"]
    wanted = {"n_labeled": n_labeled, "n_transfer": n_transfer}
    if split is None:
        wanted |= {"n_validation": n_validation, "n_test": n_test}
    needed = sum(wanted.values())
    if needed > len(pool):
        parts = " + ".join(f"{name} {count:,}" for name, count in wanted.items() if count)
        raise FieldError(f"{table.name}: {parts} = {needed:,} rows, but there are {len(pool):,} to take them from")
    order = pool[backend.to_numpy(streams.permutation(streams.stream("rows", seed=seed), len(pool), backend))]
    back = order[::-1]
    if validation is None or test is None:
        test, validation, back = back[:n_test], back[n_test : n_test + n_validation], back[n_test + n_validation :]
    return Rows(order[:n_labeled], back[:n_transfer], validation, test)


def _published(table: Table, split: str) -> dict[str, Index]:
    if split not in table.words:
        raise FieldError(f"{table.name}: no text column {split!r}{nearest(split, table.words)} with train, valid and test")
    names = np.array([(word or "").strip() for word in table.words[split]], dtype=str)
    if (strange := (names != "") & ~np.isin(names, _PARTS)).any():
        row = int(strange.argmax())
        raise FieldError(
            f"{table.name}: column {split!r}, row {row + 1}: {str(names[row])!r} is no part{nearest(names[row], _PARTS)}; "
            f"known: {', '.join(_PARTS)}, or an empty cell for a row of none"
        )
    parts = {part: np.flatnonzero(names == part) for part in _PARTS}
    if not len(parts["train"]) or not len(parts["test"]):
        raise FieldError(f"{table.name}: the column {split!r} names no train or no test rows")
    return parts
