"""A figure shows a few fields; every other field that varies is held at one value, and the figure says which."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from w2s.summary.columns import cell_fields
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["hold", "settings"]


def settings(table: DataFrame, shown: Collection[str]) -> list[str]:
    """Cell fields of a table besides the seed and those that a figure shows."""
    return [name for name in cell_fields(table) if name != "seed" and name not in shown]


def hold(table: DataFrame, name: str) -> tuple[DataFrame, str]:
    """Keep the rows with the least value of a field (null where there is no other); return them and the value as text."""
    values = table[name].dropna()
    if not len(values):
        return table, "-"
    first = values.min()
    return table[table[name] == first], value_text(first)
