"""What a small file means, by rules written without the package: for tests that compare what the package reads.

A *content* is what a file says: columns of cells, each as text. :func:`meaning_of` says what that means, or None where it means
nothing and must be refused; :func:`reread` reads bytes by Python's own modules.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Cells = dict[str, list[str]]
Numbers = dict[str, float]

ROLES = ("item_id", "truth", "weak", "student", "ceiling")
INDEX_NAMES = ("", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__", " ")
MISSING = {"", "NA", "N/A", "n/a", "#NA", "#N/A", "NULL", "null", "None", "<NA>", "nan", "NaN", "-nan", "-NaN"}


@dataclass(frozen=True)
class Content:
    """What a file is to say: columns of cells in order. ``index`` are columns that a Parquet file marks as pandas' index."""

    kind: str
    cells: Cells
    twice: str | None = None
    index: tuple[str, ...] = ()
    done: tuple[str, ...] = ()

    def with_column(self, name: str, cells: list[str], done: str) -> Content:
        return replace(self, cells=self.cells | {name: cells}, done=(*self.done, done))


def meaning_of(content: Content, numbers_are_text: frozenset[str] = frozenset()) -> Any:
    """Return the meaning of a content by plain rules, None where it has none.

    The meaning of predictions is numbers, that of a task a mapping of texts to classes, that of a table its inputs and target.
    ``numbers_are_text`` are columns that the file stores as text with a type, so that they are no inputs of a table.
    """
    cells = {name.strip(): column for name, column in content.cells.items()}
    if content.twice is not None or len(cells) < len(content.cells):
        return None
    if content.kind == "task":
        return _task_meaning(cells)
    if content.kind in ("table", "labelled"):
        return _table_meaning(content, cells, numbers_are_text)
    return _prediction_meaning(content.kind, cells)


def _prediction_meaning(kind: str, cells: Cells) -> Numbers | None:
    if any(role not in cells for role in ROLES if role != "ceiling") or any(
        n not in ROLES and n.lower() in ("seed", "group", "strong", "ceiling") for n in cells
    ):
        return None
    ids = [name.strip() for name in cells["item_id"]]
    if "" in ids or len(set(ids)) < len(ids):
        return None
    if kind == "class":
        return _class_numbers({role: [cell.strip() for cell in cells[role]] for role in ROLES[1:] if role in cells})
    numbers = {role: [_float(cell) for cell in cells[role]] for role in ROLES[1:] if role in cells}
    if kind == "probability" and (found := _booleans(cells["truth"])):
        numbers["truth"] = found
    if any(value is None or not math.isfinite(value) for column in numbers.values() for value in column):
        return None
    return (_probability_numbers if kind == "probability" else _value_numbers)(numbers)  # type: ignore[arg-type]


def _class_numbers(names: Cells) -> Numbers | None:
    truth = names["truth"]
    known = {_spelling(name): name for name in truth}
    for column in names.values():
        if "" in column or not set(column) & set(truth):
            return None
        if any(name not in truth and _spelling(name) in known for name in column):
            return None
    if len(set(truth) | set(names["weak"]) | set(names["student"]) | set(names.get("ceiling", ()))) < 2:
        return None
    wrong = {role: np.mean([a != b for a, b in zip(names[role], truth, strict=True)]) for role in ROLES[2:] if role in names}
    apart = np.mean([a != b for a, b in zip(names["weak"], names["student"], strict=True)])
    return _errors(wrong) | {"misfit": float(apart)}


def _probability_numbers(numbers: Mapping[str, list[float]]) -> Numbers | None:
    truth = numbers["truth"]
    models = [numbers[role] for role in ROLES[2:] if role in numbers]
    if set(truth) - {0.0, 1.0} or any(not 0 <= p <= 1 for column in models for p in column):
        return None
    if all(p in (0.0, 1.0) for column in models for p in column):
        return None
    losses = {
        r: np.mean([-math.log(max(p if t else 1 - p, 1e-12)) for p, t in zip(numbers[r], truth, strict=True)])
        for r in ROLES[2:]
        if r in numbers
    }
    return _errors(losses)


def _value_numbers(numbers: Mapping[str, list[float]]) -> Numbers:
    truth = np.array(numbers["truth"])
    losses = {role: np.mean((np.array(numbers[role]) - truth) ** 2) for role in ROLES[2:] if role in numbers}
    return _errors(losses) | {"misfit": float(np.mean((np.array(numbers["weak"]) - np.array(numbers["student"])) ** 2))}


