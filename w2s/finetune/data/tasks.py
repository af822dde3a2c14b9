"""Tasks as cell values: a name that stands for files, or a file of one's own.

sst2                    data:sst2/train.jsonl.gz and test.jsonl.gz in a folder of W2S_DATA
sorted_digits           prompts that a law makes, without files
reviews.csv             CSV, JSON lines (gzip too), Parquet or Arrow beside the grid; the cell names its columns
hub:NAME@REVISION       a data set of the hub, with the formatter that knows its name
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from w2s.errors import FieldError, nearest
from w2s.files.columns import CellError, column_of
from w2s.files.datafile import Content, DataFileError, beside, content_sha256, data_folders
from w2s.files.hub import hub_commit, is_hub_name, split_hub_name
from w2s.files.paths import nearest_file
from w2s.files.tablefile import TABLE_ENDINGS, ending_hint, other_separator, read_table_file, read_typed_file
from w2s.finetune.data.formatters import BUILTIN, OWN_FILES, Formatter, columns_formatter, find_formatter, formatter_names
from w2s.user_files import code_of

__all__ = ["MissingColumnError", "TaskData", "check_of", "formatter_of", "read_rows"]

_SPLITS = ("train", "test")


class MissingColumnError(FieldError):
    """A task's file lacks a column that is asked for."""

    def __init__(self, task: str, column: str, columns: list[str]) -> None:
        known = other_separator(columns) or f"its columns: {', '.join(columns)}"
        near = "" if other_separator(columns) else nearest(column, columns)
        super().__init__(f"{task}: no column {column!r}{near}; {known}")
        self.column = column


class TaskData(Content):
    """The files of a task; equal content and formatter version mean an equal task."""

    kind: ClassVar[str] = "task or file"
    what: ClassVar[str] = "task (a known name, a CSV, JSONL or Parquet file beside the grid, or hub:NAME@REVISION)"

    @classmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Return the folder or file of a task, or the hub's name as a path."""
        if is_hub_name(name):
            _hub_formatter(name)
            return Path(name)
        if _is_made(name):
            return Path(name)
        if name.endswith(TABLE_ENDINGS):
            path = beside(name, base)
            if path.is_file():
                return path
            raise DataFileError(f"{name}: no such file {path}{nearest_file(path)}")
        there = os.path.isfile(base / name)  # noqa: PTH113 - Path.is_file raises for a name that is too long
        if name not in formatter_names() and (Path(name).suffix or there):
            raise DataFileError(f"{name}: {ending_hint(name)}")
        return _folder_of(name)

    @classmethod
    def digest(cls, name: str, path: Path) -> str:
        """Hash the files' content, or the hub's commit, with the formatter's name, version and, in another package, source."""
        if name.endswith(TABLE_ENDINGS):
            return hashlib.sha256(f"columns\n{OWN_FILES}\n{content_sha256(path)}".encode()).hexdigest()
        formatter = find_formatter(_hub_formatter(name) if is_hub_name(name) else name)
        own = [function for function in (formatter.read, formatter.score, formatter.grade) if function is not None]
        codes = [code for function in own if (code := code_of(function)) is not None]  # None for those of this package
        parts = [formatter.name, str(formatter.version), *codes]
        if not _is_made(name):
            parts += [hub_commit(name)] if is_hub_name(name) else [content_sha256(_split(path, s)) for s in _SPLITS]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @classmethod
    def keeps_name(cls, name: str) -> bool:
        """Tell whether the name means the same from any folder."""
        return not name.endswith(TABLE_ENDINGS)

    @property
    def has_test_part(self) -> bool:
        """Whether test rows come from a file of their own."""
        return not self.name.endswith(TABLE_ENDINGS)


def formatter_of(task: TaskData, text: str, label: str, pair: str | None, group: str | None) -> Formatter:
    """Return the formatter of a task; the column names are used for a user's file only."""
    if task.has_test_part:
        return find_formatter(_hub_formatter(task.name) if is_hub_name(task.name) else task.name)
    return columns_formatter(text, label, pair, group)


