"""Axes against metrics, a line per setting."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s.figures.symbols import axis_in_words, metric_name
from w2s.places.url import Url
from w2s.summary import columns
from w2s.summary.population import SeedsDraw
from w2s.summary.text import interval_texts, value_text
from w2s.tabulate import formats
from w2s.tabulate.grid import Table, constants_apart
from w2s.views.axes import View, check_metric, ends_reached, view
from w2s.views.rows import rows_of
from w2s.views.units import metric_unit

if TYPE_CHECKING:
    from pandas import DataFrame

    from w2s.summary.stored import Rows

__all__ = ["USUAL", "USUAL_01", "latex_headings", "lines_of", "table", "units_note", "usual_metrics"]

USUAL = ("weak_error", "student_error", "ceiling_error", "gain", "misfit", "pgr")
USUAL_01 = ("weak_error_01", "student_error_01", "ceiling_error_01", "gain_01", "disagreement", "pgr_01")

_MARK = "†"
"""Stands at a best value that is the last one tried."""


def table(
    run: Rows | str | os.PathLike[str] | Url,
    by: str | Sequence[str] | None = None,
    metrics: str | Sequence[str] | None = None,
    *,
    select: Mapping[str, Any] | None = None,
    best_over: str | Sequence[str] = (),
    level: float = 0.95,
    population: bool | SeedsDraw = False,
) -> Table:
    """Make a table of metrics with intervals, a line per setting of the axes in ``by``.

    Parameters
    ----------
    run : rows of a run, as from `load` or `scan`, or a run folder.
    by : axes to show. None shows all that vary.
    metrics : columns or ratios. None takes the errors, gain, misfit and PGR (on 0-1 errors, where the rows have them).
    select, best_over : as in `plot`: axis -> value to keep; axes of which the best value is taken.
    level, population : as in `summarize`.

    Digits follow the half width of the intervals. Columns of one value are said once above the table, units and what is held
    below it.
    ``print(table)`` shows text of 80 columns; `Table.write` writes ``text``, ``md``, ``csv``, ``latex`` or ``html``.

    Raises ValueError for unknown names (with the nearest), for an axis with several values that is neither shown, selected nor
    reduced, and for a frame that has lost its metadata.
    """
    rows = rows_of(run)
    for name in columns.as_names(metrics or ()):
        check_metric(rows, name)
    shown = view(rows, columns.as_names(by or ()), select=select, best_over=best_over, each=by is None)
    names = usual_metrics(shown.rows) if metrics is None else columns.as_names(metrics)
    summary = shown.summary(names, level, population)
    return _table(rows, shown, summary, names)


def usual_metrics(rows: Rows) -> list[str]:
    """List the metrics of a table that nobody chose: errors, gain, misfit and PGR, 0-1 where the rows have them."""
    wanted = USUAL_01 if "student_error_01" in rows.columns and columns.has_value(rows, "student_error_01") else USUAL
    return [name for name in wanted if name in rows.columns and columns.has_value(rows, name)]


def _table(rows: Rows, shown: View, summary: DataFrame, names: Sequence[str]) -> Table:
    keys = [*shown.shown, *shown.best_over]
    headings, lines = [*keys, *names], _marked(lines_of(summary, keys, names), summary, shown)
    kept, cells, constants = constants_apart(headings, lines)
    count = sum(name in kept for name in keys)
    notes = [*shown.says(summary, mark=_MARK if shown.best_over else ""), units_note(rows, names)]
    caption = _caption(rows, shown, summary, names, constants)
    return Table(kept, cells, count, constants, tuple(filter(None, notes)), summary, _latex_names(shown, names), caption)


def _marked(lines: list[tuple[str, ...]], summary: DataFrame, shown: View) -> list[tuple[str, ...]]:
    """Mark the best values that are the last ones tried."""
    cells = [list(line) for line in lines]
    for place, name in enumerate(shown.best_over, len(shown.shown)):
        for line in (k for places in ends_reached(summary, name).values() for k in places):
            cells[line][place] += _MARK
    return [tuple(line) for line in cells]


def _caption(
    rows: Rows, shown: View, summary: DataFrame, names: Sequence[str], constants: Mapping[str, str]
) -> tuple[str, ...]:
    """Say in words what a table shows, for LaTeX: metrics, intervals, how a best value was chosen, and what is held."""

    def named(name: str) -> str:
        return f"{formats.NAME}{name}{formats.NAME}"

    told, seeds = summary.attrs["w2s_summary"], summary["seeds"]
    covers = str(told["covers"])
    if seeds.min() == seeds.max() and "over seeds" in covers:
        covers = covers.replace("over seeds", f"over {int(seeds.min())} seeds" if seeds.min() > 1 else "over one seed")
    percent, _, about = covers.partition(" %")
    metrics = [named(name) for name in names]
    listed = " and ".join([", ".join(metrics[:-1]), metrics[-1]]) if len(metrics) > 1 else "".join(metrics)
    first = f"{listed} with intervals of {percent} %{about}."
    same = [f"{', '.join(f'{named(name)} = {value}' for name, value in constants.items())}."] if constants else []
    units = [f"{named(name)}: {unit}" for name in names if (unit := metric_unit(rows, name)) and not _told_by_name(name)]
    measured = [f"Units: {'; '.join(units)}."] if units else []
    return (first, *same, *shown.says(summary, named, _MARK if shown.best_over else "")[1:], *measured)


def _told_by_name(metric: str) -> bool:
    return metric.startswith(("pgr", "opr")) or metric.endswith("_01")


def _latex_names(shown: View, names: Sequence[str]) -> dict[str, str]:
    errors = [name for name in ("student_error", "student_error_01") if shown.best_over]
    return latex_headings([*shown.shown, *shown.best_over, *shown.held, *shown.follows], [*names, *errors])


def lines_of(summary: DataFrame, keys: Sequence[str], names: Sequence[str]) -> list[tuple[str, ...]]:
    """Write every row of a summary: its keys, and its metrics with digits from their half widths."""
    records = [{str(name): value for name, value in row.items()} for row in summary.to_dict("records")]
    cells = [*([value_text(row[key]) for row in records] for key in keys), *(interval_texts(records, name) for name in names)]
    return list(zip(*cells, strict=True))


def units_note(rows: Rows, names: Sequence[str]) -> str:
    """Say in what metrics are measured, those of one unit together."""
    units: dict[str, list[str]] = {}
    for name in names:
        if unit := metric_unit(rows, name):
            units.setdefault(unit, []).append(name)
    said = "; ".join(f"{', '.join(members)}: {unit}" for unit, members in units.items())
    return f"Units: {said}." if said else ""


def latex_headings(keys: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Return the LaTeX of headings: words and symbols of axes, and metrics in words."""
    return {name: axis_in_words(name) for name in keys} | {name: metric_name(name) for name in names}
