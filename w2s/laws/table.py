"""Real data from a file: a table of inputs with a target, and the rows that each role of a cell uses."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError, nearest
from w2s.files.datafile import DataFile, content_sha256
from w2s.finetune.models.folder import ModelSet
from w2s_kernels import Backend, streams

__all__ = ["Rows", "Table", "load_table", "split_rows"]

Matrix = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

_PARTS = ("train", "valid", "test")


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
    from w2s.laws import inputs  # Arrow takes time to import, and the digits do without

    table = inputs.table_of_arrays(_pixel_columns(path)) if name == "digits" else inputs.read_columns(name, Path(path))
    if content_sha256(Path(path)) != sha256:
        raise FieldError(f"{name}: the file at {path} changed since the grid was read; launch again")
    chosen = target if target is not None else ("digit" if name == "digits" else "y")
    if chosen not in table.column_names:
        known = ", ".join(table.column_names[:20])
        from w2s.files.tablefile import other_separator

        if parted := other_separator(table.column_names):
            raise FieldError(f"{name}: {parted}")
        raise FieldError(
            f"{name}: no column {chosen!r}{nearest(chosen, table.column_names)}; name one of its columns with target: {known}"
        )
    found = inputs.choose_inputs(name, table, chosen)
    targets, labels, classes = inputs.choose_targets(name, table, chosen, task)
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


def _pixel_columns(path: str) -> dict[str, npt.NDArray[Any]]:
    pixels, digits = _pixels(path)
    return {f"pixel_{k}": pixels[:, k] for k in range(64)} | {"digit": digits}


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
        terms = " + ".join(f"{name} {count:,}" for name, count in wanted.items() if count)
        raise FieldError(f"{table.name}: {terms} = {needed:,} rows, but there are {len(pool):,} to take them from")
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
