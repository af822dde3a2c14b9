"""Tests that the claims of both studies share: ratios of means setting by setting, and exact statements about every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Verdict, below, untestable, worst
from w2s.claims.seed_intervals import over_means
from w2s.measure.scales import POSITIVE
from w2s.summary import columns
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["each_ratio", "largest"]

Decide = Callable[..., Verdict]


def each_ratio(
    rows: DataFrame, name: str, top: str, bottom: Sequence[str], decide: Decide, asked: object, nothing: str
) -> Verdict:
    """Judge the ratio of two means over seeds in every setting; the worst setting speaks for all.

    ``bottom`` are columns whose sum is the denominator; ``decide`` is one of the builders of :mod:`w2s.claims.claim`.
    """
    verdicts = []
    for where, seeds, values in _settings(rows, [top, *bottom]):
        found = over_means(seeds, values, lambda means: _divided(means[0], float(means[1:].sum())), scale=POSITIVE)
        verdicts.append(decide(f"{name}{where}", found[0], found[1], asked, found[2]))
    return worst(verdicts, nothing)


def largest(table: DataFrame, name: str, differences: npt.ArrayLike, most: float) -> Verdict:
    """Judge the largest of some distances that are zero but for rounding."""
    found = np.abs(np.asarray(differences, dtype=np.float64))
    found = found[~np.isnan(found)]
    if not len(found):
        return untestable(f"no row has a {name}")
    value = float(found.max())
    return below(f"largest {name} of {len(found):,} rows", value, (value, value), most, table["seed"].nunique())


def _settings(rows: DataFrame, names: Sequence[str]) -> Iterator[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """Yield for each setting what tells it from the others, its seeds, and the columns (seeds, names)."""
    fields = [name for name in columns.cell_fields(rows) if name != "seed"]
    shown = [name for name in fields if rows[name].nunique(dropna=False) > 1]
    codes, _ = columns.group_codes(rows, fields)
    for _, part in rows.groupby(codes):
        where = ", ".join(f"{name} = {value_text(part[name].iloc[0])}" for name in shown)
        ordered = part.sort_values("seed")
        yield (f" at {where}" if where else ""), ordered["seed"].to_numpy(), ordered[list(names)].to_numpy(float)


def _divided(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else float("nan")
