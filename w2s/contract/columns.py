"""Names and types of the columns of a study's table, in words: whoever plans asks for them, and needs no Arrow for that.

:mod:`w2s.contract.rows` makes the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.cells import FieldSpec, cell_fields
from w2s.errors import nearest

if TYPE_CHECKING:
    from w2s.contract.study import Study

__all__ = ["PROVENANCE", "STATUS", "TYPES", "metric_columns", "schema_problem", "table_columns", "type_of_field"]

STATUS = ("ok", "singular", "ill_conditioned", "nonfinite", "failed")
"""Row statuses, by code. ``singular``: a fit without regularisation had a rank-deficient system and is the minimum-norm one."""

_ERRORS = ("weak_error", "student_error", "strong_error", "ceiling_error", "gain", "misfit", "weak_distance", "pgr")
_ERRORS_01 = (
    "weak_error_01",
    "student_error_01",
    "strong_error_01",
    "ceiling_error_01",
    "gain_01",
    "disagreement",
    "pgr_01",
)
PROVENANCE = {"solver": "string", "backend": "string", "blas": "string", "dtype": "string", "condition": "double"}
PROVENANCE |= {"threads": "int64", "elapsed_s": "double", "code_digest": "string", "traceback": "string"}
"""Columns that say how a row was made, not what it says: name -> type name."""
TYPES = ("double", "int64", "string", "bool")
"""Types that a column can have."""


def metric_columns(study: type[Study]) -> dict[str, str]:
    """Return the result columns of a study, name -> type name, in table order."""
    names = {"status": "string", "message": "string"} | dict.fromkeys(_ERRORS, "double") | {"pgr_status": "string"}
    if study.classifies:
        names |= dict.fromkeys(_ERRORS_01, "double") | {"pgr_01_status": "string"}
    return names | dict(study.columns)


def type_of_field(spec: FieldSpec) -> str:
    """Return the type of the column of a cell field."""
    if spec.kind == "literal":
        return "int64" if all(type(c) is int for c in spec.choices) else "string"
    return {"integer": "int64", "number": "double", "boolean": "bool"}.get(spec.kind, "string")


def table_columns(study: type[Study]) -> dict[str, str]:
    """Return all columns of a study's table, name -> type, in order: identity, cell fields, results, provenance."""
    columns = {"cell_id": "string", "study": "string", "version": "int64"}
    columns |= {name: type_of_field(spec) for name, spec in cell_fields(study.Cell).items()}
    return columns | metric_columns(study) | PROVENANCE


def schema_problem(study: type[Study]) -> str | None:
    """Say why fields and columns of a study do not make a table; None when they do."""
    for name, kind in study.columns.items():
        if kind not in TYPES:
            return f"column {name!r} has type {kind!r}; known: {', '.join(TYPES)}"
    columns = {"cell_id", "study", "version", *metric_columns(study), *PROVENANCE}
    for name in cell_fields(study.Cell):
        if name in columns:
            return f"{name!r} is a field of its Cell and a column of every table"
    if strangers := [name for name in study.explains if name not in study.columns]:
        return f"explains names {strangers[0]!r}, which is none of its columns{nearest(strangers[0], study.columns)}"
    return None
