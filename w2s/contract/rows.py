"""From the arrays of a solved block to rows of the table: one fixed Arrow schema per study.

This is where derived columns are added (through :mod:`w2s.measure.metrics`), where a non-finite number becomes a null with a
status, and where cells that nobody asked for are dropped.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.contract.block import Block
from w2s.contract.cells import FieldSpec, cell_fields
from w2s.contract.columns import PROVENANCE, STATUS, metric_columns, table_columns, type_of_field
from w2s.contract.identity import cell_ids, hex_ids
from w2s.contract.study import Rows, Study
from w2s.errors import nearest
from w2s.files.arrays import number_array, value_array, word_array
from w2s.measure import metrics

__all__ = [
    "ILL_CONDITIONED",
    "failed_rows",
    "field_type",
    "rows_table",
    "table_schema",
]

ILL_CONDITIONED = 1e12
"""Condition number above which a row's numbers are not comparable across backends (status ``ill_conditioned``)."""

_REQUIRED = ("weak_error", "student_error", "ceiling_error", "misfit")
"""What a study returns in any case; ``weak_distance`` where it differs from the misfit."""
_TYPES: Mapping[str, pa.DataType] = {
    "double": pa.float64(),
    "int64": pa.int64(),
    "string": pa.string(),
    "bool": pa.bool_(),
}


def field_type(spec: FieldSpec) -> pa.DataType:
    """Return the Arrow type of a cell field."""
    return _TYPES[type_of_field(spec)]


@functools.lru_cache(maxsize=64)
def table_schema(study: type[Study]) -> pa.Schema:
    """Build the schema of a study's table: identity, every cell field, results, provenance."""
    return pa.schema([pa.field(name, _TYPES[kind]) for name, kind in table_columns(study).items()])


def rows_table(study: type[Study], block: Block, solved: Rows, provenance: Mapping[str, Any]) -> pa.Table:
    """Build the rows of the block's wanted cells.

    ``solved`` are arrays that broadcast to ``block.shape``; ``provenance`` holds ``backend``, ``blas``, ``dtype``,
    ``threads`` and ``elapsed_s`` of the block, and ``code_digest`` where code outside this package has a part in it. Raises
    ValueError when a column is unknown, missing or misshapen.
    """
    if not isinstance(solved, Mapping):
        raise ValueError(f"study {study.name} returned {type(solved).__name__}, not a mapping of column names to arrays")
    keep, shape = slice(None) if block.mask is None else block.mask.reshape(-1), block.shape
    flat = {name: _flatten(name, _unmasked(array), shape)[keep] for name, array in solved.items()}
    hidden = [_flatten(name, np.ma.getmaskarray(array), shape)[keep] for name, array in solved.items() if np.ma.isMA(array)]
    complete = _complete(study, flat, np.logical_or.reduce(hidden) if hidden else None)
    ids = hex_ids(cell_ids(study, block)[keep])
    columns: dict[str, pa.Array] = {
        "cell_id": _fixed_width_strings(ids),
        "study": _constant(study.name, len(ids), pa.string()),
        "version": _constant(study.version, len(ids), pa.int64()),
    }
    for name, spec in cell_fields(study.Cell).items():
        columns[name] = _field_column(name, spec, block, keep, len(ids))
    provenance = dict(provenance) | {"elapsed_s": provenance["elapsed_s"] / max(len(ids), 1)}
    for name, kind in (metric_columns(study) | PROVENANCE).items():
        if name in complete:
            columns[name] = _result_column(complete[name], _TYPES[kind])
        else:
            columns[name] = _constant(provenance.get(name), len(ids), _TYPES[kind])
    schema = table_schema(study)
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def failed_rows(study: type[Study], block: Block, message: str, provenance: Mapping[str, Any]) -> pa.Table:
    """Build the rows of a block that raised: every wanted cell ``failed`` with the error, every number null.

    ``provenance`` may hold the ``traceback`` of what was raised.
    """
    nothing = np.full((1,) * len(block.axes), np.nan)
    solved = dict.fromkeys(_REQUIRED, nothing) | {
        "status": np.full_like(nothing, STATUS.index("failed"), dtype=np.int8),
        "message": np.full_like(nothing, message, dtype=object),
    }
    return rows_table(study, block, solved, provenance)


def _unmasked(array: Any) -> npt.NDArray[Any]:
    """Return an array in which masked values are none: NaN among numbers, None among words, ``failed`` among statuses."""
    if not np.ma.isMA(array):
        return np.asarray(array)
    if array.dtype.kind in "biu" and np.ma.is_masked(array):
        array = array.astype(np.float64)
    if array.dtype.kind in "fc":
        return np.asarray(array.filled(np.nan))
    return np.asarray(array.astype(object).filled(None) if np.ma.is_masked(array) else array)


