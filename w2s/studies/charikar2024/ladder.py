"""The ladder of weak models of a table, on which claims and figures rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["DRAW", "ladder", "table_name"]

DRAW = ["data", "split", "seed"]
"""What makes a draw: a table, one of its published splits, and how its training rows are divided."""


def ladder(table: DataFrame) -> DataFrame:
    """Keep the rows on test molecules, of the tables with eight weak models or more."""
    rows = table[table["evaluate"] == "fresh"]
    return rows[rows.groupby("data")["weak_features"].transform("nunique") >= 8]


def table_name(data: Any) -> str:
    """Write the name of a table without its folder and ending."""
    return value_text(data).rpartition("/")[2].removesuffix(".csv")
