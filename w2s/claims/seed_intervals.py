"""Intervals over seeds: whole seeds resampled, because rows of one seed share their draws.

:func:`over_seeds` takes any statistic of a table; :func:`over_means` those that are functions of means over seeds, from the
same draws, as matrix products; :func:`over_share` shares, such as that of the tasks on which something is so.

Claims take 99 %, since a study tests many of them and few may fail by chance, and resample, since their statistics are medians,
peaks or differences of ratios. Tables and reports describe one mean or ratio at a time and take 95 % in closed form:
:mod:`w2s.summary.intervals`. Both are about other seeds of the same study: where seeds part one data set anew, about that data
set, not about the population behind it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.claims.resampled import LEAST_SEEDS, Interval, least_interval, resampled_interval
from w2s.measure.scales import REAL, Scale

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "LEVEL",
    "means_of_resamples",
    "over_least",
    "over_means",
    "over_seeds",
    "over_several",
    "over_share",
    "places_of_resamples",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEVEL = 0.99
"""Two-sided coverage of a claim's interval, unless its test says otherwise."""

_BLOCK = 2**21  # counts held at once: 16 MiB
_KEPT = 2**17  # counts kept for the next claim: up to 131 seeds at 1000 resamples, 1 MiB
_GROUPS = 100  # values with some seeds left out: enough to see how skewed a statistic is


def over_seeds(
    table: DataFrame,
    statistic: Callable[[DataFrame], float],
    *,
    level: float = LEVEL,
    resamples: int = 1000,
    scale: Scale = REAL,
) -> tuple[float, Interval, int]:
    """Compute value, interval and number of seeds of any statistic of a table, resampling whole seeds.

    ``statistic`` is called on the table, on ``resamples`` tables of as many seeds, drawn with replacement, and on tables that
    leave out one seed each (one of a hundred groups of seeds where there are more). A seed that is drawn twice comes under two
    numbers, of the parity it had, so a statistic may group by seed, or choose on even seeds and report on odd ones; where it
    has no value it returns NaN. ``scale`` says where the statistic can lie (:data:`w2s.measure.scales.CORRELATION`, ...): its
    interval stays there.

    The interval is that of :func:`w2s.claims.resampled.resampled_ends`: the hull of the percentile interval and of Student's,
    widened for skewness. Where 99 % is asked it covers means, ratios and medians of normal and of skewed numbers in 97.5 % of
    the cases or more (docs/statistics.md). Its ``status`` says where it rests on something else, or on nothing
    (:class:`~w2s.claims.resampled.Interval`): fewer than :data:`~w2s.claims.resampled.LEAST_SEEDS` seeds, a statistic that is
    the same in all resamples, or has no value. What is exact by construction needs no interval over seeds. Deterministic: the
    draws depend on the number of seeds alone.

    Cost: ``resamples`` evaluations and copies of the table, and up to a hundred more; :func:`over_means` where the statistic
    is a function of means, and a summary per seed first where a table is large.

    Source: B. Efron, Ann. Statist. 7 (1979) 1-26; clusters resampled as in A. C. Davison and D. V. Hinkley, Bootstrap Methods
    and their Application (1997), section 3.8; tails after T. C. Hesterberg, Am. Stat. 69 (2015) 371-386.
    """
    value = float(statistic(table))
    groups = _Groups.of(table)
    count = len(groups.counts)
    if count < LEAST_SEEDS:
        return value, Interval.none("few_seeds"), count
    chosen = (*places_of_resamples(count, resamples), *_others(count))
    found = np.array([statistic(groups.picked(table, seeds)) for seeds in chosen], dtype=np.float64)
    return value, resampled_interval(value, found[:resamples], found[resamples:], count, level, scale), count


def over_means(
    seeds: npt.ArrayLike,
    values: npt.ArrayLike,
    statistic: Callable[[FloatArray], float],
    *,
    level: float = LEVEL,
    resamples: int = 1000,
    scale: Scale = REAL,
) -> tuple[float, Interval, int]:
    """Compute `over_seeds` for a statistic of means over seeds: the same draws and interval, equal to rounding.

    Parameters
    ----------
    seeds : (n,), all different.
    values : (n, ...), what is averaged: one entry per seed, in the order of ``seeds``. A mean over some of the seeds is the
        mean of values times indicator over that of the indicator; a ratio of sums over unequal rows that of the sums.
    statistic : called on the mean (...) of all seeds and of every resample; NaN where it has no value.
    level, resamples, scale : as in `over_seeds`.

    A mean with an entry that is not finite is NaN. Raises ValueError for repeated seeds. Cost: n x ``resamples`` draws, their
    counts times the values in pieces of 16 MiB, and ``resamples`` calls; about a second for 100,000 seeds.
    """
    found, count = _of_means(seeds, values, statistic, resamples)
    if not count:
        return math.nan, Interval.none("few_seeds"), 0
    value, drawn, left_out = float(found[0]), found[1 : 1 + resamples], found[1 + resamples :]
    if count < LEAST_SEEDS:
        return value, Interval.none("few_seeds"), count
    return value, resampled_interval(value, drawn, left_out, count, level, scale), count


