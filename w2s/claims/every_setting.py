"""Statements about every setting of a table: means over its seeds, and identities that hold in every row.

A setting is all that a cell says but its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Verdict, below, untestable, worst
from w2s.claims.resampled import Interval
from w2s.claims.seed_intervals import over_means
from w2s.measure.scales import REAL, Scale
from w2s.summary import columns
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["each_setting", "largest_distance", "worst_mean"]

Judge = Callable[[str, float, Interval, int], Verdict]


def each_setting(table: DataFrame) -> Iterator[tuple[str, DataFrame]]:
    """Yield the settings of a table in order of appearance: a text of the fields that vary, and the rows by seed."""
    fields = [name for name in columns.cell_fields(table) if name != "seed"]
    if not len(table):
        return
    varying = [name for name in fields if name in table and table[name].nunique(dropna=False) > 1]
    codes, _ = columns.group_codes(table, fields)
    for code in dict.fromkeys(codes):
        rows = table.iloc[np.flatnonzero(codes == code)].sort_values("seed")
        first = rows.iloc[0]
        named = [f"{name} = {value_text(first[name])}" for name in varying if first[name] == first[name]]
        yield ", ".join(text for text in named if not text.endswith("= -")) or "the one setting", rows


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
