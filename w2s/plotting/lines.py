"""Lines: a metric against an axis, with bands; a panel and a colour for two axes more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.figures.symbols import axis_in_words, metric_name, setting_in_words
from w2s.plotting.asked import (
    Asked,
    Bounded,
    at_border,
    bounded,
    colors_of,
    limits_of,
    notes_of,
    panels_of,
    rows_at,
    shared_unit,
    with_unit,
)
from w2s.plotting.scales import Places, places
from w2s.plotting.sheet import Legend, Sheet
from w2s.plotting.style import Style, line_style
from w2s.summary.columns import is_number
from w2s.views.axes import AxesError, field_values, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from w2s.summary.stored import Rows

__all__ = ["draw_lines"]


def draw_lines(rows: Rows, asked: Asked) -> Figure:
    """Draw metric ``y`` against axis ``x``; words and nulls of ``x`` stand side by side, with bars in place of bands.

    Several metrics are lines of one panel each, in place of the values of ``color``.
    """
    if asked.x is None or asked.y is None:
        raise AxesError("a figure of lines needs x, an axis, and y, a metric")
    axes = [name for name in (asked.x, asked.panel, asked.color) if name]
    metrics = [asked.y, *asked.more]
    numbers = [asked.x] if is_number(rows, asked.x) else []
    shown = view(rows, axes, select=asked.select, best_over=asked.best_over, numbers=numbers)
    summary = shown.summary(metrics, asked.level, asked.population)
    notes = notes_of(shown, summary)
    cuts = panels_of(summary, asked.panel, metrics, notes, with_open=True)
    colors, where = colors_of(summary, asked.color), places(field_values(summary[asked.x]), least=3)
    series = [(asked.y, one) for one in colors] if not asked.more else [(metric, None) for metric in metrics]
    sheet = Sheet.of(asked.style, len(cuts))
    handles: dict[int, Any] = {}
    shared = [bounded(part, metric) for _, part in cuts for metric in metrics]
    ends = limits_of(shared) or (0.0, 1.0)
    for ax, (value, part) in zip(sheet.axes, cuts, strict=True):
        for k, (metric, one) in enumerate(series):
            line = rows_at(part, asked.color, one)
            found = bounded(line, metric)
            if found.drawn.any():
                offset = 0.5 * (k - (len(series) - 1) / 2.0) / len(series) if where.kind == "words" else 0.0
                handles[k] = _line(
                    ax, where.of(line[asked.x]) + offset, found, line_style(k, len(series)), sheet.style, where, ends
                )
        if asked.panel:
            sheet.title(ax, setting_in_words(asked.panel, value))
    _finish_axes(sheet, where, asked.y, shared)
    sheet.label(axis_in_words(asked.x), with_unit(rows, asked.y) if not asked.more else shared_unit(rows, metrics))
    title = asked.title or f"{', '.join(map(metric_name, metrics))} against {axis_in_words(asked.x)}"
    legend = (
        Legend.of(handles, colors, asked.color) if not asked.more else Legend.named(handles, list(map(metric_name, metrics)))
    )
    return sheet.finish(title, notes, legend)


def _line(
    ax: Axes, at: Any, found: Bounded, look: dict[str, Any], style: Style, where: Places, ends: tuple[float, float]
) -> Any:
    """Draw one line with its intervals, and hollow marks where there are none; returns what the legend shows.

    No line leads to a number whose interval is unbounded; it stands at the border where it is beyond it.
    """
    order = np.argsort(at, kind="stable")
    unbounded = order[found.open[order]]
    order = order[found.sure[order]]
    x, y, low, high = at[order], found.value[order], found.low[order], found.high[order]
    color, plain = look["color"], found.alone[order]
    if len(unbounded):
        ax.plot(
            at[unbounded],
            at_border(found, ends)[unbounded],
            color=color,
            marker=look["marker"],
            markersize=style.marker,
            linestyle="none",
            markerfacecolor="w",
            clip_on=False,
        )
    joined: dict[str, Any] = {"linestyle": look["linestyle"] if where.kind != "words" else "none", "linewidth": style.line}
    (drawn,) = ax.plot(x, y, color=color, marker=look["marker"], markersize=style.marker, **joined)
    if plain.any():
        ax.plot(
            x[plain],
            y[plain],
            color=color,
            marker=look["marker"],
            markersize=style.marker,
            linestyle="none",
            markerfacecolor="w",
        )
    if where.kind == "words":
        _bars(ax, x, y, low, high, color, style)
    elif len(x) > 1 and not plain.all():
        ax.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
    else:
        _bars(ax, x, y, low, high, color, style)
    return drawn


def _bars(ax: Axes, x: Any, y: Any, low: Any, high: Any, color: Any, style: Style) -> None:
    known = np.isfinite(low) & np.isfinite(high)
    if known.any():
        ends = np.stack([y[known] - low[known], high[known] - y[known]]).clip(0.0)
        ax.errorbar(x[known], y[known], yerr=ends, fmt="none", ecolor=color, elinewidth=style.line, capsize=0.6 * style.marker)


def _finish_axes(sheet: Sheet, where: Places, metric: str, drawn: list[Bounded]) -> None:
    """Give all panels their scales; the line at zero, or one for a ratio of errors, is what curves are read against."""
    value, low, high = (
        np.concatenate([getattr(found, end)[found.sure] for found in drawn]) for end in ("value", "low", "high")
    )
    shown = limits_of(drawn)
    level = 1.0 if metric.startswith("opr") else 0.0
    both_signs = bool((value < 0).any() and (value > 0).any())
    signed = metric.startswith(("gain", "pgr", "opr", "cross_term")) or both_signs
    for ax in sheet.axes:
        if shown is not None:
            ax.set_ylim(*shown)
            if signed and shown[0] < level < shown[1]:
                ax.axhline(level, color="#000000", linewidth=0.6 * sheet.style.line, zorder=1)
        where.draw(ax, "x", sheet.style.size, 0.75 * sheet.panel_width)
        ax.locator_params(axis="y", nbins=5)
    if shown is not None and (np.nanmin(np.append(low, np.inf)) < shown[0] or np.nanmax(np.append(high, -np.inf)) > shown[1]):
        sheet.notes.append("Some intervals reach beyond the panel.")