def check_of(task: TaskData, columns: Mapping[str, str | None]) -> Callable[[str, str], float]:
    """Return the check of a task of prompts: prompt and answer to a number in [0, 1].

    Raises :class:`FieldError` for a task without one, such as one whose right answers stand in its file.
    """
    score = formatter_of(task, **columns).score  # type: ignore[arg-type]
    if score is None:
        raise FieldError("it needs a task of prompts, whose answers a program checks", "task")
    return score


def read_rows(task: TaskData, split: str, formatter: Formatter) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``train`` or ``test`` of a task, in file order.

    Rows of a file of one's own are text as written. Raises :class:`FieldError` for a file that cannot be read, is empty, lacks
    a column the formatter needs, or holds something else there than text and names.
    """
    if formatter.made is not None:
        yield from formatter.made(split)
        return
    table = _read_hub(task.name, split, formatter) if is_hub_name(task.name) else _read(task, split)
    if table.num_rows == 0:
        raise FieldError(f"{task.name}: the {split} file has no rows")
    if absent := [name for name in formatter.columns if name not in table.column_names]:
        raise MissingColumnError(task.name, absent[0], table.column_names)
    for batch in (table if task.has_test_part else _as_written(task.name, table, formatter)).to_batches():
        yield from batch.to_pylist()


def _read(task: TaskData, split: str) -> pa.Table:
    return read_typed_file(_split(task.path, split)) if task.has_test_part else read_table_file(task.path.name, task.path)


def _as_written(task: str, table: pa.Table, formatter: Formatter) -> pa.Table:
    """Return the same table with texts and names as the formatter needs them, null where a cell is empty.

    Other columns are part of an item's identity alone: there any content will do, and the same rows are the same items whether
    CSV, JSON lines or Parquet holds them.
    """
    for place, name in enumerate(table.column_names):
        column = column_of(table, name)
        is_text = name in formatter.texts or (name not in formatter.columns and column.is_text)
        try:
            table = table.set_column(place, name, column.texts() if is_text else column.names())
        except CellError as error:
            if name in formatter.columns:
                row = "" if error.row is None else f", row {error.row + 1}"
                raise FieldError(f"{task}: column {name!r}{row} {error}") from None
    return table


def _is_made(name: str) -> bool:
    """Tell whether a law makes the rows of a task."""
    return name in formatter_names() and find_formatter(name).made is not None


def _folder_of(name: str) -> Path:
    formatter = find_formatter(name)
    own = formatter.folder or name
    for folder in data_folders():
        if (folder / own).is_dir() and all(_has_split(folder / own, split) for split in _SPLITS):
            return folder / own
    recipe = f"set W2S_DATA to the folder that holds {own}: export W2S_DATA=/path/to/data"
    if name in BUILTIN and BUILTIN[name].hub:
        recipe += f"; or write hub:{BUILTIN[name].hub[0]}@REVISION"
    searched = ", ".join(map(str, data_folders())) or "nowhere (W2S_DATA is not set)"
    files = f"train.jsonl.gz and test.jsonl.gz (or other tables), columns {', '.join(formatter.columns)}"
    raise DataFileError(f"task {name}: no folder {own} with {files}, in {searched}; {recipe}")


def _has_split(folder: Path, split: str) -> bool:
    return any((folder / f"{split}{ending}").is_file() for ending in TABLE_ENDINGS)


def _split(folder: Path, split: str) -> Path:
    return next(folder / f"{split}{ending}" for ending in TABLE_ENDINGS if (folder / f"{split}{ending}").is_file())


def _hub_formatter(name: str) -> str:
    place, _ = split_hub_name(name, "rows")
    for formatter in map(find_formatter, formatter_names()):
        if formatter.hub[:1] == (place,):
            return formatter.name
    known = ", ".join(f.hub[0] for f in map(find_formatter, formatter_names()) if f.hub)
    raise DataFileError(f"{name}: no formatter knows this data set; known: {known}")


def _read_hub(name: str, split: str, formatter: Formatter) -> pa.Table:
    import datasets

    place, _ = split_hub_name(name, "rows")
    part = formatter.splits[0 if split == "train" else 1]
    loaded = datasets.load_dataset(place, *formatter.hub[1:], split=part, revision=hub_commit(name))
    return loaded.with_format("arrow")[:]