def _flatten(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    try:
        return np.broadcast_to(array, shape).reshape(-1)
    except ValueError:
        raise ValueError(f"column {name!r} has shape {np.shape(array)}, the block has shape {shape}") from None


def _complete(
    study: type[Study], flat: dict[str, npt.NDArray[Any]], hidden: npt.NDArray[np.bool_] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Add gain, PGR and statuses; turn non-finite numbers, and what the study ``hidden`` by a mask, into nulls with a status.

    A null is NaN here.
    """
    known = metric_columns(study) | PROVENANCE
    if unknown := sorted(set(flat) - set(known)):
        named = ", ".join(name + nearest(name, known) for name in unknown)
        raise ValueError(f"study {study.name} returned unknown columns: {named}")
    if missing := sorted(set(_REQUIRED) - set(flat)):
        raise ValueError(f"study {study.name} returned no {', '.join(missing)}")
    for name, column in flat.items():
        if known[name] in ("double", "int64") and column.dtype.kind not in "biuf":
            raise ValueError(f"study {study.name}: column {name!r} holds {column.dtype} values, not numbers")
    rows = dict(flat)
    rows.setdefault("weak_distance", rows["misfit"])
    for suffix in ("", "_01") if "weak_error_01" in rows else ("",):
        weak, student, ceiling = (rows[f"{name}_error{suffix}"] for name in ("weak", "student", "ceiling"))
        rows.setdefault(f"gain{suffix}", metrics.gain(weak, student))
        value, status = metrics.pgr(weak, student, ceiling)
        rows[f"pgr{suffix}"] = value
        rows[f"pgr{suffix}_status"] = np.asarray(status, dtype=object)
    codes = _status(study, rows)
    if hidden is not None:
        codes[hidden & (codes != STATUS.index("failed"))] = STATUS.index("nonfinite")
    rows["status"] = np.array(STATUS, dtype=object)[codes]
    return {name: _null_nonfinite(column) for name, column in rows.items()}


def _status(study: type[Study], rows: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int8]:
    given = rows.get("status", np.zeros(rows["weak_error"].size, dtype=np.int8))
    if given.dtype.kind == "f":
        given = np.where(np.isnan(given), STATUS.index("failed"), given)
    for value in np.unique(given):
        if value not in range(len(STATUS)):
            raise ValueError(f"study {study.name}: status {value} is not one of 0..{len(STATUS) - 1}")
    code = np.array(given, dtype=np.int8)
    if "condition" in rows:
        ill = rows["condition"] > ILL_CONDITIONED
        code[(code == STATUS.index("ok")) & ill] = STATUS.index("ill_conditioned")
    # The misfit may be unknown: a method of one's own may train on labels that no item outside its training has.
    finite = np.logical_and.reduce([np.isfinite(rows[name]) for name in study.finite])
    numbers = [values for name, values in rows.items() if name != "condition" and np.asarray(values).dtype.kind == "f"]
    finite &= ~np.logical_or.reduce([np.isinf(values) for values in numbers])
    code[~finite & (code != STATUS.index("failed"))] = STATUS.index("nonfinite")
    return code


def _null_nonfinite(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if column.dtype.kind != "f":
        return column
    finite = np.isfinite(column)
    return column if finite.all() else np.where(finite, column, np.nan)


def _result_column(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        return word_array(values)
    return value_array(values.tolist(), kind) if values.dtype.kind == "O" else number_array(values, kind)


def _constant(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    return _repeated(value + 0.0 if isinstance(value, float) else value, count, kind)  # -0.0 is 0.0


@functools.lru_cache(maxsize=256, typed=True)
def _repeated(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    """Return a column of one repeated value, made once: most blocks of a run have one size and share such columns."""
    if value is None:
        return pa.nulls(count, kind)
    return value_array([value], kind).take(number_array(np.zeros(count, dtype=np.int32), pa.int32()))


def _fixed_width_strings(ids: npt.NDArray[np.bytes_]) -> pa.Array:
    width = ids.dtype.itemsize
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(ids)))


def _field_column(name: str, spec: FieldSpec, block: Block, keep: Any, count: int) -> pa.Array:
    kind = field_type(spec)
    if name in block.fixed:
        return _constant(_plain(block.fixed[name], spec), count, kind)
    position = next((k for k, axis in enumerate(block.axes) if name in axis.names), None)
    if position is None:
        return _constant(None, count, kind)
    values = [_plain(value, spec) for value in block.axes[position].column(name)]
    shape = [-1 if k == position else 1 for k in range(len(block.axes))]
    plain = None not in values and pa.types.is_primitive(kind) and not pa.types.is_boolean(kind)
    spread = np.array(values) if plain else np.arange(len(values), dtype=np.int32)
    spread = np.broadcast_to(spread.reshape(shape), block.shape).reshape(-1)[keep]
    if plain:
        return number_array(spread, kind)
    return value_array(values, kind).take(number_array(spread, pa.int32()))


def _plain(value: Any, spec: FieldSpec) -> Any:
    if value is None or spec.kind not in ("json", "literal", "text"):
        return value
    if spec.kind == "json":
        return json.dumps(value, default=str)
    return value if isinstance(value, int) and pa.types.is_integer(field_type(spec)) else str(value)
