"""Intervals over seeds: whole seeds resampled, because rows of one seed share their draws.

:func:`over_seeds` takes any statistic of a table; :func:`over_means` those that are functions of means over seeds, from the
same draws, as matrix products.

Claims take 99 %, since a study tests many of them and few may fail by chance, and resample, since their statistics are medians,
peaks or differences of ratios. Tables and reports describe one mean or ratio at a time and take 95 % in closed form (Student,
Fieller): :mod:`w2s.summary.intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["LEVEL", "over_means", "over_seeds"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEVEL = 0.99
"""Two-sided coverage of a claim's interval, unless its test says otherwise."""

_BLOCK = 2**21  # counts held at once: 16 MiB


def over_seeds(
    table: DataFrame, statistic: Callable[[DataFrame], float], *, level: float = LEVEL, resamples: int = 1000
) -> tuple[float, tuple[float, float], int]:
    """Compute value, interval and number of seeds of any statistic of a table, resampling whole seeds.

    ``statistic`` is called on the table and on ``resamples`` tables of as many seeds, drawn with replacement. A seed that is
    drawn twice comes under two numbers, of the parity it had, so a statistic may group by seed, or choose on even seeds and
    report on odd ones; where it has no value it returns NaN.

    The interval is the hull of two: the percentile interval, its tails set to those of Student's law with n - 1 degrees of
    freedom, and value +- t se with the resampled standard error se. The first follows skew but cannot reach beyond n seeds: a
    percentile interval covers the mean of a normal in .50, .86, .96 of the cases at n = 2, 4, 10 where .99 is asked, the hull
    in .99. A statistic that is the same for every seed has no width: by identity, or because there are few seeds (then ask for
    them in ``needs``). Resampled values that are not finite count as lying beyond both ends. With one seed the interval is
    infinite. Deterministic: the draws depend on the number of seeds alone.

    Cost: ``resamples`` evaluations and copies of the table; :func:`over_means` where the statistic is a function of means, and
    a summary per seed first where a table is large.

    Source: B. Efron, Ann. Statist. 7 (1979) 1-26; clusters resampled as in A. C. Davison and D. V. Hinkley, Bootstrap Methods
    and their Application (1997), section 3.8; tails after T. C. Hesterberg, Am. Stat. 69 (2015) 371-386.
    """
    value = float(statistic(table))
    groups = _Groups.of(table)
    count = len(groups.counts)
    if count < 2:
        return value, (-np.inf, np.inf), count
    drawn = np.array([statistic(groups.picked(table, chosen)) for chosen in _choices(count, resamples)], dtype=np.float64)
    return value, _interval(value, drawn, count, level), count


def over_means(
    seeds: npt.ArrayLike,
    values: npt.ArrayLike,
    statistic: Callable[[FloatArray], float],
    *,
    level: float = LEVEL,
    resamples: int = 1000,
) -> tuple[float, tuple[float, float], int]:
    """Compute `over_seeds` for a statistic of means over seeds: the same draws and interval, equal to rounding.

    Parameters
    ----------
    seeds : (n,), all different.
    values : (n, ...), what is averaged: one entry per seed, in the order of ``seeds``. A mean over some of the seeds is the
        mean of values times indicator over that of the indicator; a ratio of sums over unequal rows that of the sums.
    statistic : called on the mean (...) of all seeds and of every resample; NaN where it has no value.
    level, resamples : as in `over_seeds`.

    A mean with an entry that is not finite is NaN. Raises ValueError for repeated seeds. Cost: n x ``resamples`` draws, their
    counts times the values in pieces of 16 MiB, and ``resamples`` calls; about a second for 100,000 seeds.
    """
    order, table = np.argsort(np.asarray(seeds), kind="stable"), np.asarray(values, dtype=np.float64)
    count = len(order)
    if len(table) != count or len(np.unique(seeds)) != count:
        raise ValueError(f"one entry per seed, please: {len(table)} for {len(np.unique(seeds))} different seeds of {count}")
    if not count:
        return math.nan, (-np.inf, np.inf), 0
    shape = table.shape[1:]
    means = _means(table.reshape(count, -1)[order], resamples if count > 1 else 0)
    value, *rest = (float(statistic(mean.reshape(shape))) for mean in means)
    interval = _interval(value, np.array(rest), count, level) if count > 1 else (-np.inf, np.inf)
    return value, interval, count


