"""Phase diagrams: a metric over two axes, with the contour at which it is zero and how far that contour is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.figures.symbols import axis_in_words, metric_name, setting_in_words
from w2s.figures.texts import folded
from w2s.plotting.asked import Asked, bounded, notes_of, panels_of, with_unit
from w2s.plotting.scales import Places, places
from w2s.plotting.sheet import Sheet
from w2s.views.axes import AxesError, field_values, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["draw_heatmap"]

Matrix = npt.NDArray[np.float64]
_UNKNOWN = "#d9d9d9"
_SIGNED = ("gain", "pgr", "cross_term")


def draw_heatmap(rows: DataFrame, asked: Asked) -> Figure:
    """Draw metric ``color`` over the axes ``x`` and ``y``.

    A metric with a sign has colours that are white at zero, a line where its mean over seeds is zero, and dashed lines where
    one end of its interval is: the zero contour lies between them, pointwise, with the level of the intervals.
    """
    if asked.x is None or asked.y is None or asked.color is None:
        raise AxesError("a heatmap needs x and y, two axes, and color, a metric")
    metric = asked.color
    axes = [name for name in (asked.x, asked.y, asked.panel) if name]
    shown = view(rows, axes, select=asked.select, best_over=asked.best_over, numbers=_numeric(rows, asked.x, asked.y))
    summary = shown.summary([metric], asked.level, asked.population)
    notes = notes_of(shown, summary)
    cuts = panels_of(summary, asked.panel, [metric], notes)
    across, up = places(field_values(summary[asked.x])), places(field_values(summary[asked.y]))
    if min(len(across.values), len(up.values)) < 2:
        raise AxesError(f"a heatmap needs two values or more of {asked.x} and of {asked.y}; draw lines")
    sheet = Sheet.of(asked.style, len(cuts))
    signed = metric.startswith(_SIGNED)
    colors = _colors(np.concatenate([_seen(part, metric) for _, part in cuts]), signed)
    mesh: Any = None
    drawn: set[str] = set()
    for ax, (value, part) in zip(sheet.axes, cuts, strict=True):
        grids = _grids(part, asked.x, asked.y, metric, across, up)
        mesh = ax.pcolormesh(across.edges(), up.edges(), np.ma.masked_invalid(grids[0]), rasterized=True, **colors)
        ax.set_facecolor(_UNKNOWN)
        ax.grid(visible=False)
        if signed:
            drawn |= _contours(ax, grids, across, up, sheet.style.line)
        if asked.panel:
            sheet.title(ax, setting_in_words(asked.panel, value))
        across.draw(ax, "x", sheet.style.size, 0.6 * sheet.panel_width)
        up.draw(ax, "y", sheet.style.size, sheet.style.least)
        ax.set(xlim=across.edges()[[0, -1]], ylim=up.edges()[[0, -1]])
    _bar(sheet, mesh, with_unit(rows, metric))
    sheet.label(axis_in_words(asked.x), axis_in_words(asked.y))
    if signed:
        notes.insert(0, _contour_note(metric_name(metric), f"{100 * asked.level:g} %", drawn))
    notes += ["Grey: no number."] if any(len(part) < len(across.values) * len(up.values) for _, part in cuts) else []
    title = asked.title or f"{metric_name(metric)} over {axis_in_words(asked.x)} and {axis_in_words(asked.y)}"
    return sheet.finish(title, notes)


def _numeric(rows: DataFrame, *names: str) -> list[str]:
    return [name for name in names if rows[name].dtype.kind in "iuf"]


def _seen(part: DataFrame, metric: str) -> Matrix:
    found = bounded(part, metric)
    return found.value[found.drawn]


def _grids(part: DataFrame, x: str, y: str, metric: str, across: Places, up: Places) -> tuple[Matrix, Matrix, Matrix]:
    """Return mean, lower and upper ends as arrays (values of y, values of x); NaN where there is no number."""
    column = {at: k for k, at in enumerate(across.at)}
    row = {at: k for k, at in enumerate(up.at)}
    at = ([row[value] for value in up.of(part[y])], [column[value] for value in across.of(part[x])])
    found = bounded(part, metric)
    grids = []
    for values in (np.where(found.drawn, found.value, np.nan), found.low, found.high):
        grid = np.full((len(up.at), len(across.at)), np.nan)
        grid[at] = values
        grids.append(grid)
    return grids[0], grids[1], grids[2]


def _colors(values: Matrix, signed: bool) -> dict[str, Any]:
    """Choose colours: two around zero for a metric with a sign, else one scale; a few extreme values do not bleach the rest."""
    least, most = np.quantile(values, [0.01, 0.99])
    if signed:
        reach = float(max(abs(least), abs(most))) or 1.0
        return {"cmap": "RdBu", "vmin": -reach, "vmax": reach}
    return {"cmap": "cividis", "vmin": float(least), "vmax": float(most) if most > least else float(least) + 1.0}


def _contour_note(name: str, percent: str, drawn: set[str]) -> str:
    """Say what the lines are, or that there are none."""
    if "solid" in drawn:
        return f"Black: {name} is zero; dashed: one end of its {percent} interval is, point by point."
    within = f"; within dashed lines its {percent} interval holds zero" if drawn else ""
    return f"{name} changes its sign nowhere here{within}."


def _contours(ax: Axes, grids: tuple[Matrix, Matrix, Matrix], across: Places, up: Places, line: float) -> set[str]:
    """Draw where mean (solid) and ends of the interval (dashed) are zero; return which of them are somewhere."""
    crossed = set()
    for grid, width, dashes in zip(grids, (1.4, 0.8, 0.8), ("solid", "dashed", "dashed"), strict=True):
        if min(grid.shape) < 2 or not (np.nanmin(np.append(grid, np.inf)) < 0 < np.nanmax(np.append(grid, -np.inf))):
            continue
        ax.contour(
            across.at, up.at, np.ma.masked_invalid(grid), [0.0], colors="#000000", linewidths=width * line, linestyles=dashes
        )
        crossed.add(dashes)
    return crossed


def _bar(sheet: Sheet, mesh: Any, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    bar = sheet.figure.colorbar(mesh, ax=sheet.axes, extend="both", pad=0.02, fraction=0.06, aspect=25)
    bar.set_label("\n".join(folded(label, 0.8 * sheet.panel_height, sheet.style.size)), fontsize=sheet.style.size)
    bar.ax.tick_params(labelsize=sheet.style.size)
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))
    bar.outline.set_linewidth(0.5 * sheet.style.line)
