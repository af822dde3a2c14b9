"""JSON lines as a table whose scalars are the text that stands in the file: 007 is no number of JSON, 1e5 is "1e5"."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from w2s.files.columns import opaque, untyped

__all__ = ["read_json_lines"]


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def read_json_lines(text: str) -> pa.Table:
    """Read one object per line; a column holds what the objects have under its name, null where they have nothing.

    Columns of strings alone are text. Columns with numbers or booleans are untyped: their cells as written. Lists and objects
    have Arrow's types where all cells agree, else the column cannot be used. Raises ValueError with the line.
    """
    decoder = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=_once)
    rows = [_row(decoder.decode, line, place) for place, line in enumerate(text.split("\n"), 1) if line.strip()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(trimmed := [name.strip() for name in names]) > len(set(trimmed)):
        return pa.table([pa.array([""])] * len(names), names=names)  # the caller names the column that is there twice
    columns = [_column(name, [row.get(name) for row in rows]) for name in names]
    return pa.table([cells for _, cells in columns], schema=pa.schema([field for field, _ in columns]))


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _row(decode: Callable[[str], Any], line: str, place: int) -> dict[str, Any]:
    try:
        row = decode(line.strip())
    except json.JSONDecodeError as error:
        if place == 1 and line.lstrip().startswith("["):
            raise ValueError("it is a JSON array; write one object per line: jq -c '.[]' FILE") from None
        raise ValueError(f"line {place} is no JSON object: {error.msg}") from None
    except ValueError as error:
        raise ValueError(f"line {place}: {error}") from None
    if not isinstance(row, dict):
        remedy = "; write one object per line: jq -c '.[]' FILE" if isinstance(row, list) else ""
        raise ValueError(f"line {place} is no JSON object{remedy}")
    return row


def _column(name: str, cells: list[Any]) -> tuple[pa.Field, pa.Array]:
    there = [cell for cell in cells if cell is not None]
    if any(isinstance(cell, (list, dict)) for cell in there):
        return _nested(name, cells)
    if not there:
        return pa.field(name, pa.null()), pa.nulls(len(cells))
    if all(type(cell) is str for cell in there):
        return pa.field(name, pa.string()), pa.array(cells, pa.string())
    return untyped(name), pa.array([None if cell is None else _written(cell) for cell in cells], pa.string())


def _nested(name: str, cells: list[Any]) -> tuple[pa.Field, pa.Array]:
    try:
        values = pa.array([_plain(cell) for cell in cells])
        return pa.field(name, values.type), values
    except pa.ArrowException:
        return opaque(name), pa.array([None if cell is None else json.dumps(cell) for cell in cells], pa.string())


def _written(cell: Any) -> str:
    return json.dumps(cell) if isinstance(cell, bool) else str(cell)


def _plain(cell: Any) -> Any:
    """Return lists and objects with numbers in them, for Arrow to find their type."""
    if isinstance(cell, list):
        return [_plain(part) for part in cell]
    if isinstance(cell, dict):
        return {name: _plain(part) for name, part in cell.items()}
    return float(cell) if isinstance(cell, _Number) else cell
