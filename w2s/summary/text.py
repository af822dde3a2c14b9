"""Summaries as text for people: a number with its interval in one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s.summary.digits import interval_digits

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["interval_text", "readable", "value_text"]


def value_text(value: Any) -> str:
    """Write a field's value, "-" for null; a whole number that nulls in its column have made a float has no decimals."""
    if value is None or value != value:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def interval_text(row: Mapping[str, Any], name: str) -> str:
    """Write ``0.57 [0.52, 0.63]`` for a metric of one summary row; its status where there is no number or no interval."""
    return interval_digits(row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high"), str(row.get(f"{name}_status", "")))


def readable(summary: DataFrame, keys: Sequence[str], metrics: Sequence[str]) -> DataFrame:
    """Make one line per group: keys, then every metric with its interval; the caption in ``attrs`` says what it covers."""
    import pandas as pd

    lines = []
    for row in summary.to_dict("records"):
        named = {str(key): value for key, value in row.items()}
        lines.append({k: value_text(named[k]) for k in keys} | {m: interval_text(named, m) for m in metrics if m in named})
    table = pd.DataFrame(lines)
    table.attrs["caption"] = f"brackets: {summary.attrs['w2s_summary']['covers']}"
    return table
