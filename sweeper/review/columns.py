"""Whether rows are what a study writes: a table may come from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from w2s.contract.columns import STATUS
from w2s.contract.rows import table_schema
from w2s.contract.study import Study

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["rows_problem"]

_NEEDED = ("cell_id", "seed", "status", "weak_error", "student_error")
_NEVER_NULL = ("cell_id", "seed", "status")


def rows_problem(rows: DataFrame, study: type[Study]) -> str | None:
    """Say which column of some rows is not of the kind that a study writes; None where all are.

    Columns that came later than the rows may be missing. Cost O(rows) for columns of any objects, else O(columns).
    """
    for field in table_schema(study):
        if field.name not in rows:
            if field.name in _NEEDED:
                return f"column {field.name!r} is missing"
            continue
        column = rows[field.name]
        if field.name in _NEVER_NULL and column.isna().any():
            return f"column {field.name!r} has nulls in {int(column.isna().sum())} rows"
        if not _fits(column.dropna(), field.type):
            return f"column {field.name!r} holds {column.dropna().iloc[0]!r:.60}, not what is of type {field.type}"
    odd = rows.loc[~rows["status"].isin(STATUS), "status"]
    return f"status {odd.iloc[0]!r:.60} is none of {', '.join(STATUS)}" if len(odd) else None


def _is_text(column: Series) -> bool:
    """Tell whether a column's type alone says that it holds words."""
    import pandas as pd

    return isinstance(column.dtype, pd.StringDtype)


def _fits(column: Series, kind: pa.DataType) -> bool:
    """Tell whether values without nulls are of a type of Arrow: numbers, words or truth values; of other types all are."""
    if kind == pa.float64() or kind == pa.int64():
        if column.dtype.kind == "f":
            return kind == pa.float64() or bool((column % 1 == 0).all())
        return not len(column) or column.dtype.kind in "iu"
    if kind == pa.string():
        return _is_text(column) or all(isinstance(value, str) for value in column)
    return kind != pa.bool_() or column.dtype == bool or all(value is True or value is False for value in column.tolist())
