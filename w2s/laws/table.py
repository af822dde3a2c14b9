"""Real data from a file: a table of inputs with a target, and the rows that each role of a cell uses."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.errors import FieldError, nearest
from w2s.files.datafile import DataFile, content_sha256
from w2s.files.tablefile import named_errors, read_table_file
from w2s_kernels import Backend, streams

__all__ = ["Rows", "Table", "load_table", "split_rows"]

Matrix = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Inputs (rows, p), targets (rows, k) and what else a file holds.

    For classification the targets are one-hot and ``labels`` holds the class indices; for regression ``labels`` is None.
    ``words`` are the text columns (a SMILES string, a published split), by name.
    """

    name: str
    sha256: str
    inputs: Matrix
    columns: tuple[str, ...]
    targets: Matrix
    labels: Index | None
    classes: tuple[str, ...]
    words: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Rows:
    """Row numbers of the four disjoint samples of a cell."""

    labeled: Index
    transfer: Index
    validation: Index
    test: Index


def load_table(file: DataFile, target: str | None, task: str) -> Table:
    """Read a table file, an npz file or the built-in ``digits``; cached per content, target, task.

    Numeric columns other than the target are inputs, in file order. Table files are those of :mod:`w2s.files.tablefile`; an npz
    file holds ``x`` (rows, p) and ``y`` (rows,).
    Raises :class:`w2s.errors.FieldError` for a file that cannot be read, a missing target, values that are not finite,
    or a classification with one class.
    """
    return _load(file.name, str(file.path), file.sha256, target, task)


@functools.lru_cache(maxsize=16)
def _load(name: str, path: str, sha256: str, target: str | None, task: str) -> Table:
    columns = _digits(path) if name == "digits" else _read(name, Path(path))
    if content_sha256(Path(path)) != sha256:
        raise FieldError(f"{name}: the file at {path} changed since the grid was read; launch again")
    chosen = target if target is not None else ("digit" if name == "digits" else "y")
    if chosen not in columns:
        known = ", ".join(list(columns)[:20])
        raise FieldError(
            f"{name}: no column {chosen!r}{nearest(chosen, columns)}; name one of its columns with target: {known}"
        )
    values = columns.pop(chosen)
    words = {key: column for key, column in columns.items() if column.dtype.kind in "OU"}
    inputs = {key: column for key, column in columns.items() if key not in words}
    matrix = np.column_stack([_finite(name, k, v) for k, v in inputs.items()]) if inputs else np.empty((len(values), 0))
    targets, labels, classes = _targets(name, chosen, values, task)
    return Table(name, sha256, np.ascontiguousarray(matrix), tuple(inputs), targets, labels, classes, words)


def _digits(path: str) -> dict[str, npt.NDArray[Any]]:
    """Read the 1797 hand-written digits that scikit-learn carries: 64 pixels, centred over all images and divided by 16."""
    raw = np.loadtxt(path, delimiter=",")
    pixels = (raw[:, :64] - raw[:, :64].mean(axis=0)) / 16
    return {f"pixel_{k}": pixels[:, k] for k in range(64)} | {"digit": raw[:, 64].astype(np.int64)}


def _read(name: str, path: Path) -> dict[str, npt.NDArray[Any]]:
    if path.suffix == ".npz":
        with named_errors(name):
            return _read_npz(path)
    table = read_table_file(name, path, also=(".npz",))
    return {column: _to_numpy(name, column, table[column]) for column in table.column_names}


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
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
    return {f"x{k}": inputs[:, k] for k in range(inputs.shape[1])} | {"y": target}


def _to_numpy(name: str, column: str, values: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Whole numbers as they are, other numbers as float64 with NaN for nulls, all else as text."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if whole and values.null_count == 0:
        target = pa.int64() if pa.types.is_boolean(kind) else kind
    elif whole or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        target = pa.float64()
    else:
        target = pa.string()
    try:
        array: npt.NDArray[Any] = values.cast(target).to_numpy()
    except pa.ArrowException:
        raise FieldError(f"{name}: column {column!r} holds {kind}; known: numbers, true or false, text") from None
    return array


def _finite(name: str, column: str, values: npt.NDArray[Any]) -> Matrix:
    numbers = np.asarray(values, dtype=np.float64)
    _refuse(name, column, ~np.isfinite(numbers), "missing or non-finite values")
    return numbers


def _refuse(name: str, column: str, bad: npt.NDArray[np.bool_], what: str) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        shown = ", ".join(str(row + 1) for row in rows[:5])
        more = ", ..." if rows.size > 5 else ""
        raise FieldError(f"{name}: column {column!r} has {rows.size} {what} (rows {shown}{more})")


def _targets(name: str, column: str, values: npt.NDArray[Any], task: str) -> tuple[Matrix, Index | None, tuple[str, ...]]:
    if task == "regression":
        if values.dtype.kind in "OU":
            raise FieldError(f"{name}: the target {column!r} is text; set task: classification")
        return _finite(name, column, values)[:, None], None, ()
    if values.dtype.kind in "OU":
        _refuse(name, column, np.array([word is None or word == "" for word in values]), "missing labels")
    if values.dtype.kind == "f":
        values = _finite(name, column, values)
        if not (values == np.round(values)).all():
            raise FieldError(f"{name}: the target {column!r} is not whole numbers or words; set task: regression")
    classes, labels = np.unique(values.astype(str) if values.dtype.kind == "O" else values, return_inverse=True)
    if len(classes) < 2:
        raise FieldError(f"{name}: the target {column!r} has one class only ({classes[0]}); a classification needs two")
    if len(classes) > 1000:
        raise FieldError(f"{name}: the target {column!r} has {len(classes)} classes; is this a regression?")
    return np.eye(len(classes))[labels], labels.astype(np.int64), tuple(map(str, classes))


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
    needed = n_labeled + n_transfer + (0 if split is not None else n_validation + n_test)
    if needed > len(pool):
        what = "n_labeled + n_transfer" if split is not None else "n_labeled + n_transfer + n_validation + n_test"
        raise FieldError(f"{table.name}: {what} = {needed}, but there are {len(pool)} rows to take them from")
    order = pool[backend.to_numpy(streams.permutation(streams.stream("rows", seed=seed), len(pool), backend))]
    back = order[::-1]
    if validation is None or test is None:
        test, validation, back = back[:n_test], back[n_test : n_test + n_validation], back[n_test + n_validation :]
    return Rows(order[:n_labeled], back[:n_transfer], validation, test)


def _published(table: Table, split: str) -> dict[str, Index]:
    if split not in table.words:
        raise FieldError(f"{table.name}: no text column {split!r}{nearest(split, table.words)} with train, valid and test")
    names = np.asarray(table.words[split], dtype=str)
    parts = {part: np.flatnonzero(names == part) for part in ("train", "valid", "test")}
    if not len(parts["train"]) or not len(parts["test"]):
        raise FieldError(f"{table.name}: the column {split!r} names no train or no test rows")
    return parts