def _choices(seeds: int, resamples: int) -> Iterator[IntArray]:
    """Places of the drawn seeds, (seeds,) each; a function of the two numbers."""
    generator = np.random.Generator(np.random.Philox(key=[0xC1A1, seeds]))
    for _ in range(resamples):
        yield generator.integers(seeds, size=seeds)


def _means(values: FloatArray, resamples: int) -> FloatArray:
    """Means of values (seeds, entries) over all seeds and over those of every resample: (1 + resamples, entries)."""
    missing = ~np.isfinite(values)
    deviations = np.where(missing, 0.0, values)
    # Deviations keep the digits of a small spread, and a constant has the same mean in every resample.
    centre = deviations.mean(axis=0)
    deviations -= centre
    means = np.empty((1 + resamples, values.shape[1]))
    for block, counts in _drawn_counts(len(values), resamples):
        means[block] = centre + counts @ deviations / len(values)
        if missing.any():
            means[block][counts @ missing.astype(np.float64) > 0] = np.nan
    return means


def _drawn_counts(seeds: int, resamples: int) -> Iterator[tuple[slice, FloatArray]]:
    """How often all seeds, and then each resample, have each seed: (block, seeds), some resamples at a time."""
    yield slice(0, 1), np.ones((1, seeds))
    choices, step = _choices(seeds, resamples), max(1, _BLOCK // seeds)
    for start in range(1, 1 + resamples, step):
        block = slice(start, min(start + step, 1 + resamples))
        counts = np.empty((block.stop - block.start, seeds))
        for row in counts:
            row[:] = np.bincount(next(choices), minlength=seeds)
        yield block, counts


class _Groups(NamedTuple):
    """Rows of a table by seed: ``order`` (rows,) lists them seed after seed, ``counts`` (seeds,) of each from ``starts`` on."""

    order: IntArray
    starts: IntArray
    counts: IntArray
    parity: IntArray

    @classmethod
    def of(cls, table: DataFrame) -> _Groups:
        seeds, codes = np.unique(table["seed"].to_numpy(), return_inverse=True)
        counts = np.bincount(codes, minlength=len(seeds))
        return cls(np.argsort(codes, kind="stable"), np.cumsum(counts) - counts, counts, seeds.astype(np.int64) % 2)

    def picked(self, table: DataFrame, chosen: IntArray) -> DataFrame:
        """Take the rows of the chosen seeds, every choice a seed of its own with the parity of the seed it was."""
        counts = self.counts[chosen]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        picked: DataFrame = table.iloc[self.order[np.repeat(self.starts[chosen], counts) + within]]
        picked["seed"] = np.repeat(2 * np.arange(len(chosen)) + self.parity[chosen], counts)
        return picked


def _interval(value: float, drawn: FloatArray, seeds: int, level: float) -> tuple[float, float]:
    from w2s.summary.intervals import t_quantile

    finite = np.isfinite(drawn)
    if not (math.isfinite(value) and finite.any()):
        return -math.inf, math.inf
    reach = float(t_quantile(seeds, level)) * math.sqrt(seeds / (seeds - 1))
    tail = 0.5 * math.erfc(reach / math.sqrt(2.0))
    low = float(np.quantile(np.where(finite, drawn, -np.inf), tail, method="lower"))
    high = float(np.quantile(np.where(finite, drawn, np.inf), 1.0 - tail, method="higher"))
    # Copies of one number have no spread, but the deviations from their rounded mean do.
    half = reach * float(np.std(drawn[finite])) if np.ptp(drawn[finite]) > 0 else 0.0
    return min(low, value - half), max(high, value + half)
