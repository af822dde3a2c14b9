"""Parallel coordinates: every axis that varies is an upright line, every setting a line across them that ends at the metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.figures.held import spread
from w2s.figures.symbols import axis_in_words, metric_name, setting_in_words, short_value
from w2s.figures.texts import text_width
from w2s.plotting.asked import Asked, bounded, notes_of, panels_of, with_unit
from w2s.plotting.scales import limits, places
from w2s.plotting.scatter import settings_note
from w2s.plotting.sheet import Sheet
from w2s.views.axes import AxesError, field_values, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from w2s.summary.stored import Rows

__all__ = ["draw_parallel"]

_MOST_SETTINGS = 2000
_MOST_COORDINATES = 8
_MOST_VALUES = 8
"""Values that are written at an upright line."""


def draw_parallel(rows: Rows, asked: Asked) -> Figure:
    """Draw every setting as a line over all axes that vary, coloured by metric ``y``, whose interval stands at its end."""
    if asked.y is None:
        raise AxesError("parallel coordinates need y, a metric")
    first = [name for name in (asked.panel, asked.x, asked.color) if name]
    shown = view(rows, first, select=asked.select, best_over=asked.best_over, each=True)
    summary = shown.summary([asked.y], asked.level, asked.population)
    names = [name for name in shown.shown if name != asked.panel]
    if not names:
        raise AxesError("no axis varies, so there is nothing to draw across; see table")
    if len(names) > _MOST_COORDINATES or len(summary) > _MOST_SETTINGS:
        raise AxesError(
            f"{len(names)} axes and {len(summary):,} settings: at most {_MOST_COORDINATES} and {_MOST_SETTINGS:,} can be read; "
            "select values, or take the best over an axis"
        )
    notes = [settings_note(summary, names), *notes_of(shown, summary)]
    cuts = panels_of(summary, asked.panel, [asked.y], notes)
    sheet = Sheet.of(asked.style, len(cuts))
    if len(cuts) == 1:
        sheet.figure.set_figwidth(sheet.style.wide)
    found = [bounded(part, asked.y) for _, part in cuts]
    value, low, high = (np.concatenate([getattr(part, end)[part.sure] for part in found]) for end in ("value", "low", "high"))
    ends = limits(value, low, high) or (0.0, 1.0)
    colors = _Colors(float(value.min()), float(value.max()))
    for ax, (setting_value, part) in zip(sheet.axes, cuts, strict=True):
        _draw(ax, part, names, asked.y, ends, {name: field_values(summary[name]) for name in names}, colors, sheet)
        if asked.panel:
            sheet.title(ax, setting_in_words(asked.panel, setting_value))
    unit = with_unit(rows, asked.y)
    notes.append(f"Last line: {unit}, with its intervals; colour: the same, from dark (least) to light.")
    return sheet.finish(asked.title or f"{metric_name(asked.y)} of every setting", notes)


class _Colors:
    """Colours of a number between two ends."""

    def __init__(self, least: float, most: float) -> None:
        """Set the ends."""
        from matplotlib import colormaps

        self._map, self._least, self._range = colormaps["viridis"], least, (most - least) or 1.0

    def of(self, value: float) -> Any:
        """Return the colour of a number."""
        return self._map(0.92 * (value - self._least) / self._range)


def _draw(
    ax: Axes,
    part: DataFrame,
    names: list[str],
    metric: str,
    ends: tuple[float, float],
    values: dict[str, list[Any]],
    colors: _Colors,
    sheet: Sheet,
) -> None:
    found, last = bounded(part, metric), len(names)
    heights = np.stack([_heights(part[name], values[name]) for name in names] + [_scaled(found.value, ends)], axis=1)
    low, high = _scaled(found.low, ends), _scaled(found.high, ends)
    for k in np.argsort(found.value, kind="stable"):
        if found.sure[k]:
            color = colors.of(float(found.value[k]))
            ax.plot(range(last + 1), heights[k], color=color, linewidth=0.7 * sheet.style.line, alpha=0.75)
            if np.isfinite(low[k]) and np.isfinite(high[k]):
                at = last + 0.06 + 0.12 * (k % 7) / 7.0
                ax.plot([at, at], [low[k], high[k]], color=color, linewidth=0.6 * sheet.style.line)
    size = sheet.style.size
    for place, name in enumerate(names):
        written = spread(values[name], _MOST_VALUES)
        labels = [(short_value(value, 12), float(_heights([value], values[name])[0])) for value in written]
        _upright(ax, place, labels, size, sheet.style.line)
    _upright(
        ax, last, [(f"{tick:g}", float(_scaled(np.array([tick]), ends)[0])) for tick in _ticks(ends)], size, sheet.style.line
    )
    ax.set(xlim=(-0.45, last + 0.5), ylim=(-0.05, 1.05), yticks=[])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    heads = [*(axis_in_words(name) for name in names), metric_name(metric)]
    ax.set_xticks(range(last + 1), heads, fontsize=size)
    room = sheet.figure.get_figwidth() / sheet.columns / (last + 1.2)
    if max(text_width(head, size) for head in heads) > 0.9 * room:
        ax.tick_params(axis="x", labelrotation=90)


def _heights(column: Any, values: list[Any]) -> Any:
    """Spread the values of an axis evenly over an upright line, (rows,) in [0, 1]."""
    where = places(values)
    index = {at: k for k, at in enumerate(where.at)}
    return np.array([index[at] for at in where.of(column)], dtype=float) / max(len(values) - 1, 1)


def _scaled(values: Any, ends: tuple[float, float]) -> Any:
    return (values - ends[0]) / (ends[1] - ends[0])


def _ticks(ends: tuple[float, float]) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    return [float(tick) for tick in MaxNLocator(4).tick_values(*ends) if ends[0] <= tick <= ends[1]]


def _upright(ax: Axes, place: int, labels: list[tuple[str, float]], size: float, line: float) -> None:
    ax.plot([place, place], [0.0, 1.0], color="#000000", linewidth=0.6 * line)
    for text, height in labels:
        ax.text(
            place - 0.04,
            height,
            text,
            fontsize=size,
            ha="right",
            va="center",
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.4},
        )
