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
from w2s.summary.columns import is_number
from w2s.summary.digits import number_digits
from w2s.views.axes import AxesError, field_values, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from w2s.summary.stored import Rows

__all__ = ["draw_heatmap"]

Matrix = npt.NDArray[np.float64]
_UNKNOWN = "#d9d9d9"
_LEAST_FOR_LINES = 8
"""Values of both axes from which on a contour is drawn between them."""
_SIGNED = ("gain", "pgr", "cross_term")


def draw_heatmap(rows: Rows, asked: Asked) -> Figure:
    """Draw metric ``color`` over the axes ``x`` and ``y``.

    A metric with a sign has colours that are white at zero. Where both axes are of many numbers there is a line where its mean
    over seeds is zero, and dashed lines where one end of its interval is zero: the zero contour lies between them, point by
    point, with the level of the intervals. Between few values, or words, nothing is known, so there every cell whose interval
    does not exclude zero is hatched instead.
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
    lines_between = min(len(across.values), len(up.values)) >= _LEAST_FOR_LINES and "words" not in (across.kind, up.kind)
    for ax, (value, part) in zip(sheet.axes, cuts, strict=True):
        grids = _grids(part, asked.x, asked.y, metric, across, up)
        mesh = ax.pcolormesh(across.edges(), up.edges(), np.ma.masked_invalid(grids[0]), rasterized=True, **colors)
        ax.set_facecolor(_UNKNOWN)
        ax.grid(visible=False)
        if signed and not lines_between:
            _hatch(ax, grids, across, up, sheet.style.line)
        elif signed:
            drawn |= _contours(ax, grids, across, up, sheet.style.line)
        if asked.panel:
            sheet.title(ax, setting_in_words(asked.panel, value))
        across.draw(ax, "x", sheet.style.size, 0.6 * sheet.panel_width, at_values=not lines_between)
        up.draw(ax, "y", sheet.style.size, sheet.style.least, at_values=not lines_between)
        ax.set(xlim=across.edges()[[0, -1]], ylim=up.edges()[[0, -1]])
    _bar(sheet, mesh, with_unit(rows, metric), _pointed(cuts, metric, colors))
    sheet.label(axis_in_words(asked.x), axis_in_words(asked.y))
    if signed:
        percent = f"{100 * asked.level:g} %"
        hatched = f"Hatched: the {percent} interval of {metric_name(metric)} does not exclude zero."
        notes.insert(0, _contour_note(metric_name(metric), percent, drawn) if lines_between else hatched)
    notes += [beyond] if (beyond := _beyond(cuts, metric, colors)) else []
    notes += ["Grey: no number."] if any(len(part) < len(across.values) * len(up.values) for _, part in cuts) else []
    title = asked.title or f"{metric_name(metric)} over {axis_in_words(asked.x)} and {axis_in_words(asked.y)}"
    return sheet.finish(title, notes)


def _numeric(rows: Rows, *names: str) -> list[str]:
    return [name for name in names if is_number(rows, name)]


def _seen(part: DataFrame, metric: str) -> Matrix:
    found = bounded(part, metric)
    return found.value[found.sure]


def _grids(part: DataFrame, x: str, y: str, metric: str, across: Places, up: Places) -> tuple[Matrix, Matrix, Matrix]:
    """Return mean, lower and upper ends as arrays (values of y, values of x); NaN where there is no number."""
    column = {at: k for k, at in enumerate(across.at)}
    row = {at: k for k, at in enumerate(up.at)}
    at = ([row[value] for value in up.of(part[y])], [column[value] for value in across.of(part[x])])
    found = bounded(part, metric)
    grids = []
    for values in (np.where(found.sure, found.value, np.nan), found.low, found.high):
        grid = np.full((len(up.at), len(across.at)), np.nan)
        grid[at] = values
        grids.append(grid)
    return grids[0], grids[1], grids[2]


def _colors(values: Matrix, signed: bool) -> dict[str, Any]:
    """Choose colours: two around zero for a metric with a sign, else one scale.

    Their range is that of the values, but for few that lie far beyond the rest (more than 1.5 times the range of the middle
    nine tenths): these have the last colour, which the bar's pointed ends stand for.
    """
    low, high = np.quantile(values, [0.05, 0.95])
    reach = 1.5 * (high - low)
    least, most = max(float(values.min()), float(low - reach)), min(float(values.max()), float(high + reach))
    if signed:
        widest = max(abs(least), abs(most)) or 1.0
        return {"cmap": "RdBu", "vmin": -widest, "vmax": widest}
    return {"cmap": "cividis", "vmin": least, "vmax": most if most > least else least + 1.0}


def _beyond(cuts: list[tuple[Any, DataFrame]], metric: str, colors: dict[str, Any]) -> str:
    """Say how many cells lie beyond the range of colours, and how far."""
    values = np.concatenate([_seen(part, metric) for _, part in cuts])
    below, above = values[values < colors["vmin"]], values[values > colors["vmax"]]
    said = [f"{len(some)} down to {number_digits(some.min())}" for some in [below] if len(some)]
    said += [f"{len(some)} up to {number_digits(some.max())}" for some in [above] if len(some)]
    return f"Cells beyond the colours: {' and '.join(said)}." if said else ""


def _pointed(cuts: list[tuple[Any, DataFrame]], metric: str, colors: dict[str, Any]) -> str:
    """Return the ends of the bar that are pointed, since values lie beyond them."""
    values = np.concatenate([_seen(part, metric) for _, part in cuts])
    below, above = bool((values < colors["vmin"]).any()), bool((values > colors["vmax"]).any())
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")


def _contour_note(name: str, percent: str, drawn: set[str]) -> str:
    """Say what the lines are, or that there are none."""
    if "solid" in drawn:
        return f"Black: {name} is zero; dashed: one end of its {percent} interval is zero, point by point."
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


def _hatch(ax: Axes, grids: tuple[Matrix, Matrix, Matrix], across: Places, up: Places, line: float) -> None:
    """Draw lines across the cells with a number whose interval does not exclude zero."""
    from matplotlib.patches import Rectangle

    mean, low, high = grids
    x, y = across.edges(), up.edges()
    for row, column in zip(*np.nonzero(np.isfinite(mean) & ~((low > 0) | (high < 0))), strict=True):
        width, height = x[column + 1] - x[column], y[row + 1] - y[row]
        plain: dict[str, Any] = {"fill": False, "edgecolor": "#707070", "linewidth": 0.0, "hatch_linewidth": 0.4 * line}
        ax.add_patch(Rectangle((x[column], y[row]), width, height, hatch="////", **plain))


def _bar(sheet: Sheet, mesh: Any, label: str, extend: str) -> None:
    from matplotlib.ticker import MaxNLocator

    bar = sheet.figure.colorbar(mesh, ax=sheet.axes, extend=extend, pad=0.02, fraction=0.06, aspect=25)
    bar.set_label("\n".join(folded(label, 0.8 * sheet.panel_height, sheet.style.size)), fontsize=sheet.style.size)
    bar.ax.tick_params(labelsize=sheet.style.size)
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))
    bar.outline.set_linewidth(0.5 * sheet.style.line)
