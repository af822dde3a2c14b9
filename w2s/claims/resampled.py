"""The interval of a statistic from its resamples and from its values with some seeds left out.

The arithmetic takes any leading axes, one statistic per entry, so that a study of coverage judges thousands of tables at once.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from w2s.measure.closed_forms import adjusted_skewness, corrected_quantiles, t_quantile
from w2s.measure.scales import REAL, Scale

__all__ = [
    "LEAST_SEEDS",
    "Interval",
    "IntervalStatus",
    "is_wide",
    "least_ends",
    "least_interval",
    "resampled_ends",
    "resampled_interval",
]

FloatArray = npt.NDArray[np.float64]
IntervalStatus = Literal["ok", "few_seeds", "tied", "undefined", "wide"]

LEAST_SEEDS = 8
"""Seeds below which no interval is given: of skewed numbers it would miss more than 2.5 % (docs/statistics.md)."""

_SHRINKAGE = 4.0
"""Few seeds show less skewness than their law has: eight squared normals .57 of it, sixteen .70. The factor is 1 + 4 / n."""


class Interval(tuple[float, float]):
    """Ends (low, high) of an interval, and ``status``, which says what it rests on.

    ``ok``. ``few_seeds``: fewer than `LEAST_SEEDS`; the ends are infinite. ``undefined``: the statistic has no value on the
    table, or on too many resamples; the ends are infinite. ``tied``: all seeds say the same, so their spread says nothing; the
    ends are what their number alone leaves of the statistic's range, infinite where it has no end. ``wide``: the ends leave
    more than half of the statistic's range open, and for skewed numbers the upper one may be too low.
    """

    status: IntervalStatus

    def __new__(cls, low: float, high: float, status: IntervalStatus = "ok") -> Interval:
        """Make an interval from its ends."""
        interval = super().__new__(cls, (low, high))
        interval.status = status
        return interval

    def __getnewargs__(self) -> tuple[float, float, IntervalStatus]:
        """Keep the status in copies and pickles."""
        return (self[0], self[1], self.status)

    def __neg__(self) -> Interval:
        """Return the interval of minus the statistic."""
        return Interval(-self[1], -self[0], self.status)

    @classmethod
    def none(cls, status: IntervalStatus) -> Interval:
        """Make the interval that decides nothing."""
        return cls(-math.inf, math.inf, status)


def resampled_interval(
    value: float, drawn: FloatArray, left_out: FloatArray, seeds: int, level: float, scale: Scale = REAL
) -> Interval:
    """Compute the interval of one statistic: its value, ``drawn`` (resamples,) and ``left_out`` (groups,).

    The ends are those of `resampled_ends`, taken on ``scale`` where all numbers lie inside its range, else on the plain line
    and brought into the range. NaN among the resamples lies beyond both ends.
    """
    finite = np.isfinite(drawn)
    if seeds < LEAST_SEEDS:
        return Interval.none("few_seeds")
    if not (math.isfinite(value) and finite.any()):
        return Interval.none("undefined")
    if _tied(value, drawn[finite]):
        return _agreed(value, seeds, level, scale)
    kept = left_out[np.isfinite(left_out)]
    if all(scale.inside(numbers).all() for numbers in (value, drawn[finite], kept)):
        to, back = scale.to, scale.back
    else:
        to, back = REAL.to, REAL.back
    moved = np.full(drawn.shape, np.nan)
    moved[finite] = to(drawn[finite])
    low, high = resampled_ends(to(np.asarray(value)), moved, to(kept), seeds, level)
    ends = scale.clip(back(np.array([low, high])))
    if not np.isfinite(np.array([low, high])).any():
        return Interval.none("undefined")
    return Interval(float(ends[0]), float(ends[1]), "wide" if is_wide(ends[0], ends[1], scale) else "ok")


def is_wide(low: npt.ArrayLike, high: npt.ArrayLike, scale: Scale) -> npt.NDArray[np.bool_]:
    """Mark intervals longer than half of their scale's range: the seeds hardly resolve the number."""
    return np.asarray(np.subtract(high, low) > (scale.high - scale.low) / 2.0)


def least_ends(
    values: FloatArray, drawn: FloatArray, left_out: FloatArray, seeds: int, level: float
) -> tuple[FloatArray, FloatArray]:
    """Compute the ends for the least of k statistics from their own ends, on the arrays of `resampled_ends` along axis 0.

    The low end is the least of the statistics' low ends at ``level``; the high end the least of their high ends at
    1 - (1 - level)/2k. The least of k samples is smaller than the least of k truths, so an interval of the least itself would
    lie too low; neither of these ends does. The 2 is for skewed numbers, of which all misses are on that side.

    Source: R. L. Berger, Technometrics 24 (1982) 295-300; Bonferroni.
    """
    low, _ = resampled_ends(values, drawn, left_out, seeds, level)
    _, high = resampled_ends(values, drawn, left_out, seeds, 1.0 - (1.0 - level) / (2 * len(values)))
    return low.min(axis=0), high.min(axis=0)


