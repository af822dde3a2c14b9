"""Summaries as text for people: a number with its interval in one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s.summary.digits import column_decimals, interval_digits
from w2s.summary.summarize import summarize

if TYPE_CHECKING:
    from pandas import DataFrame

    from w2s.summary.population import SeedsDraw

__all__ = ["interval_text", "interval_texts", "readable", "summary_lines", "value_text"]


_EXACT = 2.0**53
"""Below it every whole number is a float."""


def value_text(value: Any) -> str:
    """Write a field's value, "-" for null; a whole number that nulls in its column have made a float has no decimals."""
    if value is None or value != value:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value.is_integer() and abs(value) < _EXACT else f"{value:g}"


def interval_text(row: Mapping[str, Any], name: str) -> str:
    """Write ``0.57 [0.52, 0.63]`` for a metric of one summary row; its status where there is no number or no interval."""
    return interval_digits(row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high"), str(row.get(f"{name}_status", "")))


def interval_texts(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Write a metric of all rows of a summary as :func:`interval_text` does, with one number of decimals."""
    least = column_decimals((row.get(f"{name}_low"), row.get(f"{name}_high")) for row in rows)
    return [
        interval_digits(
            row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high"), str(row.get(f"{name}_status", "")), least
        )
        for row in rows
    ]


def readable(summary: DataFrame, keys: Sequence[str], metrics: Sequence[str]) -> DataFrame:
    """Make one line per group: keys, then every metric with its interval; the caption in ``attrs`` says what it covers."""
    import pandas as pd

    rows = [{str(key): value for key, value in row.items()} for row in summary.to_dict("records")]
    named = {key: [value_text(row[key]) for row in rows] for key in keys}
    table = pd.DataFrame(named | {metric: interval_texts(rows, metric) for metric in metrics if metric in summary})
    table.attrs["caption"] = f"brackets: {summary.attrs['w2s_summary']['covers']}"
    return table


def summary_lines(table: DataFrame, metrics: Sequence[str], population: bool | SeedsDraw = False) -> DataFrame:
    """Summarise metrics over seeds by setting, as :func:`w2s.summarize` does, and make one :func:`readable` line of each."""
    summary = summarize(table, metrics=list(metrics), population=population)
    return readable(summary, summary.attrs["w2s_summary"]["by"], metrics)
