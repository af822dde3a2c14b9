"""The one function that draws: words in, figure out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from w2s.errors import nearest
from w2s.places.url import Url
from w2s.plotting.asked import Asked
from w2s.plotting.heatmap import draw_heatmap
from w2s.plotting.lines import draw_lines
from w2s.plotting.parallel import draw_parallel
from w2s.plotting.scatter import draw_scatter
from w2s.plotting.style import MOST_LINES, StyleName
from w2s.summary import columns
from w2s.summary.population import SeedsDraw
from w2s.views.axes import AxesError, axes_text, check_metric, metrics_of
from w2s.views.rows import rows_of
from w2s.views.units import metric_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from w2s.summary.stored import Rows

__all__ = ["KINDS", "Kind", "plot"]

Kind = Literal["line", "heatmap", "scatter", "parallel"]
KINDS: Mapping[str, Callable[[Rows, Asked], Figure]] = {
    "line": draw_lines,
    "heatmap": draw_heatmap,
    "scatter": draw_scatter,
    "parallel": draw_parallel,
}


def plot(
    run: Rows | str | os.PathLike[str] | Url,
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    *,
    panel: str | None = None,
    color: str | None = None,
    kind: Kind | None = None,
    select: Mapping[str, Any] | None = None,
    best_over: str | Sequence[str] = (),
    style: StyleName = "paper",
    level: float = 0.95,
    population: bool | SeedsDraw = False,
    title: str | None = None,
) -> Figure:
    """Draw a metric of a run against its axes, with intervals and with everything that is held fixed.

    Parameters
    ----------
    run : rows of a run, as from `load` or `scan`, or a run folder.
    x, y : for lines an axis and a metric; for a heatmap two axes; for a scatter plot two metrics, a point for every setting;
        for parallel coordinates y is the metric and all axes that vary are drawn. Lines may have several metrics of one unit,
        such as ``["weak_error", "student_error"]``: each has its colour, so ``color`` is not free then.
    panel : axis with a panel for every value.
    color : axis with a line for every value; for a heatmap the metric.
    kind : "line", "heatmap", "scatter" or "parallel"; None judges by what x and y are.
    select : axis -> the value to keep, or a list of them.
    best_over : axes of which the best value is taken: least student's error on even seeds, reported on odd ones (`best`).
    style : "paper" (3.25 inches, 6.75 with panels, letters of 8 points) or "slides".
    level, population : of the intervals, as in `summarize`.
    title : what the figure is called; written on slides only, since a paper has captions.

    Below the panels the figure says what intervals cover, which value every axis has that is not shown, how a best value was
    chosen, and what could not be drawn. ``figure.get_label()`` is the same text. :func:`w2s.plotting.picture_bytes` writes a
    figure with embedded fonts.

    Raises ValueError for unknown names (with the nearest), for an axis with several values that is neither shown, selected nor
    reduced (it names the three ways), for metrics of several units, for a frame that has lost its metadata, and where no number
    can be drawn.
    """
    rows = rows_of(run)
    axes = set(columns.cell_fields(rows))
    metrics = [] if y is None else columns.as_names(y)
    first = metrics[0] if metrics else None
    roles = _ROLES.get(str(kind), _ROLES["heatmap" if x in axes and first in axes else "line"])
    for word, names in (("x", [x]), ("y", metrics), ("panel", [panel]), ("color", [color])):
        for name in names:
            _check_name(rows, name, roles[word])
    chosen = kind or _judged(axes, x, first, color)
    if chosen not in KINDS:
        raise AxesError(f"kind={chosen!r} is not one of: {', '.join(KINDS)}{nearest(chosen, KINDS)}")
    _check_roles(rows, axes, chosen, {"x": x, "y": first, "panel": panel, "color": color})
    if len(metrics) > 1:
        for metric in metrics[1:]:
            _check_roles(rows, axes, chosen, {"x": x, "y": metric, "panel": panel})
        _check_together(rows, metrics, chosen, color)
    over, more = tuple(columns.as_names(best_over)), tuple(metrics[1:])
    return KINDS[chosen](rows, Asked(x, first, panel, color, dict(select or {}), over, style, level, population, title, more))


def _check_together(rows: Rows, metrics: Sequence[str], kind: str, color: str | None) -> None:
    """Refuse metrics that cannot share a panel: of several units, in another kind than lines, or where colours are taken."""
    if kind != "line":
        raise AxesError(f"y={','.join(metrics)}: only lines have several metrics; kind {kind} has one")
    if color is not None:
        raise AxesError(
            f"color={color}: the {len(metrics)} metrics of y take the colours; show {color} as panel, or select a value"
        )
    if len(set(metrics)) < len(metrics):
        raise AxesError(f"one name is given twice: {', '.join(metrics)}")
    if len(metrics) > MOST_LINES:
        raise AxesError(f"y has {len(metrics)} metrics: at most {MOST_LINES} lines can be told apart")
    units = {name: metric_unit(rows, name) for name in metrics}
    if len(set(units.values())) > 1:
        said = "; ".join(f"{name}: {unit or 'no unit'}" for name, unit in units.items())
        raise AxesError(f"metrics in one panel need one unit, and these have several ({said}); draw a figure for each unit")


def _check_name(rows: Rows, name: str | None, role: str) -> None:
    if name is None or name in rows.columns or columns.is_ratio(rows, name):
        return
    if role == "metric":
        check_metric(rows, name)
    known = [*(name for name in columns.cell_fields(rows) if name not in ("study", "version")), *metrics_of(rows)]
    raise AxesError(f"no axis {name!r}{nearest(name, known)}; {axes_text(rows)}")


def _judged(axes: set[str], x: str | None, y: str | None, color: str | None) -> str:
    if x in axes and y in axes:
        return "heatmap"
    if x is None and y is not None and y not in axes and color is None:
        return "parallel"
    return "scatter" if x is not None and x not in axes else "line"


_ROLES: Mapping[str, Mapping[str, str]] = {
    "line": {"x": "axis", "y": "metric", "panel": "axis", "color": "axis"},
    "heatmap": {"x": "axis", "y": "axis", "panel": "axis", "color": "metric"},
    "scatter": {"x": "metric", "y": "metric", "panel": "axis", "color": "axis"},
    "parallel": {"x": "axis", "y": "metric", "panel": "axis", "color": "axis"},
}


def _check_roles(rows: Rows, axes: set[str], kind: str, words: Mapping[str, str | None]) -> None:
    """Refuse an axis where the kind of figure needs a metric, and the reverse."""
    for word, name in words.items():
        role = _ROLES[kind][word]
        if name is not None and (name in axes) != (role == "axis"):
            known = [*columns.varying(rows, sorted(axes))] if role == "axis" else ["gain", "misfit", "pgr", "student_error"]
            what = "a metric" if role == "axis" else "an axis"
            raise AxesError(
                f"kind {kind}: {word}={name} is {what}, and must be {_with_article(role)}, such as {', '.join(known)}"
            )
    shown = [name for name in words.values() if name is not None]
    if len(set(shown)) < len(shown):
        raise AxesError(f"one name is given twice: {', '.join(shown)}")


def _with_article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