def _errors(losses: Mapping[str, Any]) -> Numbers:
    return {f"{role}_error": float(loss) for role, loss in losses.items()}


def _table_meaning(content: Content, cells: Cells, as_text: frozenset[str]) -> dict[str, Any] | None:
    if "y" not in cells:
        return None
    y = [cell.strip() for cell in cells["y"]]
    numbers = [_float(cell) for cell in y]
    columns: dict[str, Any] = {}
    for name, column in cells.items():
        if name != "y" and name not in content.index and name not in {index.strip() for index in INDEX_NAMES}:
            found = _input(column, name in as_text)
            if found is None:
                return None
            columns |= {name: found} if found else {}
    if not columns:
        return None
    if content.kind == "labelled":
        whole = all(v is not None and math.isfinite(v) for v in numbers) and any(v != round(v) for v in numbers)  # type: ignore[arg-type]
        if "" in y or len(set(y)) < 2 or whole:
            return None
        columns["y"] = [f"class {name}" for name in y]
    elif any(v is None or not math.isfinite(v) for v in numbers):
        found = _booleans(y)
        if not found:
            return None
        columns["y"] = found
    else:
        columns["y"] = numbers
    if len(y) < 36:  # fewer than the parts ask for
        return None
    return columns


def _input(column: list[str], as_text: bool) -> list[float] | None:
    """Numbers of an input, an empty list for a column of words, None for one that is neither."""
    there = [cell.strip() for cell in column]
    if found := _booleans(there):
        return None if as_text else found
    like = [
        _float(cell) is not None or re.fullmatch(_LIKE, cell) or cell.lower() in ("true", "false")
        for cell in there
        if cell not in MISSING
    ]
    if not any(like):
        return [] if like or as_text else None
    numbers = [_float(cell) for cell in there]
    if as_text or any(value is None or not math.isfinite(value) for value in numbers):
        return None
    return numbers  # type: ignore[return-value]


def _task_meaning(cells: Cells) -> dict[str, str] | None:
    if "text" not in cells or "label" not in cells:
        return None
    found: dict[str, str] = {}
    for text, label in zip(cells["text"], cells["label"], strict=True):
        if text.strip() and label.strip():
            found.setdefault(text, label.strip())
    return found if len(set(found.values())) > 1 else None


_DECIMAL = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|infinity)"
_LIKE = r"[$€£]?\s?[-+]?([0-9]{1,3}([,' ][0-9]{3})+|[0-9]+)([.,][0-9]*)?([eEdD][-+]?[0-9]+)?\s?%?"


def _float(cell: str) -> float | None:
    return float(cell) if re.fullmatch(_DECIMAL, cell.strip(), re.IGNORECASE) else None


def _booleans(cells: list[str]) -> list[float]:
    """1 and 0 of a column of true and false, else nothing."""
    lower = [cell.strip().lower() for cell in cells]
    return [float(cell == "true") for cell in lower] if set(lower) <= {"true", "false"} else []


def _spelling(name: str) -> str:
    plain = " ".join(unicodedata.normalize("NFKC", name).split())
    if re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?", plain):
        return repr(float(plain))
    return plain if len(plain) == 1 else plain.casefold()


# ---------------------------------------------------------------- bytes, read by Python's own modules


def reread(content: Content, name: str, data: bytes) -> Content | None:
    """Return what damaged bytes say now, by the readers of Python; None where they say nothing."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    cells = (_csv_cells if name.endswith(".csv") else _json_cells)(text)
    return None if cells is None else replace(content, cells=cells, twice=None)


def _csv_cells(text: str) -> Cells | None:
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return None
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows) or len(set(rows[0])) < len(rows[0]):
        return None
    return {name: [row[k] for row in rows[1:]] for k, name in enumerate(rows[0])}


def _json_cells(text: str) -> Cells | None:
    try:
        rows = [
            json.loads(line, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_pairs)
            for line in text.split("\n")
            if line.strip()
        ]
    except ValueError:
        return None
    if not rows or not all(isinstance(row, dict) for row in rows):
        return None
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_cell(row.get(name)) for row in rows] for name in names}


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
