"""Points: one metric against another, a point for every setting, with both intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.figures.symbols import axis_in_words, metric_name, setting_in_words
from w2s.plotting.asked import Asked, at_border, bounded, colors_of, limits_of, notes_of, panels_of, rows_at, with_unit
from w2s.plotting.sheet import Legend, Sheet
from w2s.plotting.style import line_style
from w2s.views.axes import AxesError, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from w2s.summary.stored import Rows

__all__ = ["draw_scatter", "settings_note"]

_ALIKE = ({"gain", "misfit", "weak_distance"},)
"""Metrics of one unit that theory sets equal: the diagonal is drawn."""


def draw_scatter(rows: Rows, asked: Asked) -> Figure:
    """Draw metric ``y`` against metric ``x``: every setting is a point, so no axis is left to be reduced."""
    if asked.x is None or asked.y is None:
        raise AxesError("a scatter plot needs x and y, two metrics")
    first, second = asked.x, asked.y
    axes = [name for name in (asked.panel, asked.color) if name]
    shown = view(rows, axes, select=asked.select, best_over=asked.best_over, each=True)
    summary = shown.summary([second, first], asked.level, asked.population)
    notes = [settings_note(summary, [name for name in shown.shown if name not in axes]), *notes_of(shown, summary)]
    cuts, colors = panels_of(summary, asked.panel, [first, second], notes, with_open=True), colors_of(summary, asked.color)
    sheet = Sheet.of(asked.style, len(cuts))
    across, up = (_limits(cuts, name) for name in (first, second))
    handles: dict[int, Any] = {}
    for ax, (value, part) in zip(sheet.axes, cuts, strict=True):
        for k, one in enumerate(colors):
            group = rows_at(part, asked.color, one)
            look = line_style(k, len(colors))
            if mark := _points(ax, group, first, second, look, sheet, across, up):
                handles[k] = mark
        if asked.panel:
            sheet.title(ax, setting_in_words(asked.panel, value))
    for ax in sheet.axes:
        ax.set(xlim=across, ylim=up)
        if any({first, second} <= alike for alike in _ALIKE):
            ends = [min(across[0], up[0]), max(across[1], up[1])]
            ax.plot(ends, ends, color="#000000", linewidth=0.6 * sheet.style.line, linestyle=":", zorder=1)
        for level, draw in ((first, ax.axvline), (second, ax.axhline)):
            if level.startswith(("gain", "pgr")):
                draw(0.0, color="#000000", linewidth=0.6 * sheet.style.line, zorder=1)
        ax.locator_params(axis="x", nbins=4)
        ax.locator_params(axis="y", nbins=5)
    if any({first, second} <= alike for alike in _ALIKE):
        notes.append(f"Dotted: {metric_name(first)} = {metric_name(second)}.")
    sheet.label(with_unit(rows, first), with_unit(rows, second))
    title = asked.title or f"{metric_name(second)} against {metric_name(first)}"
    return sheet.finish(title, notes, Legend.of(handles, colors, asked.color))


def settings_note(summary: DataFrame, names: list[str]) -> str:
    """Say what the points or lines stand for: the axes that they go over, with the number of values of each."""
    counts = {name: summary[name].nunique(dropna=False) for name in names}
    over = ", ".join(f"{axis_in_words(name)} ({count} values)" for name, count in counts.items())
    return f"{len(summary)} settings{f', of {over}' if over else ''}."


def _limits(cuts: list[tuple[Any, DataFrame]], metric: str) -> tuple[float, float]:
    parts = [bounded(part, metric) for _, part in cuts]
    return limits_of(parts) or (0.0, 1.0)


def _points(
    ax: Axes,
    group: DataFrame,
    first: str,
    second: str,
    look: dict[str, Any],
    sheet: Sheet,
    wide: tuple[float, float],
    tall: tuple[float, float],
) -> Any:
    """Draw the points of one colour; those whose interval is unbounded stand at the border where they are beyond it."""
    across, up = bounded(group, first), bounded(group, second)
    both = across.drawn & up.drawn
    if not both.any():
        return None
    hollow = (across.hollow | up.hollow)[both]
    x, y = at_border(across, wide)[both], at_border(up, tall)[both]
    bars = [
        np.nan_to_num(np.stack([part.value[both] - part.low[both], part.high[both] - part.value[both]]).clip(0.0))
        for part in (across, up)
    ]
    ax.errorbar(
        x, y, xerr=bars[0], yerr=bars[1], fmt="none", ecolor=look["color"], elinewidth=0.6 * sheet.style.line, alpha=0.5
    )
    plain = {"linestyle": "none", "marker": look["marker"], "markersize": sheet.style.marker, "color": look["color"]}
    ax.plot(x[hollow], y[hollow], markerfacecolor="w", **plain)
    (mark,) = ax.plot(x[~hollow], y[~hollow], **plain)
    return mark
