"""Which axes of a table are shown, and what becomes of the others: the one place that decides it.

An axis with several values is *shown*, or one of its values is *selected*, or it is *reduced* to its best value. Else a number
in the picture would be that of an arbitrary value, or an average over settings that nobody asked for: that is an error, which
names the three ways. Axes that have one value are *held* and named. An axis whose value the shown ones decide *follows* them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from w2s.errors import nearest
from w2s.summary import best, summarize
from w2s.summary import columns as tables
from w2s.summary.best import error_beside
from w2s.summary.columns import BoolArray
from w2s.summary.contrast import equal_to
from w2s.summary.population import SeedsDraw
from w2s.summary.stored import Stored
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from w2s.summary.stored import Rows

__all__ = ["AxesError", "View", "axes_text", "check_metric", "ends_reached", "field_values", "metrics_of", "rows_with", "view"]

_NO_AXES = ("study", "version", tables.SEED)
_SOME = 6
_MOST_NUMBERS = 24
"""Values of an axis that a message lists."""


class AxesError(ValueError):
    """An axis that cannot be shown as asked, or that nothing was said about; the message says what can be done."""


@dataclass(frozen=True)
class View:
    """The rows that are left, and what is said of every axis.

    Attributes
    ----------
    rows : usable and unusable rows of the shown settings, with their metadata.
    shown, best_over : axes by which rows are grouped, and those of which the best value is taken.
    held : value, as text, of every axis that has one value here and that the run varies or that was selected.
    follows : axes whose value the shown ones decide, with their values as text.
    left_out : axes that rows lack, and how many rows are left out for it.

    """

    rows: Rows
    shown: tuple[str, ...]
    best_over: tuple[str, ...]
    held: Mapping[str, str]
    follows: Mapping[str, str]
    left_out: tuple[tuple[tuple[str, ...], int], ...]

    def summary(self, metrics: Sequence[str], level: float = 0.95, population: bool | SeedsDraw = False) -> DataFrame:
        """Summarise metrics over seeds, a row per shown setting; with ``best_over``, at the value that selection seeds choose.

        The choice makes the student's error least (0-1, where the first metric is) on even seeds; numbers are of odd ones.
        """
        names = list(dict.fromkeys(metrics))
        if not self.best_over:
            return summarize(self.rows, list(self.shown), names, level, population=population)
        by, over = list(self.shown), list(self.best_over)
        error = error_beside(names[0])
        return best(self.rows, over, by, error, metrics=names, level=level, population=population)

    def says(self, summary: DataFrame, named: Callable[[str], str] = str, mark: str = "") -> list[str]:
        """Say of a summary what its intervals cover, what is held, how a best value was chosen, and what is left out.

        ``named`` writes an axis or the student's error: a column's name in a table, words and a symbol in a picture. ``mark``
        stands at values that are the last ones tried.
        """
        lines = [f"Intervals: {summary.attrs['w2s_summary']['covers']}; {_seeds(summary)}."]
        if self.held:
            lines.append(f"Held: {', '.join(f'{named(name)} = {value}' for name, value in self.held.items())}.")
        lines += [f"{named(name)} follows the axes shown: {values}." for name, values in self.follows.items()]
        if self.best_over:
            over = " and ".join(map(named, self.best_over))
            even = int((self.rows[tables.SEED].drop_duplicates() % 2 == 0).sum())
            least = named(error_beside(summary.attrs["w2s_summary"]["metrics"][0]))
            lines.append(
                f"Best {over}: chosen by the least mean of {least} on the {even} even seeds, for each setting; the numbers are "
                "those of the odd seeds."
            )
            lines += _at_ends(summary, self.best_over, named, mark)
        if excluded := int(summary["excluded"].sum()):
            lines.append(f"{excluded:,} rows without a number (failed, not finite, or null) did not enter.")
        return [
            *lines,
            *(f"{count:,} rows without {' or '.join(map(named, names))} are left out." for names, count in self.left_out),
        ]


def view(
    table: Rows,
    shown: Iterable[str],
    *,
    select: Mapping[str, Any] | None = None,
    best_over: str | Sequence[str] = (),
    numbers: Sequence[str] = (),
    each: bool = False,
) -> View:
    """Choose the rows to show, and account for every axis of the table.

    Parameters
    ----------
    table : rows of a run with their metadata.
    shown : axes to group by.
    select : axis -> the value to keep, or a list of values; texts are read as the axis's values are written.
    best_over : axes of which the best value is taken.
    numbers : those of ``shown`` that need a number; rows in which one is null are left out, and the view says so.
    each : show every setting apart: all axes that vary are shown.

    Raises :class:`AxesError` for unknown names (with the nearest), values that no row has, and an axis with several values that
    is neither shown nor reduced.
    """
    fields = [name for name in tables.cell_fields(table) if name not in _NO_AXES]
    shown, over = list(dict.fromkeys(shown)), tables.as_names(best_over)
    chosen = dict(select or {})
    for role, names in (("shown", shown), ("reduced", over)):
        for name in names:
            _check_axis(table, fields, name, role)
    if both := sorted(set(shown) & set(over)):
        raise AxesError(f"{', '.join(both)} cannot be both shown and reduced to its best value")
    rows = rows_with(table, chosen)
    left_out: list[tuple[tuple[str, ...], int]] = []
    for names in ([name] for name in numbers):
        rows = _with_values(rows, names, left_out)
    if over:
        rows = _with_values(rows, over, left_out)
    varying = tables.varying(rows, fields)
    if each:
        shown += [name for name in varying if name not in shown and name not in over]
    rest = [name for name in varying if name not in shown and name not in over]
    follows = {name: _listed(rows[name]) for name in rest if _decided(rows, [*shown, *over], name)}
    if loose := [name for name in rest if name not in follows]:
        raise AxesError(_three_ways(rows, loose))
    asked = set(table.attrs["w2s"].get("axes", ())) | set(tables.varying(table, fields)) | set(chosen)
    held = {
        name: value_text(next(iter(tables.distinct(rows, name)), None))
        for name in fields
        if name in asked and name not in (*varying, *shown, *over) and (name in chosen or tables.has_value(rows, name))
    }
    return View(rows, tuple(shown), tuple(over), held, follows, tuple(left_out))


def field_values(column: Series[Any]) -> list[Any]:
    """List the distinct values of a column in order, nulls (as None) last."""
    values = list(column.dropna().drop_duplicates())
    try:
        values.sort()
    except TypeError:
        values.sort(key=repr)
    return [*values, None] if column.isna().any() else values


def ends_reached(summary: DataFrame, name: str) -> dict[str, list[int]]:
    """List the lines of a summary whose best value is the ``least`` or the ``greatest`` one tried of an axis."""
    said = [str(text).split(", ") for text in summary["selected_at_end"]]
    return {end: [k for k, words in enumerate(said) if f"{name} {end}" in words] for end in ("least", "greatest")}


def _at_ends(summary: DataFrame, over: Sequence[str], named: Callable[[str], str], mark: str) -> list[str]:
    """Say in how many lines the best value is the last one tried, and how far the axis must go on."""
    lines = []
    for name in over:
        ends = ends_reached(summary, name)
        if not (count := sum(map(len, ends.values()))):
            continue
        further = []
        for end, way in (("least", "below"), ("greatest", "above")):
            values = [float(summary[name].iloc[k]) for k in ends[end]]
            value = (min if end == "least" else max)(values, default=0.0)
            further += [f"{way} {value_text(value)}"] if value not in (0.0, np.inf) else []
        more = f": others may be better, so extend {named(name)} {' and '.join(further)}" if further else ""
        said = f"In {count} of {len(summary)} settings the best {named(name)} is the last value tried{more}."
        lines.append(f"{mark} {said}".strip())
    return lines


def _seeds(summary: DataFrame) -> str:
    counts = summary["seeds"]
    least, most = int(counts.min()), int(counts.max())
    number = str(least) if least == most else f"{least} to {most}"
    return "one seed" if number == "1" else f"{number} seeds"


def metrics_of(table: Rows) -> list[str]:
    """List the metrics of a run that have numbers, without ends of intervals: the usual ones first, then the others."""
    told = list(map(str, table.attrs.get("w2s", {}).get("metrics", ())))
    columns = [name for name in ([*tables.METRICS, *told] if told else map(str, table.columns)) if name in table.columns]
    fields = {*tables.cell_fields(table), *tables.IDENTITY, *tables.PROVENANCE}
    numbers = [name for name in columns if name not in fields and tables.is_number(table, name) and _has_value(table, name)]
    known = [name for name in tables.METRICS if name in numbers]
    return [name for name in dict.fromkeys([*known, *numbers]) if not tables.metric_of_end(name, table.columns)]


def _has_value(table: Rows, name: str) -> bool:
    return table.has_value(name) if isinstance(table, Stored) else bool(table[name].notna().any())


def check_metric(table: Rows, name: str) -> None:
    """Refuse what is no metric of a run; raises :class:`AxesError` with the nearest one, and those that the run has."""
    if (name in table.columns and name not in tables.cell_fields(table)) or tables.is_ratio(table, name):
        return
    known = metrics_of(table)
    what = f"{name!r} is an axis" if name in table.columns else f"no metric {name!r}{nearest(name, known)}"
    raise AxesError(f"{what}; metrics of this run: {', '.join(known)}")


def axes_text(table: Rows, fields: Sequence[str] | None = None) -> str:
    """List the axes of a run: those with several values, then the others."""
    names = [name for name in (tables.cell_fields(table) if fields is None else fields) if name not in _NO_AXES]
    several = tables.varying(table, names)
    rest = [name for name in names if name not in several and _has_value(table, name)]
    others = f"; with one value: {', '.join(rest)}" if rest else ""
    return f"axes with several values: {', '.join(several) or 'none'}{others}"


def _check_axis(table: Rows, fields: Sequence[str], name: str, role: str) -> None:
    if name in fields:
        return
    if name in table.columns:
        kind = "seeds are the replicates that intervals are over" if name == tables.SEED else "it is a result or provenance"
        raise AxesError(f"{name!r} cannot be {role}: {kind}; {axes_text(table, fields)}")
    raise AxesError(f"no axis {name!r} to be {role}{nearest(name, fields)}; {axes_text(table, fields)}")


def rows_with(table: Rows, chosen: Mapping[str, Any]) -> Rows:
    """Keep the rows with the values of some axes; a value may be a list, and a text is read as the axis's values are written.

    Raises :class:`AxesError` for an unknown axis and for a value that no row has, with the nearest.
    """
    fields = [name for name in tables.cell_fields(table) if name not in _NO_AXES]
    for name in chosen:
        _check_axis(table, fields, name, "selected")
    rows = table
    for name, wanted in chosen.items():
        values = list(wanted) if isinstance(wanted, list | set | frozenset | range) else [wanted]
        masks = [_equal(rows, name, value) for value in values]
        rows = _marked(rows, np.logical_or.reduce(masks))
    return rows


def _equal(table: Rows, name: str, value: Any) -> BoolArray:
    """Mark the rows with a value; a text is read as the column's values are written."""
    column = table[name]
    known = field_values(column)
    if isinstance(value, str) and column.dtype.kind in "iuf":
        try:
            value = None if value in ("", "-", "none", "null") else float(value)
        except ValueError:
            raise AxesError(f"{name}={value!r} is no number; {name} has {_listed(column, _MOST_NUMBERS)}") from None
    elif isinstance(value, str) and value not in known:
        value = next((item for item in known if value_text(item) == value), value)
    mask = equal_to(column, value)
    if not mask.any():
        near = nearest(value_text(value), [value_text(item) for item in known])
        raise AxesError(f"no row left has {name}={value_text(value)}{near}; {name} has {_listed(column, _MOST_NUMBERS)}")
    return mask