def over_least(
    seeds: npt.ArrayLike,
    values: npt.ArrayLike,
    statistics: Callable[[FloatArray], FloatArray],
    *,
    level: float = LEVEL,
    resamples: int = 1000,
) -> tuple[float, Interval, int]:
    """Compute the least of some statistics of means over seeds, its interval and the number of seeds.

    The arguments are those of `over_means`, but ``statistics`` returns several numbers, (k,), always as many. Each has ends of
    its own, from the same draws; those of the least are :func:`w2s.claims.resampled.least_ends`. Cost: that of `over_means`.
    """
    found, count = _of_means(seeds, values, statistics, resamples)
    if not count:
        return math.nan, Interval.none("few_seeds"), 0
    least = float(np.min(found[0]))  # unlike Python's min, NaN where one statistic has no value
    if count < LEAST_SEEDS:
        return least, Interval.none("few_seeds"), count
    drawn, left_out = found[1 : 1 + resamples].T, found[1 + resamples :].T
    return least, least_interval(found[0], drawn, left_out, count, level), count


def over_several(
    seeds: npt.ArrayLike,
    values: npt.ArrayLike,
    statistics: Callable[[FloatArray], FloatArray],
    *,
    level: float = LEVEL,
    resamples: int = 1000,
) -> list[tuple[float, Interval, int]]:
    """Compute `over_means` for several statistics of the same seeds, from one set of draws: a result for each.

    ``statistics`` returns them, (k,), always as many. Cost: the draws once, which is most of `over_means` for few numbers.
    """
    found, count = _of_means(seeds, values, statistics, resamples)
    if count < LEAST_SEEDS:
        return [(float(value), Interval.none("few_seeds"), count) for value in (found[0] if count else ())]
    return [
        (float(own[0]), resampled_interval(float(own[0]), own[1 : 1 + resamples], own[1 + resamples :], count, level), count)
        for own in found.T
    ]


def _of_means(
    seeds: npt.ArrayLike, values: npt.ArrayLike, statistic: Callable[[FloatArray], float | FloatArray], resamples: int
) -> tuple[FloatArray, int]:
    """Evaluate a statistic on the means over all seeds, over those of every resample and without each group of seeds.

    Returns the values, (1 + resamples + groups, ...), and the number of seeds; below `LEAST_SEEDS` the first value alone.
    """
    order, table = np.argsort(np.asarray(seeds), kind="stable"), np.asarray(values, dtype=np.float64)
    count = len(order)
    if len(table) != count or len(np.unique(seeds)) != count:
        raise ValueError(f"one entry per seed, please: {len(table)} for {len(np.unique(seeds))} different seeds of {count}")
    if not count:
        return np.empty(0), 0
    means = means_of_resamples(table.reshape(count, -1)[order], resamples if count >= LEAST_SEEDS else 0)
    return np.array([statistic(mean.reshape(table.shape[1:])) for mean in means], dtype=np.float64), count


def over_share(seeds: npt.ArrayLike, values: npt.ArrayLike, *, level: float = LEVEL) -> tuple[float, Interval, int]:
    """Compute mean, interval and number of seeds of values in [0, 1], one per seed: a share of tasks, draws or seeds.

    Clopper and Pearson's interval for as many trials as the spread over seeds is worth, p (1 - p) / var(p), corrected for
    the degrees of freedom of that spread. It has a width where all seeds agree: eight seeds that all say 1 leave shares
    from 0.52 on (at 99 %). For values 0 and 1 it is exact or wider.

    Raises ValueError for values outside [0, 1] and for repeated seeds. Cost O(n).

    Source: E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Surv. Methodol. 24 (1998) 193-201.
    """
    from scipy.special import betaincinv, ndtri

    from w2s.measure.closed_forms import t_quantile

    shares = np.asarray(values, dtype=np.float64)
    count = len(shares)
    if len(np.unique(seeds)) != count:
        raise ValueError(f"one entry per seed, please: {count} for {len(np.unique(seeds))} different seeds")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("a share lies in [0, 1]")
    mean, tail = float(shares.mean()) if count else math.nan, (1.0 - level) / 2.0
    if count < LEAST_SEEDS:
        return mean, Interval.none("few_seeds"), count
    trials = float(count)
    if np.ptp(shares) > 0:
        worth = mean * (1.0 - mean) * count / float(shares.var(ddof=1))
        trials = worth * float(ndtri(tail) / t_quantile(count, level)) ** 2
    hits = mean * trials
    low = float(betaincinv(hits, trials - hits + 1.0, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1.0, trials - hits, 1.0 - tail)) if hits < trials else 1.0
    return mean, Interval(low, high), count


