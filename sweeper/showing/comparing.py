"""Runs beside each other, or values of an axis of one run: differences paired by seed, with conclusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from sweeper.errors import UserError
from sweeper.folder.run_folder import run_name
from sweeper.showing.pictures import names_of, rows_to_show, selected
from w2s.places.url import Where
from w2s.summary import compare
from w2s.tables.side_by_side import RUN, side_by_side
from w2s.tabulate import Table, comparison_table
from w2s.views import rows_with, view
from w2s.views.units import metric_unit

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["compare_runs"]


def compare_runs(
    runs: Sequence[str],
    metric: str | None = None,
    over: str | None = None,
    baseline: str | None = None,
    by: str | None = None,
    better: Literal["auto", "lower", "higher"] = "auto",
    select: Sequence[str] = (),
    best_over: str | None = None,
    *,
    trust_code: bool = False,
) -> Table:
    """Compare every run with the first one, or every value of ``over`` in one run with ``baseline``.

    Rows are paired by seed within every setting that the runs share; p-values are corrected by Holm over the whole table. With
    ``select`` rows are kept by the values of axes, in each run that has such a value; with ``best_over`` each side takes its
    own best value of those axes, chosen on even seeds.

    Raises :class:`UserError` for fewer than two runs without ``over``, for runs of different studies or versions, and for words
    that do not fit.
    """
    if (over is None) == (len(runs) == 1):
        raise UserError(
            "name two runs or more, or one run with --over AXIS"
            if over is None
            else f"--over compares values within one run; {len(runs)} runs are given"
        )
    frames = {name: rows_to_show(run, trust_code=trust_code) for run, name in _names(runs).items()}
    try:
        kept = _selected(frames, selected(select))
        rows = next(iter(kept.values())) if over else side_by_side(kept)
        axis = over or RUN
        at = _value(rows, axis, baseline, next(iter(kept)))
        column = metric or _usual(rows)
        groups, reduced = names_of(by), names_of(best_over) or []
        view(rows, [axis, *groups] if groups is not None else [], best_over=reduced, each=groups is None)
        found = compare(rows, axis, at, column, groups, better=better, best_over=reduced)
        return comparison_table(found, metric_unit(rows, column), rows.attrs["w2s"].get("differ"))
    except ValueError as error:
        raise UserError(str(error)) from None


def _names(runs: Sequence[str]) -> dict[str, str]:
    """Name runs by the ends of their paths that tell them apart. Raises :class:`UserError` for a run that is given twice."""
    places: list[Where] = [run_name(run) for run in runs]
    parts = [str(place).rstrip("/").split("/") for place in places]
    if len({tuple(part) for part in parts}) < len(parts):
        raise UserError(f"a run is given twice: {', '.join(runs)}")
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return dict(zip(runs, names, strict=True))
    return {run: run for run in runs}


def _selected(frames: Mapping[str, DataFrame], chosen: Mapping[str, Any]) -> dict[str, DataFrame]:
    """Keep selected values in every run that has one of them. Raises ValueError for a value that no run has."""
    kept = dict(frames)
    for axis, value in chosen.items():
        wanted = value if isinstance(value, list) else [value]
        found: dict[str, list[Any]] = {name: [] for name in kept}
        for one in wanted:
            errors = []
            for name, rows in kept.items():
                try:
                    rows_with(rows, {axis: one})
                    found[name].append(one)
                except ValueError as error:
                    errors.append(error)
            if len(errors) == len(kept):
                raise errors[0]
        for name, rows in kept.items():
            kept[name] = cast("DataFrame", rows_with(rows, {axis: found[name]})) if found[name] else rows
    return kept


def _value(rows: DataFrame, axis: str, baseline: str | None, first: str) -> Any:
    """Read the baseline as the axis's values are written; by default the first run, or the least value."""
    if axis == RUN:
        return baseline or first
    if baseline is None:
        values = sorted(map(str, rows[axis].dropna().unique())) if axis in rows else []
        raise UserError(f"--over {axis} needs --baseline, one of: {', '.join(values[:12])}")
    part = rows_with(rows, {axis: baseline})
    value = part[axis].iloc[0]
    return None if value != value else value


def _usual(rows: DataFrame) -> str:
    return "student_error_01" if "student_error_01" in rows and rows["student_error_01"].notna().any() else "student_error"
