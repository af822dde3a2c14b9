"""What studies on text tasks share: the fields that name items, the calls that draw them, rows to columns."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Call
from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.errors import FieldError
from w2s.files.tablefile import read_table_file
from w2s.finetune.data.formatters import Formatter
from w2s.finetune.data.items import PARTS, Columns, draw_items, items
from w2s.finetune.data.tasks import MissingColumnError, TaskData, formatter_of
from w2s.studies.fields import asked_levels

__all__ = [
    "TASK_FIELDS",
    "TaskCell",
    "about",
    "check_draws",
    "class_count",
    "columns_of",
    "drawn",
    "formatter_for",
    "has_pairs",
    "stacked",
    "task_lines",
    "whole_task",
]

_NAMES = ("text", "label", "pair", "group")
TASK_FIELDS = ("task", *(f"{name}_column" for name in _NAMES))
"""Fields that say which items there are to draw from."""
_LOOKED_AT = 200_000  # items of the draws that one check tries: some ten seconds


class TaskCell(Cell):
    """A text task and how many of its items have which part."""

    task: TaskData = field(description="a known task, a CSV, JSONL or Parquet file of your own, or hub:NAME@REVISION")
    text_column: str = field("text", description="in a file of your own: the text")
    pair_column: str | None = field(None, description="in a file of your own: a second text")
    label_column: str = field("label", description="in a file of your own: the class")
    group_column: str | None = field(None, description="in a file of your own: rows with one value stay in one part")
    n_labeled: int = field(1000, description="items with true labels, for the weak model", unit="items", ge=2)
    n_transfer: int = field(1000, description="items that the weak model labels", unit="items", ge=2)
    n_test: int = field(
        0, description="test items; 0: all of the test part, or a quarter of a file of your own", unit="items", ge=0
    )
    balance: bool = field(True, description="the same number of items of each class in every part")


def columns_of(cell: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the column names of a user's file, as the items' calls take them."""
    return {name: cell[f"{name}_column"] for name in _NAMES}