def places_of_resamples(seeds: int, resamples: int) -> Iterator[IntArray]:
    """Return the places of the drawn seeds, (seeds,) each; a function of the two numbers."""
    generator = np.random.Generator(np.random.Philox(key=[0xC1A1, seeds]))
    for _ in range(resamples):
        yield generator.integers(seeds, size=seeds)


def _others(seeds: int) -> Iterator[IntArray]:
    """Return the places of all seeds but one, or but a group of neighbours where there are many: up to a hundred times."""
    places = np.arange(seeds)
    for group in np.array_split(places, min(seeds, _GROUPS)):
        yield np.delete(places, group)


def means_of_resamples(values: FloatArray, resamples: int) -> FloatArray:
    """Compute means of values (seeds, entries) over all seeds, over those of every resample, and without each group of seeds.

    (1 + resamples + groups, entries); without resamples the first alone.
    """
    missing = ~np.isfinite(values)
    deviations = np.where(missing, 0.0, values)
    # Deviations keep the digits of a small spread, and a constant has the same mean in every resample.
    centre = deviations.mean(axis=0)
    deviations -= centre
    groups = min(len(values), _GROUPS) if resamples else 0
    means = np.empty((1 + resamples + groups, values.shape[1]))
    for block, counts in _drawn_counts(len(values), resamples):
        means[block] = centre + counts @ deviations / len(values)
        if missing.any():
            means[block][counts @ missing.astype(np.float64) > 0] = np.nan
    if groups:
        means[1 + resamples :] = _means_of_others(deviations, missing, centre, groups)
    return means


def _means_of_others(deviations: FloatArray, missing: npt.NDArray[np.bool_], centre: FloatArray, groups: int) -> FloatArray:
    """Compute the means without each group of neighbours: (groups, entries)."""
    parts = np.array_split(np.arange(len(deviations)), groups)
    starts, sizes = [int(part[0]) for part in parts], np.array([len(part) for part in parts])
    left = deviations.sum(axis=0) - np.add.reduceat(deviations, starts, axis=0)
    gone = missing.sum(axis=0) - np.add.reduceat(missing.astype(np.int64), starts, axis=0)
    return np.where(gone > 0, np.nan, centre + left / (len(deviations) - sizes)[:, None])


def _drawn_counts(seeds: int, resamples: int) -> Iterator[tuple[slice, FloatArray]]:
    """Count how often all seeds, and then each resample, have each seed; yield (block, seeds), some resamples at a time."""
    yield slice(0, 1), np.ones((1, seeds))
    if 0 < seeds * resamples <= _KEPT:
        yield slice(1, 1 + resamples), _kept_counts(seeds, resamples)
        return
    choices, step = places_of_resamples(seeds, resamples), max(1, _BLOCK // seeds)
    for start in range(1, 1 + resamples, step):
        block = slice(start, min(start + step, 1 + resamples))
        counts = np.empty((block.stop - block.start, seeds))
        for row in counts:
            row[:] = np.bincount(next(choices), minlength=seeds)
        yield block, counts


@functools.lru_cache(maxsize=16)
def _kept_counts(seeds: int, resamples: int) -> FloatArray:
    """Count how often each resample has each seed, once in a process: claims draw the same seeds again and again."""
    counts = np.stack([np.bincount(chosen, minlength=seeds) for chosen in places_of_resamples(seeds, resamples)])
    kept = counts.astype(np.float64)
    kept.flags.writeable = False
    return kept


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
        """Take the rows of the chosen seeds; every choice becomes a new seed with the parity of the seed that was drawn."""
        counts = self.counts[chosen]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        picked: DataFrame = table.iloc[self.order[np.repeat(self.starts[chosen], counts) + within]]
        picked["seed"] = np.repeat(2 * np.arange(len(chosen)) + self.parity[chosen], counts)
        return picked
