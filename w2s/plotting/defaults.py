"""Figures that every study has without drawing any: the main metric along the axis with most values, and over two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from w2s.contract.study import Figure
from w2s.figures.held import fullest
from w2s.plotting.plot import plot
from w2s.plotting.style import MOST_LINES
from w2s.summary import columns
from w2s.tabulate.table import usual_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

    from w2s.summary.stored import Rows

__all__ = ["default_figures"]

_LEAST_LINE, _LEAST_MAP, _MOST_PANELS = 3, 5, 4


def default_figures() -> tuple[Figure, ...]:
    """Return the figures that a report adds to those of the study; each draws None where a table lacks the axes."""
    return (
        Figure("axis-line", "The main metric along the longest axis", _draw_line),
        Figure("axis-map", "The main metric over the two longest axes", _draw_map),
        Figure("axis-scatter", "Gain against misfit, a point for every setting", _draw_scatter),
    )


def _metric(rows: Rows) -> str | None:
    names = usual_metrics(rows)
    return next((name for name in ("gain_01", "gain", "student_error_01", "student_error") if name in names), None)


def _axes(rows: Rows) -> list[str]:
    """List the axes that vary, those of numbers with most values first."""
    names = [name for name in columns.varying(rows, columns.cell_fields(rows)) if name not in ("study", "version")]
    return sorted(names, key=lambda name: (not columns.is_number(rows, name), -_values(rows, name)))


def _numeric(rows: Rows, names: list[str], least: int) -> list[str]:
    return [name for name in names if columns.is_number(rows, name) and _values(rows, name) >= least]


def _values(rows: Rows, name: str) -> int:
    return len(columns.distinct(rows, name))


def _values_and_null(rows: Rows, name: str) -> int:
    return _values(rows, name) + columns.has_null(rows, name)


def _draw_line(rows: Rows) -> Canvas | None:
    """Draw lines along the longest axis, coloured by another, with panels for a third; all else is held where most is there."""
    metric, names = _metric(rows), _axes(rows)
    if metric is None or not names:
        return None
    x = next(iter(_numeric(rows, names, _LEAST_LINE)), names[0])
    others = sorted((name for name in names if name != x), key=lambda name: _values(rows, name), reverse=True)
    color = next((name for name in others if 2 <= _values_and_null(rows, name) <= MOST_LINES), None)
    panel = next((name for name in others if name != color and 2 <= _values_and_null(rows, name) <= _MOST_PANELS), None)
    part = _held(rows, [name for name in (x, color, panel) if name])
    varying = _axes(part)
    if x not in varying:
        return None
    color, panel = (name if name in varying else None for name in (color, panel))
    return plot(part, x, metric, color=color, panel=panel, kind="line")


def _draw_map(rows: Rows) -> Canvas | None:
    """Draw a heatmap where two axes of numbers have five values or more together."""
    metric, names = _metric(rows), _axes(rows)
    long = _numeric(rows, names, _LEAST_MAP)[:2]
    if metric is None or len(long) < 2:
        return None
    part = _held(rows, long)
    if min(_values(part, name) for name in long) < _LEAST_MAP or len(columns.group_codes(part, long)[1]) < _LEAST_MAP**2:
        return None
    return plot(part, *long, color=metric, kind="heatmap")


def _draw_scatter(rows: Rows) -> Canvas | None:
    """Draw the gain of every setting against its misfit, coloured by an axis of words where there is one, the most even."""
    if not all(name in rows.columns and columns.has_value(rows, name) for name in ("gain", "misfit")):
        return None
    names = _axes(rows)
    if not names:
        return None
    few = [name for name in names if 2 <= _values_and_null(rows, name) <= MOST_LINES]
    color = max(few, key=lambda name: (not columns.is_number(rows, name), _rarest(rows, name)), default=None)
    return plot(rows, "misfit", "gain", color=color, kind="scatter")


def _rarest(rows: Rows, name: str) -> int:
    """Count the rows of an axis's rarest value."""
    return int(np.bincount(columns.group_codes(rows, [name])[0]).min())


def _held(rows: Rows, shown: list[str]) -> Rows:
    """Keep the setting of all other axes in which the shown ones take most values; the figure names it."""
    known = rows[rows[shown[0]].notna().to_numpy()] if columns.has_null(rows, shown[0]) else rows
    part = fullest(cast("DataFrame", known), shown)[0]
    part.attrs = cast("DataFrame", rows).attrs
    return part