def _with_values(rows: Rows, names: Sequence[str], left_out: list[tuple[tuple[str, ...], int]]) -> Rows:
    """Leave out the rows in which all of some axes are null, and say so."""
    if not all(tables.has_null(rows, name) for name in names):
        return rows
    present = np.logical_or.reduce([rows[name].notna().to_numpy() for name in names])
    if present.all():
        return rows
    if not present.any():
        raise AxesError(f"no row has a value of {' or '.join(names)}, so it cannot be shown or reduced")
    left_out.append((tuple(names), int((~present).sum())))
    return _marked(rows, present)


def _marked(rows: Rows, mask: BoolArray) -> Rows:
    found: Rows = cast("Any", rows)[mask]
    return found


def _decided(rows: Rows, by: Sequence[str], name: str) -> bool:
    """Tell whether the value of an axis is a function of others."""
    _, keys = tables.group_codes(rows, by)
    _, pairs = tables.group_codes(rows, [*by, name])
    return len(pairs) == len(keys)


def _listed(column: Series[Any], most: int = _SOME) -> str:
    values = [value_text(value) for value in field_values(column)]
    return ", ".join(values) if len(values) <= most else f"{', '.join(values[: most - 1])}, ... ({len(values)} values)"


def _three_ways(rows: Rows, loose: Sequence[str]) -> str:
    axes = "".join(f"\n  {name}: {_listed(rows[name])}" for name in loose)
    first = loose[0]
    value = value_text(field_values(rows[first])[0])
    many = "an axis has several values and is" if len(loose) == 1 else f"{len(loose)} axes have several values and are"
    return (
        f"{many} neither shown nor reduced:{axes}\n"
        f"Name each in one of three ways: show it (x, y, panel or color; by of a table), select a value ({first}={value}), "
        f"or take its best value (best-over {first})"
    )