def drawn(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the calls ``items`` and ``truth`` of a cell."""
    return {
        "task": cell["task"],
        "columns": columns_of(cell),
        "sizes": _sizes(cell),
        "balance": cell["balance"],
        "seed": cell["seed"],
        **({} if cell.get("shift") is None else {"shift": cell["shift"]}),
    }


def whole_task(cell: Mapping[str, Any]) -> Call:
    """Return the call for all items of a cell's task, whatever the seed: what an encoder has to see once.

    A user's file without test part gives its test items from the same rows.
    """
    test = None if cell["task"].has_test_part else 0
    sizes = {"labeled": None, "transfer": 0, "validation": 0, "test": test}
    return items(task=cell["task"], columns=columns_of(cell), sizes=sizes, balance=False, seed=0)


@contextlib.contextmanager
def about(name: str) -> Iterator[None]:
    """Add the name of this field to every :class:`FieldError` that names no other, and to its message."""
    try:
        yield
    except FieldError as error:
        field, said = error.field or name, str(error)
        raise FieldError(said if field in said else f"{field}: {said}", field) from None


def check_draws(block: Block) -> None:
    """Raise :class:`w2s.errors.FieldError` for parts that a task has too few items for.

    Where groups could use up a task, what is left for the next part depends on the seed. Other seeds are then tried too, as
    many as a bounded number of items allows.
    """
    names = (*(name for name in TaskCell.model_fields if name != "seed"), "n_validation", "shift")
    levels = block.group(*(name for name in names if name in block.names)).levels
    first, *others = block.values("seed")
    for level in levels:
        _try_draw(level, first)
        pool, shifted = _pool(*_source(level)), level.get("shift") is not None
        if others and (shifted or not pool.suffices(level)):
            for seed in others[: _LOOKED_AT // (pool.items * len(levels))]:
                _try_draw(level, seed)


def task_lines(block: Block) -> list[str]:
    """Say of every task what its classes are, how many rows no part can have and why, and which columns are not used."""
    return [_task_line(*_source(level)) for level in asked_levels(block, *TASK_FIELDS)]


def class_count(cell: Mapping[str, Any]) -> int:
    """Count the classes: the formatter's, or the distinct labels of a user's file."""
    return _class_count(*_source(cell))


def has_pairs(cell: Mapping[str, Any]) -> bool:
    """Tell whether the items of a cell's task are pairs of replies to a prompt."""
    return formatter_for(cell).pairs


def formatter_for(cell: Mapping[str, Any]) -> Formatter:
    """Return the formatter that reads a cell's task."""
    return formatter_of(cell["task"], **columns_of(cell))  # type: ignore[arg-type]


def stacked(rows: Sequence[Mapping[str, Any] | None], block: Block) -> dict[str, npt.NDArray[Any]]:
    """Stack columns in the block's shape from one mapping per cell, in cell order; None for a cell that is not wanted.

    A column without any value is left out.
    """
    names = dict.fromkeys(name for row in rows if row for name, value in row.items() if value is not None)
    return {name: _column([row.get(name) if row else None for row in rows]).reshape(block.shape) for name in names}


class _Pool(NamedTuple):
    """What a task has outside a test file of its own: items, those of the rarest class, and sizes of groups, largest first."""

    items: int
    rarest: int
    groups: list[int]

    @property
    def grouped(self) -> bool:
        """Whether a group has more than one item."""
        return max(self.groups, default=1) > 1

    def suffices(self, level: Mapping[str, Any]) -> bool:
        """Tell whether every seed finds its items if one does: no groups, or so many that the largest ones use up no class."""
        if not self.grouped:
            return True
        sizes = _sizes(level)
        if level["task"].has_test_part:
            sizes["test"] = 0
        elif sizes["test"] is None:
            sizes["test"] = self.items // 4
        asked = sum(size or 0 for size in sizes.values())
        return asked <= len(self.groups) and sum(self.groups[:asked]) <= (self.rarest if level["balance"] else self.items)


@functools.lru_cache(maxsize=64)
def _pool(task: TaskData, columns: tuple[tuple[str, str | None], ...]) -> _Pool:
    sizes = {"labeled": None, "transfer": 0, "validation": 0, "test": 0}
    parts, classes, _ = draw_items(task, Columns(**dict(columns)), sizes, balance=False, seed=0)  # type: ignore[arg-type]
    examples = [item.example for item in parts["labeled"]]
    labels = Counter(example.label for example in examples)
    groups = sorted(Counter(example.group for example in examples).values(), reverse=True)
    return _Pool(len(examples), min(labels[k] for k in range(len(classes))), groups)


def _try_draw(level: Mapping[str, Any], seed: int) -> None:
    with about("task"):
        try:
            given = drawn({**level, "seed": seed})
            _draw_once(*(tuple(value.items()) if isinstance(value, dict) else value for value in given.values()))
        except MissingColumnError as error:
            fields = [f"{role}_column" for role, name in columns_of(level).items() if name == error.column]
            written = [name for name in fields if TaskCell.model_fields[name].default != error.column]
            raise FieldError(str(error), *written[:1]) from None
        except FieldError as error:
            note = f" (seed {seed}; items of one group stay together, in one part)" if _pool(*_source(level)).grouped else ""
            raise FieldError(f"{error}{note}", error.field) from None


@functools.lru_cache(maxsize=256)
def _draw_once(
    task: TaskData,
    columns: tuple[tuple[str, str | None], ...],
    sizes: tuple[tuple[str, int | None], ...],
    balance: bool,
    seed: int,
    shift: str = "none",
) -> None:
    """Draw items, unless sub-grids before have drawn the same: for the error that says what there is too little of."""
    draw_items(task, Columns(**dict(columns)), dict(sizes), balance=balance, seed=seed, shift=shift)  # type: ignore[arg-type]


def _source(cell: Mapping[str, Any]) -> tuple[TaskData, tuple[tuple[str, str | None], ...]]:
    return cell["task"], tuple(columns_of(cell).items())


@functools.lru_cache(maxsize=64)
def _task_line(task: TaskData, columns: tuple[tuple[str, str | None], ...]) -> str:
    named = dict(columns)
    _, classes, counts = draw_items(task, Columns(**named), dict.fromkeys(PARTS, 0), balance=False, seed=0)  # type: ignore[arg-type]
    line = f"task {task.name}: {counts['available']:,} items, {len(classes)} classes: {', '.join(map(repr, classes))}"
    if task.has_test_part and formatter_of(task, "", "", None, None).prompts:
        line = f"task {task.name}: {counts['available']:,} prompts, whose answers are checked"
    if dropped := ", ".join(f"{count} {reason}" for reason, count in counts["dropped"].items() if count):
        line += f"; rows left out: {dropped}"
    if task.has_test_part:
        return line
    unused = [name for name in read_table_file(task.name, task.path).column_names if name not in named.values()]
    used = ", ".join(f"{role} {name!r}" for role, name in named.items() if name is not None)
    return f"{line}; columns: {used}" + (f"; not used: {', '.join(map(repr, unused))}" if unused else "")


@functools.lru_cache(maxsize=256)
def _class_count(task: TaskData, columns: tuple[tuple[str, str | None], ...]) -> int:
    if task.has_test_part:
        return len(formatter_of(task, "", "", None, None).classes)
    return len(draw_items(task, Columns(**dict(columns)), dict.fromkeys(PARTS, 0), balance=False, seed=0)[1])  # type: ignore[arg-type]


def _sizes(cell: Mapping[str, Any]) -> dict[str, int | None]:
    parts = {part: cell.get(f"n_{part}", 0) for part in ("labeled", "transfer", "validation")}
    return parts | {"test": cell["n_test"] or None}


def _column(values: list[Any]) -> npt.NDArray[Any]:
    if any(isinstance(value, str) for value in values):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
