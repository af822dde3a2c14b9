"""Statements about every setting of a table: functions of means over its seeds, and identities that hold in every row.

A setting is all that a cell says but its seed, or what some of its fields say. The worst setting's verdict is that on all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Verdict, below, untestable, worst
from w2s.claims.resampled import Interval
from w2s.claims.seed_intervals import over_means, over_several
from w2s.measure.scales import REAL, Scale
from w2s.summary import columns as table_columns
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["each_setting", "largest_distance", "worst_mean", "worst_setting"]

Judge = Callable[[str, float, Interval, int], Verdict]


def each_setting(table: DataFrame) -> Iterator[tuple[str, DataFrame]]:
    """Yield the settings of a table in order of appearance: a text of the fields that vary, and the rows by seed."""
    fields = [name for name in table_columns.cell_fields(table) if name != "seed"]
    if not len(table):
        return
    varying = [name for name in fields if name in table and table[name].nunique(dropna=False) > 1]
    codes, _ = table_columns.group_codes(table, fields)
    for code in dict.fromkeys(codes):
        rows = table.iloc[np.flatnonzero(codes == code)].sort_values("seed")
        first = rows.iloc[0]
        named = [f"{name} = {value_text(first[name])}" for name in varying if first[name] == first[name]]
        yield ", ".join(text for text in named if not text.endswith("= -")) or "the one setting", rows


def worst_setting(
    table: DataFrame,
    by: Sequence[str],
    columns: Sequence[str],
    statistic: Callable[[npt.NDArray[np.float64]], float],
    judge: Judge,
    nothing: str,
) -> Verdict:
    """Judge a statistic of the means of ``columns`` in each setting of the fields ``by``; return the worst verdict.

    ``statistic`` gets the means (columns,) over the seeds of a setting; rows of one seed are averaged before.
    ``judge(where, value, interval, seeds)`` makes a verdict, ``where`` naming the setting by the fields that vary. Rows without
    one of the columns are left out. ``nothing`` is the reason of ``untestable`` where no row is left.
    """
    rows = table.dropna(subset=list(columns))
    vary = [name for name in by if rows[name].nunique(dropna=False) > 1]
    settings: dict[tuple[int, ...], list[tuple[str, npt.NDArray[np.float64]]]] = {}
    parts = rows.groupby(vary, dropna=False, sort=True) if vary else [((), rows)] if len(rows) else []
    for key, part in parts:
        means = part.groupby("seed")[list(columns)].mean()
        where = ", ".join(f"{name} = {value_text(level)}" for name, level in zip(vary, key, strict=True))
        named = (f" at {where}" if where else "", means.to_numpy(float))
        settings.setdefault(tuple(means.index), []).append(named)
    found = []
    for seeds, members in settings.items():  # settings of the same seeds share their draws
        together = np.stack([values for _, values in members], axis=1)  # (seeds, settings, columns)
        results = over_several(seeds, together, lambda means: np.array([statistic(setting) for setting in means]))
        found += [judge(where, *result) for (where, _), result in zip(members, results, strict=True)]
    return worst(found, nothing)


def worst_mean(
    table: DataFrame,
    statistic: Callable[[DataFrame], npt.ArrayLike],
    judge: Judge,
    what: str,
    nothing: str,
    *,
    scale: Scale = REAL,
) -> Verdict:
    """Judge the mean over seeds of ``statistic`` (one number per row) in every setting; return the verdict of the worst.

    ``judge(name, value, interval, seeds)`` makes a setting's verdict; ``what`` names the statistic, ``nothing`` is the reason
    of ``untestable`` where the table has no rows.
    """
    found = []
    for place, rows in each_setting(table):
        values = np.asarray(statistic(rows), dtype=np.float64)
        found.append(judge(f"{what} at {place}", *over_means(rows["seed"], values, float, scale=scale)))
    return worst(found, nothing)


def largest_distance(name: str, distances: npt.ArrayLike, most: float, seeds: int) -> Verdict:
    """Judge the largest of some distances that an identity says are zero, one per row, against the tolerance of rounding.

    Rows without a number are left out; without any row it is ``untestable``.
    """
    found = np.abs(np.asarray(distances, dtype=np.float64))
    found = found[~np.isnan(found)]
    if not len(found):
        return untestable(f"no row has a {name}")
    value = float(found.max())
    return below(f"largest {name} of {len(found):,} rows", value, (value, value), most, seeds)