def least_interval(values: FloatArray, drawn: FloatArray, left_out: FloatArray, seeds: int, level: float) -> Interval:
    """Compute the interval of the least of some statistics: values (k,), drawn (k, resamples), left_out (k, groups).

    The ends are those of `least_ends`, of the statistics on which seeds differ. One on which all agree is the least of them or
    does not count: where it is the least, the status is ``tied``.
    """
    if seeds < LEAST_SEEDS:
        return Interval.none("few_seeds")
    if not (np.isfinite(values).all() and np.isfinite(drawn).any(axis=1).all()):
        return Interval.none("undefined")
    tied = np.array([_tied(float(value), numbers[np.isfinite(numbers)]) for value, numbers in zip(values, drawn, strict=True)])
    if tied[np.argmin(values)]:
        return Interval.none("tied")
    low, high = least_ends(values[~tied], drawn[~tied], left_out[~tied], seeds, level)
    if not np.isfinite(low) and not np.isfinite(high):
        return Interval.none("undefined")
    return Interval(float(low), float(high))


def _tied(value: float, drawn: FloatArray) -> bool:
    """Tell whether all resamples agree but for rounding, which a mean of equal numbers and its statistic may leave."""
    return bool(np.ptp(drawn) <= 1e-12 * max(abs(value), float(np.abs(drawn).max())))


def _agreed(value: float, seeds: int, level: float, scale: Scale) -> Interval:
    """Bound the mean where all seeds say the same: a share of (1 - level)^(1/n) of all seeds does, others may say anything."""
    share = (1.0 - level) ** (1.0 / seeds)
    low, high = (value - (1.0 - share) * (value - scale.low), value + (1.0 - share) * (scale.high - value))
    return Interval(low, high, "tied")


def resampled_ends(
    value: FloatArray, drawn: FloatArray, left_out: FloatArray, seeds: int, level: float
) -> tuple[FloatArray, FloatArray]:
    """Compute the hull of the percentile interval and of Student's interval, widened for skewness.

    Parameters
    ----------
    value : (...,) statistics of the whole samples.
    drawn : (..., resamples) of as many seeds, drawn with replacement; NaN counts as lying beyond both ends.
    left_out : (..., groups) with each of some equal groups of seeds left out.
    seeds, level : how many seeds there are, and the two-sided coverage.

    The percentile interval has the tails of Student's law with n - 1 degrees of freedom. The other one is value - se T, se the
    resampled standard error, T between the outer ones of Student's quantiles and of those that Hall corrects for skewness
    (:func:`w2s.measure.closed_forms.corrected_quantiles`). The skewness is that of the jackknife's influence values, times
    1 + 4 / n because few seeds show less of it than the law has. The end towards which the resamples' mean calls for it is
    moved by their bias. Cost O(size).
    """
    finite = np.isfinite(drawn)
    reach = float(t_quantile(seeds, level))
    normal = reach * math.sqrt(seeds / (seeds - 1))
    tail = 0.5 * math.erfc(normal / math.sqrt(2.0))
    low = np.quantile(np.where(finite, drawn, -np.inf), tail, axis=-1, method="lower")
    high = np.quantile(np.where(finite, drawn, np.inf), 1.0 - tail, axis=-1, method="higher")
    spread = np.where(finite, drawn, np.nan)
    error = np.nanstd(spread, axis=-1) * math.sqrt(seeds / (seeds - 1))
    lower, upper = corrected_quantiles(reach, (1.0 + _SHRINKAGE / seeds) * _jackknifed_skewness(left_out))
    # A least of several, or a correlation of noisy numbers, is smaller in every sample than in truth: so it is in resamples.
    bias = np.nanmean(spread, axis=-1) - value
    return (
        np.minimum(low, value - error * upper) - np.maximum(bias, 0.0),
        np.maximum(high, value - error * lower) - np.minimum(bias, 0.0),
    )


def _jackknifed_skewness(left_out: FloatArray) -> FloatArray:
    """Estimate the skewness of a statistic's influence values over sqrt(groups), (...,), from its values without each group."""
    groups = left_out.shape[-1]
    if groups < 3:
        return np.zeros(left_out.shape[:-1])
    influence = left_out.mean(axis=-1, keepdims=True) - left_out
    second, third = (np.mean(influence**power, axis=-1) for power in (2, 3))
    return adjusted_skewness(second, third, groups) / math.sqrt(groups)
