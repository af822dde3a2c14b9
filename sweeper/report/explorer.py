"""What the explorer of the page shows: a point per setting with all metrics, intervals, seeds, status and a cell to rerun.

Points are summaries over seeds, never cells, so their number follows the axes of a grid and not its seeds. Where there are more
than the page can hold, whole lines along one axis are left out, evenly, and the page says so.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeper.report.opening import NOWHERE, along_axis, favourites, opening
from sweeper.report.text import clip
from w2s.places.url import Where
from w2s.summary.columns import cell_fields, distinct, group_codes, seed_codes
from w2s.summary.stored import Rows, Stored
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["Explorer", "explore"]

MOST_BYTES = 600_000
"""Of the embedded data, roughly: the page has to stay below three megabytes with its scripts and figures."""
_MOST_METRICS, _MOST_TEXT, _MOST_VALUES = 12, 60, 5000
_LEAST_QUOTIENT = 30.0  # of the largest and the smallest value on an axis: from here on it is logarithmic
_FIRST_DIGITS = 12  # of a cell's identity, which `rerun` completes; two cells in ten million share them once in three reports
_UNSAID = ("study", "version")

Codes = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Explorer:
    """``data`` as the page embeds it; how many of the ``settings`` it holds; fields that are the same in all cells."""

    data: Mapping[str, Any]
    settings: int
    shown: int
    same: Mapping[str, str]


def explore(rows: Rows, summary: DataFrame, run: Where, units: Mapping[str, str]) -> Explorer | None:
    """Collect the points of a summary of some rows by all that varies; None where nothing varies or no metric has a value.

    ``units`` are those of fields, by name. Cost O(rows) for the cell that stands for each setting, else O(settings x metrics).
    """
    described = summary.attrs["w2s_summary"]
    by = described["by"]
    known = [name for name in described["metrics"] if np.isfinite(summary[name].to_numpy(float)).any()]
    if not by or not known:
        return None
    wanted = list(dict.fromkeys([*favourites(known), *known]))[:_MOST_METRICS]
    names = [name for name in known if name in wanted]
    found = [group_codes(summary, [name]) for name in by]
    codes = np.stack([code for code, _ in found])
    axes = [_axis(name, keys[name], units.get(name, "")) for name, (_, keys) in zip(by, found, strict=True)]
    along = along_axis(axes, codes)
    kept = _whole_lines(codes, along, MOST_BYTES // (4 * len(axes) + 28 * len(names) + 40))
    axes, codes = _only_used(axes, codes[:, kept])
    shown = summary.iloc[kept]
    metrics = [_metric(shown, name) for name in names]
    data = {
        "axes": axes,
        "codes": codes.tolist(),
        "metrics": metrics,
        **{name: shown[name].tolist() for name in ("seeds", "rows", "excluded")},
        "cells": [cell[:_FIRST_DIGITS] for cell in _first_cells(rows, by, kept)],
        "rerun": f"w2s-sweep rerun {shlex.quote(str(run))}",
        "level": described["level"],
        "opening": opening(axes, codes, metrics, along),
    }
    same = {
        name: value_text(next(iter(distinct(rows, name)), None)) for name in cell_fields(rows) if name not in (*by, *_UNSAID)
    }
    said = {name: clip(text, _MOST_TEXT) for name, text in same.items() if text != "-"}
    return Explorer(data, len(summary), len(kept), said)


def _axis(name: str, values: Series[Any], unit: str) -> dict[str, Any]:
    """Describe an axis by its distinct values in order: numbers, or words where some are words or truth values.

    A null among numbers, where the field says nothing, is the word "-": such a setting has no place along the axis.
    """
    numeric = values.dtype.kind in "iuf" and bool(np.isfinite(values.dropna().to_numpy(float)).all())
    if not numeric or not values.notna().any():
        texts = [clip(value_text(value), _MOST_TEXT) for value in values]
        repeated = {text for text in texts if texts.count(text) > 1} if len(texts) <= _MOST_VALUES else set(texts)
        listed: list[Any] = [f"{text} #{k}" if text in repeated else text for k, text in enumerate(texts)]
        return {"name": name, "unit": unit, "numeric": False, "log": False, "values": listed}
    numbers = [value.item() if hasattr(value, "item") else value for value in values.dropna()]
    log = min(numbers) > 0 and max(numbers) >= _LEAST_QUOTIENT * min(numbers)
    told = [NOWHERE if value != value else value.item() if hasattr(value, "item") else value for value in values]
    return {"name": name, "unit": unit, "numeric": True, "log": log, "values": told}


def _whole_lines(codes: Codes, along: int, most: int) -> Codes:
    """Choose at most ``most`` points: whole lines along one axis, evenly among all; of longer lines every so many points."""
    points = codes.shape[1]
    if points <= most:
        return np.arange(points)
    _, line = np.unique(np.delete(codes, along, axis=0), axis=1, return_inverse=True)
    lines = int(line.max()) + 1
    wanted = max(1, most * lines // points)
    chosen = np.unique(np.linspace(0, lines - 1, wanted).astype(np.int64))
    kept = np.flatnonzero(np.isin(line, chosen))
    return kept[:: math.ceil(len(kept) / most)] if len(kept) > most else kept


def _only_used(axes: list[dict[str, Any]], codes: Codes) -> tuple[list[dict[str, Any]], Codes]:
    """Drop the values of axes that no kept point has, and number the others anew."""
    used = [np.unique(row, return_inverse=True) for row in codes]
    listed = [{**axis, "values": [axis["values"][k] for k in kept]} for axis, (kept, _) in zip(axes, used, strict=True)]
    return listed, np.stack([anew for _, anew in used])


def _metric(summary: DataFrame, name: str) -> dict[str, Any]:
    words = sorted({str(word) for word in summary[f"{name}_status"]})
    return {
        "name": name,
        "signed": name.startswith(("gain", "pgr", "cross")),
        "value": _numbers(summary[name]),
        "low": _numbers(summary[f"{name}_low"]),
        "high": _numbers(summary[f"{name}_high"]),
        "words": words,
        "status": [words.index(str(word)) for word in summary[f"{name}_status"]],
    }


def _numbers(column: Series[Any]) -> list[float | None]:
    """Write numbers with five digits; None for what is not finite, since JSON has no word for it."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in column.to_numpy(float)]


def _first_cells(rows: Rows, by: list[str], kept: Codes) -> list[str]:
    """Return the identity of one cell of each of some settings, that of its lowest seed."""
    codes, keys = group_codes(rows, by)
    seeds = seed_codes(rows)
    lowest = np.flatnonzero(seeds == 0)
    if len(np.unique(codes[lowest])) < len(keys):  # not all settings have the lowest seed
        least = np.full(len(keys), np.iinfo(seeds.dtype).max, dtype=seeds.dtype)
        np.minimum.at(least, codes, seeds)
        lowest = np.flatnonzero(seeds == least[codes])
    first = np.empty(len(keys), dtype=np.int64)
    first[codes[lowest][::-1]] = lowest[::-1]  # of several rows the first is written last
    cells = rows.at(first[kept], ["cell_id"]) if isinstance(rows, Stored) else rows.iloc[first[kept]]
    return [str(cell) for cell in cells["cell_id"]]
