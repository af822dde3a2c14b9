"""Statements about tables that a test wrote: metadata say, as those of a run do, which of its columns are fields of a cell."""

from __future__ import annotations

from typing import Any

import pandas as pd

import w2s
from w2s.summary import columns, power

RESULTS = (*columns.IDENTITY, *columns.PROVENANCE, *columns.METRICS, *columns.RATIOS, *columns.PGR.values())


def declared(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table with metadata: its own, or every column that is no known result is a field."""
    if "w2s" in rows.attrs:
        return rows
    found = rows.copy(deep=False)
    results = [name for name in rows.columns if name in RESULTS or name.endswith(("_theory", "_status"))]
    found.attrs["w2s"] = {"fields": [name for name in rows.columns if name not in results]}
    return found


def summarize(rows: pd.DataFrame, *arguments: Any, **options: Any) -> pd.DataFrame:
    return w2s.summarize(declared(rows), *arguments, **options)


def best(rows: pd.DataFrame, *arguments: Any, **options: Any) -> pd.DataFrame:
    return w2s.best(declared(rows), *arguments, **options)


def contrast(rows: pd.DataFrame, *arguments: Any, **options: Any) -> pd.DataFrame:
    return w2s.contrast(declared(rows), *arguments, **options)


def seeds_needed(rows: pd.DataFrame, *arguments: Any, **options: Any) -> pd.DataFrame:
    return power.seeds_needed(declared(rows), *arguments, **options)
