"""Fields that a study got, or renamed, after a table was written: old rows have their default, and the names of today."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from w2s.contract.cells import FieldSpec, cell_fields, former_names

if TYPE_CHECKING:
    import pyarrow as pa

    from w2s.contract.cells import Cell

__all__ = ["added_fields", "with_added_fields", "with_names_of_today"]


def added_fields(cell: type[Cell]) -> list[str]:
    """List the fields declared with ``since=``, those on which others depend first."""
    fields = cell_fields(cell)
    return sorted((name for name, spec in fields.items() if spec.since is not None), key=lambda name: _depth(name, fields))


def with_names_of_today(table: pa.Table, cell: type[Cell]) -> pa.Table:
    """Give columns of renamed fields the names of today. A table that has a field under both names is left unchanged."""
    former = former_names(cell_fields(cell))
    there = set(table.column_names)
    names = [former[n] if n in former and former[n] not in there else n for n in table.column_names]
    return table if names == table.column_names else table.rename_columns(names)


def with_added_fields(table: pa.Table, cell: type[Cell]) -> pa.Table:
    """Add the columns of later fields that a table lacks: their default, null in cells where they do not matter.

    The rows were computed with the default: a later field has it in every cell without the column, and stays out of the cell's
    identity there. A table that has the column is left unchanged.
    """
    for name in added_fields(cell):
        if name not in table.column_names:
            table = table.append_column(name, _column(table, cell_fields(cell)[name]))
    return table


def _depth(name: str, fields: Mapping[str, FieldSpec]) -> int:
    """Return the length of the chain of conditions that ends at a field, 1 without a condition."""
    return 1 + max((_depth(controller, fields) for controller in fields[name].when), default=0)


def _column(table: pa.Table, spec: FieldSpec) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if spec.default is None:
        return pa.nulls(table.num_rows)
    matters = pa.repeat(True, table.num_rows)
    for controller, allowed in spec.when.items():
        if controller in table.column_names:
            matters = pc.and_(matters, _is_one_of(table[controller], allowed))
    value = pa.scalar(_stored(spec))
    return pc.if_else(matters, value, pa.scalar(None, type=value.type))


def _is_one_of(column: pa.ChunkedArray, allowed: tuple[Any, ...]) -> pa.Array:
    import pyarrow as pa

    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    hits = pa.array([value is not None and value in allowed for value in coded.dictionary.to_pylist()], type=pa.bool_())
    return hits.take(coded.indices)


def _stored(spec: FieldSpec) -> Any:
    """Write the default in the form in which a row stores it."""
    if spec.kind == "number":
        return float(spec.default)
    if spec.kind == "json":
        return json.dumps(spec.default, default=str)
    if spec.kind == "text" or not all(type(choice) is int for choice in spec.choices):
        return str(spec.default)
    return spec.default
