"""Trends along one axis of a grid: does a statistic rise, fall, or have a hump, in every line.

A line holds the cells that differ in one field only. Statistics are functions of means over seeds, with intervals from whole
seeds resampled; a statement about several lines is about the worst of them. Where a peak is looked for, even seeds say where it
is and odd seeds how high.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Verdict, above, below, worst
from w2s.claims.resampled import Interval
from w2s.claims.seed_intervals import over_least
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Line", "hump", "lines_along", "steps"]

Values = npt.NDArray[np.float64]
Along = Callable[[Values], Values]
"""Statistic along a line: means (levels, columns) to (levels,)."""


@dataclass(frozen=True)
class Line:
    """Columns of a table along one axis, everything else fixed.

    Attributes
    ----------
    levels : values of the axis, ascending: (levels,).
    fields : the fields of its first cell.
    seeds : seeds, each of which has every level.
    values : (seeds, levels, columns).

    """

    levels: npt.NDArray[Any]
    fields: Mapping[str, Any]
    seeds: tuple[int, ...]
    values: Values


def lines_along(table: DataFrame, axis: str, names: Sequence[str], least: int) -> list[Line]:
    """Cut a table into lines of the columns ``names`` along ``axis``.

    Only lines with ``least`` levels or more, two seeds or more and every level on every seed are returned.
    """
    others = [name for name in columns.cell_fields(table) if name != axis]
    codes, _ = columns.group_codes(table, others)
    parts = [table.iloc[np.flatnonzero(codes == code)].sort_values(["seed", axis]) for code in np.unique(codes)]
    found = []
    for rows in parts:
        levels, seeds = rows[axis].unique(), tuple(rows["seed"].unique())
        if len(rows) == len(levels) * len(seeds) and len(levels) >= least and len(seeds) > 1:
            values = rows[list(names)].to_numpy(float).reshape(len(seeds), len(levels), len(names))
            found.append(Line(levels, {str(k): v for k, v in rows.iloc[0].items()}, seeds, values))
    return found


def steps(
    lines: Sequence[Line],
    of: Along,
    what: str,
    *,
    rises: bool,
    threshold: float,
    nothing: str,
    lead: Along | None = None,
) -> Verdict:
    """Test that ``of`` rises (or falls) from each level to the next in every line.

    The least step is asked to be above ``threshold``; with ``rises=False`` the largest one to be below it. With ``lead``, its
    numbers too are asked to be above it. ``what`` names the statistic, ``nothing`` is the reason of ``untestable`` where
    there is no line.
    """
    sign = 1.0 if rises else -1.0

    def each(means: Values) -> Values:
        values = of(means)
        step = sign * (values[1:] - values[:-1])
        return step if lead is None else np.concatenate([step, lead(means)])

    verdicts = [
        above(f"least step of {what}", value, interval, threshold, seeds)
        if rises
        else below(f"largest step of {what}", -value, -interval, threshold, seeds)
        for value, interval, seeds in _least(lines, each)
    ]
    return worst(verdicts, nothing)


def hump(lines: Sequence[Line], of: Along, what: str, *, threshold: float, nothing: str, lead: Along | None = None) -> Verdict:
    """Test that ``of`` is higher at its inner peak than at both ends of every line, by more than ``threshold``.

    With ``lead``, this too is asked to be above ``threshold`` at the peak. The peak is chosen on even seeds, heights are
    read on odd ones, so a line needs three levels and seeds of both kinds.
    """

    def over_both_ends(even: Values, odd: Values) -> Values:
        peak, values = 1 + int(np.argmax(of(even)[1:-1])), of(odd)
        heights = values[peak] - values[[0, -1]]
        return heights if lead is None else np.append(heights, lead(odd)[peak])

    verdicts = [
        above(f"least {what}", value, interval, threshold, seeds)
        for value, interval, seeds in _least(lines, over_both_ends, halves=True)
    ]
    return worst(verdicts, nothing)


def _least(lines: Sequence[Line], of: Callable[..., Values], *, halves: bool = False) -> list[tuple[float, Interval, int]]:
    """Compute the least over lines of some functions of means, with intervals; lines of one set of seeds share resamples.

    ``of`` takes the means (levels, columns) over all seeds, or with ``halves`` those over even and those over odd seeds, and
    returns the numbers of a line.
    """
    found = []
    for seeds in dict.fromkeys(line.seeds for line in lines):
        values = [line.values for line in lines if line.seeds == seeds]
        odd = np.asarray(seeds) % 2
        parts = np.stack([1 - odd, odd] if halves else [np.ones(len(seeds))], axis=1)
        statistics = functools.partial(_each_of, of, [line.shape[1:] for line in values])
        found.append(over_least(seeds, _parted(values, parts), statistics))
    return found


def _parted(lines: list[Values], parts: Values) -> Values:
    """Multiply the values of all lines by indicators (seeds, parts) of some seeds, and add the indicators as a last column.

    Returns (seeds, parts, all values + 1).
    """
    together = np.concatenate([line.reshape(len(line), -1) for line in lines], axis=1)
    return np.concatenate([parts[:, :, None] * together[:, None, :], parts[:, :, None]], axis=2)


def _each_of(of: Callable[..., Values], shapes: list[tuple[int, int]], means: Values) -> Values:
    """Compute the numbers of all lines, from the means of :func:`_parted`; NaN where a part has no seed."""
    share = means[:, -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        every = means[:, :-1] / share
    by_line = np.split(every, np.cumsum([levels * width for levels, width in shapes])[:-1], axis=1)
    return np.concatenate([of(*line.reshape(len(means), *shape)) for line, shape in zip(by_line, shapes, strict=True)])
