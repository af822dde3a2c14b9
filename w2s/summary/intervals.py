"""Intervals over seeds for means, and for ratios of two correlated means, over many groups at once.

Two layouts, one arithmetic. *Dense*: arrays (..., n), one group per leading index, NaN where a sample is absent.
*Flat* (names ending in ``_by``): values (m,) with a group number (m,), for groups of unequal size. A ratio is always
mean(num) / mean(den) of paired samples, so the noise of the denominator, and its correlation with the numerator, is
inside the interval; means of ratios are not offered here, since they are biased and have no variance when the
denominator can come near zero.

These intervals describe tables: 95 % by default, from Student's law for means, corrected for skewness, and Fieller's set for
ratios, in closed form, for many groups at once. How often they cover is measured: docs/statistics.md. They are about other
seeds. What other data sets would give varies more where seeds part one data set anew or share their test items: the argument
`beyond` of the flat functions is that further variance (:mod:`w2s.summary.population`).

Claims decide whether a sentence holds and test several at once; their statistics are medians, peaks or differences of ratios,
for which there is no such form. Their intervals are of 99 % and resample whole seeds: :mod:`w2s.claims.seed_intervals`.

`level` is two-sided coverage, strictly between 0 and 1. Cost: O(m) for all but the bootstrap.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from w2s.measure.closed_forms import adjusted_skewness, corrected_quantiles, fieller_set, t_quantile
from w2s.summary.columns import BoolArray, FloatArray, IntArray
from w2s.summary.moments import Moments, PairMoments, moments_of, pair_moments_of, ratio_and_shift

__all__ = [
    "BOOTSTRAP_KEY",
    "LEAST_BOOTSTRAP",
    "Beyond",
    "MeanInterval",
    "PairedInterval",
    "RatioInterval",
    "bootstrap_ratio",
    "bootstrap_ratio_by",
    "fieller",
    "fieller_by",
    "fieller_of",
    "holm",
    "mean_interval",
    "mean_interval_by",
    "mean_interval_of",
    "paired_interval",
    "paired_interval_by",
]

StatusArray = npt.NDArray[np.str_]

# Fixed and independent of the data: the same table gives the same interval, and a further group changes no other.
BOOTSTRAP_KEY = 0x5EED_2B05
LEAST_BOOTSTRAP = 100
"""Seeds from which on the bootstrap's interval covers within 1.5 points of 95 % (docs/statistics.md); Fieller's needs none."""
_ROUNDING = 1e-14  # spread of equal numbers, relative to them
_BLOCK = 4_000_000  # doubles held at once by the bootstrap: 32 MB


class Beyond(NamedTuple):
    """Variance of a group's mean that its seeds do not show, (groups,) each.

    factor : the same for all numbers of a group, in variances of one seed: the mean of n seeds has the variance
        s^2 (1/n + factor).
    added : in squared units of the number; NaN, where it is not known, adds nothing. With it the degrees of freedom are
        Satterthwaite's, since only s^2 / n has few.
    """

    factor: FloatArray | float = 0.0
    added: FloatArray | float = 0.0


class MeanInterval(NamedTuple):
    """Mean, bounds, number of samples and status per group.

    status "ok"; "tied": all samples are the same number, so their spread says nothing about others; "one_sample", "no_sample".
    Bounds are NaN where the status is not "ok".
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    samples: IntArray
    status: StatusArray


class RatioInterval(NamedTuple):
    """Ratio of means with bounds and a status per group.

    status "ok": the set is [low, high]. "unbounded": the data do not exclude a zero denominator; the exact set is
    (-inf, high] united with [low, inf) where low > high, a half line where one bound is infinite, the whole line where
    both are. "tied": numerator and denominator are in one proportion in all samples; the bounds are the ratio. "few_seeds": a
    bootstrap of fewer than `LEAST_BOOTSTRAP` samples, too narrow; its bounds stand. "one_sample", "no_sample": bounds are NaN.
    """

    ratio: FloatArray
    low: FloatArray
    high: FloatArray
    status: StatusArray


class PairedInterval(NamedTuple):
    """Mean of paired differences with bounds, two-sided p-value of "the mean is zero", number of pairs, and status.

    Statuses as in `MeanInterval`; p-values are NaN where bounds are.
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    samples: IntArray
    status: StatusArray


Interval = TypeVar("Interval", MeanInterval, RatioInterval, PairedInterval)


def mean_interval(x: npt.ArrayLike, level: float = 0.95) -> MeanInterval:
    """Compute an interval of the mean along the last axis of (..., n); NaN samples are absent.

    Student's interval mean +- t(n - 1) s / sqrt(n), each end moved outwards where Hall's correction for the samples' skewness
    asks for it (:func:`w2s.measure.closed_forms.corrected_quantiles`). Of squared normals Student's covers .84, .90, .92 at
    n = 8, 16, 64 where .95 is asked, this one .93, .96, .96; of normals .95 and .965, .95, .95.
    """
    (values,), codes, shape = _flatten(x)
    return _shaped(mean_interval_by(values, codes, _size(shape), level), shape)


def mean_interval_by(
    values: FloatArray,
    codes: IntArray,
    groups: int,
    level: float = 0.95,
    beyond: Beyond | None = None,
    *,
    skewed: bool = True,
) -> MeanInterval:
    """Compute `mean_interval` for flat values (m,) with group numbers (m,) in 0..groups-1; without ``skewed`` Student's."""
    return mean_interval_of(moments_of(values, codes, groups), level, beyond, skewed=skewed)


def mean_interval_of(moments: Moments, level: float, beyond: Beyond | None = None, *, skewed: bool = True) -> MeanInterval:
    """Compute `mean_interval` from what it takes of the samples."""
    law, mean = _law(moments, beyond or Beyond(), skewed), moments.mean
    lower, upper = corrected_quantiles(t_quantile(law.samples, level), law.skew)
    return MeanInterval(mean, mean - law.error * upper, mean - law.error * lower, moments.samples, law.status)


class _Law(NamedTuple):
    """What is known per group of the law of its mean."""

    error: FloatArray  # standard error, NaN where the status is not "ok"
    skew: FloatArray  # skewness over sqrt(n)
    samples: FloatArray  # one more than the degrees of freedom
    status: StatusArray


def _law(moments: Moments, beyond: Beyond, skewed: bool) -> _Law:
    count, mean, variance, third = moments
    variance = np.nan_to_num(variance)
    variance = np.where(variance > (_ROUNDING * mean) ** 2, variance, 0.0)
    seen = variance * (1.0 + count * np.asarray(beyond.factor))
    whole = seen + np.nan_to_num(beyond.added)
    some = (count > 1) & (whole > 0)
    skew = adjusted_skewness(variance * np.maximum(count - 1, 0), third, count) / np.sqrt(np.maximum(count, 1))
    # What the seeds do not show is a mean of many items, and symmetric: it leaves the third cumulant as it is.
    skew = skewed * skew * np.divide(variance, whole, out=np.zeros(len(count)), where=some) ** 1.5
    status = np.where(some, "ok", np.where(count > 1, "tied", np.where(count == 1, "one_sample", "no_sample")))
    return _Law(np.where(some, np.sqrt(whole), np.nan), skew, _effective(count, seen, whole), status)


def _effective(count: IntArray, seen: FloatArray, whole: FloatArray) -> FloatArray:
    """Count the samples whose degrees of freedom the whole variance has (Satterthwaite): n where the seeds show all of it."""
    share = np.divide(whole, seen, out=np.where(whole > 0, 1e4, 1.0), where=seen > 0)
    return np.where(count > 1, 1.0 + (count - 1) * np.minimum(share, 1e4) ** 2, count)


def fieller(num: npt.ArrayLike, den: npt.ArrayLike, level: float = 0.95) -> RatioInterval:
    """Compute Fieller's confidence set for mean(num) / mean(den) of paired samples (..., n); pairs with a NaN are absent.

    It is the set of all r that the t test of "num - r den has mean zero" does not reject,

        { r : (N - r D)^2 <= t^2 (v_NN - 2 r v_ND + r^2 v_DD) },   N, D means, v sample (co)variances of the means,

    t the Student quantile with n - 1 degrees of freedom. Exact for normal pairs with any correlation and any size of
    the denominator; it is an interval exactly when D^2 > t^2 v_DD, that is, when the interval of the denominator's own
    mean excludes zero. See `RatioInterval` for the other cases.

    Source: E. C. Fieller, "Some problems in interval estimation", J. R. Stat. Soc. B 16 (1954) 175-185.
    """
    (top, bottom), codes, shape = _flatten(num, den)
    return _shaped(fieller_by(top, bottom, codes, _size(shape), level), shape)


def fieller_by(
    num: FloatArray, den: FloatArray, codes: IntArray, groups: int, level: float = 0.95, beyond: Beyond | None = None
) -> RatioInterval:
    """Compute `fieller` for flat pairs (m,), (m,) with group numbers (m,).

    What is ``added`` beyond the seeds is the variance of the ratio itself, times the squared mean of the denominator; the
    variance of the denominator it leaves alone.
    """
    return fieller_of(pair_moments_of(num, den, codes, groups), level, beyond)


def fieller_of(moments: PairMoments, level: float, beyond: Beyond | None = None) -> RatioInterval:
    """Compute `fieller` from what it takes of the pairs; ``beyond`` as in :func:`fieller_by`."""
    count, top, bottom, *spread = moments
    beyond = beyond or Beyond()
    ratio, shift = ratio_and_shift(top, bottom)
    rest = np.where(np.isfinite(ratio), 0.0, top)
    more = 1.0 + count * np.asarray(beyond.factor)
    v_dd, v_de, v_ee = (more * variance for variance in spread)
    whole = v_ee + np.nan_to_num(beyond.added)
    tied = (count > 1) & (whole <= (_ROUNDING * top) ** 2)
    quantile = t_quantile(_effective(count, np.nan_to_num(v_ee), np.nan_to_num(whole)), level)
    low, high, a = fieller_set(bottom, rest, v_dd, v_de, whole, quantile)
    known = np.where(a > 0, np.where(tied, "tied", "ok"), "unbounded")
    status = np.where(count < 1, "no_sample", np.where(count < 2, "one_sample", known))
    return RatioInterval(ratio, shift + low, shift + high, status)


def bootstrap_ratio(num: npt.ArrayLike, den: npt.ArrayLike, level: float = 0.95, resamples: int = 2000) -> RatioInterval:
    """Compute the percentile interval of mean(num) / mean(den) under resampling of whole pairs; arrays (..., n), NaN is absent.

    Deterministic: the resampling weights come from a Philox stream keyed by a constant and the number of samples, so
    groups of equal size share them. "unbounded" (with infinite bounds) when Fieller's set is, or when more than
    (1 - level) / 2 of the resampled denominators have the other sign. Makes no assumption of normality, but is too narrow for
    few samples (73 % for 95 % nominal at n = 3, 92 % at 20), which the status "few_seeds" says below `LEAST_BOOTSTRAP`;
    prefer `fieller` unless the seeds are many and their law is skewed. Cost O(groups x n x resamples) as a matrix product.

    Source: B. Efron, "Bootstrap methods: another look at the jackknife", Ann. Statist. 7 (1979) 1-26.
    """
    (top, bottom), codes, shape = _flatten(num, den)
    return _shaped(bootstrap_ratio_by(top, bottom, codes, _size(shape), level, resamples), shape)


def bootstrap_ratio_by(
    num: FloatArray, den: FloatArray, codes: IntArray, groups: int, level: float = 0.95, resamples: int = 2000
) -> RatioInterval:
    """Compute `bootstrap_ratio` for flat pairs (m,), (m,) with group numbers (m,)."""
    if resamples * (1.0 - level) / 2.0 < 1.0:
        raise ValueError(f"resamples={resamples} are too few for level={level}; use at least {2 / (1 - level):.0f}")
    exact = fieller_by(num, den, codes, groups, level)
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=groups)
    starts = np.cumsum(counts) - counts
    low, high = np.full(groups, np.nan), np.full(groups, np.nan)
    for n in np.unique(counts[counts > 1]):
        members = np.flatnonzero(counts == n)
        step = max(1, _BLOCK // max(resamples, int(n)))
        for chunk in np.split(members, range(step, len(members), step)):
            index = order[starts[chunk, None] + np.arange(n)]
            low[chunk], high[chunk] = _percentiles(num[index], den[index], level, resamples)
    unbounded = (exact.status == "unbounded") | np.isinf(low) | np.isinf(high)
    low, high = np.where(unbounded, -np.inf, low), np.where(unbounded, np.inf, high)
    few = (exact.status == "ok") & (counts < LEAST_BOOTSTRAP)
    status = np.where(unbounded, "unbounded", np.where(few, "few_seeds", exact.status))
    return RatioInterval(exact.ratio, low, high, status)


def _percentiles(num: FloatArray, den: FloatArray, level: float, resamples: int) -> tuple[FloatArray, FloatArray]:
    """Compute percentile bounds (g,), (g,) of samples (g, n); infinite where too many denominators change sign."""
    groups, n = num.shape
    sign = np.where(den.mean(axis=1, keepdims=True) < 0, -1.0, 1.0)
    draws = np.empty((groups, resamples))
    stream = np.random.Generator(np.random.Philox(key=[BOOTSTRAP_KEY, n]))
    step = max(1, _BLOCK // n)
    for start in range(0, resamples, step):
        block = slice(start, min(start + step, resamples))
        weights = stream.multinomial(n, np.full(n, 1.0 / n), size=block.stop - start).T.astype(np.float64)
        top, bottom = (sign * num) @ weights, (sign * den) @ weights
        # A denominator that crossed zero stands for a ratio beyond all bounds, on the side of its numerator.
        beyond = np.where(top < 0, -np.inf, np.inf)
        draws[:, block] = np.divide(top, bottom, out=beyond, where=bottom > 0)
    tail = (1.0 - level) / 2.0
    first, last = int(np.floor(tail * resamples)), int(np.ceil((1.0 - tail) * resamples)) - 1
    draws.partition([first, last], axis=1)
    return draws[:, first].copy(), draws[:, last].copy()


def paired_interval(x: npt.ArrayLike, y: npt.ArrayLike, level: float = 0.95) -> PairedInterval:
    """Compute interval (as `mean_interval`) and p-value of the mean of x - y, (..., n); pairs with a NaN are absent."""
    (first, second), codes, shape = _flatten(x, y)
    return _shaped(paired_interval_by(first - second, codes, _size(shape), level), shape)


def paired_interval_by(
    difference: FloatArray,
    codes: IntArray,
    groups: int,
    level: float = 0.95,
    beyond: Beyond | None = None,
    *,
    skewed: bool = True,
) -> PairedInterval:
    """Compute `paired_interval` for flat differences (m,) with group numbers (m,).

    p is the level at which the interval would end at zero: P(|T_(n-1)| >= x), x the lesser of |T| and
    |T + g T^2 / 3 + g^2 T^3 / 27 + g / 6|, T = mean / se and g the skewness over sqrt(n).
    """
    from scipy.special import stdtr

    moments = moments_of(difference, codes, groups)
    result = mean_interval_of(moments, level, beyond, skewed=skewed)
    law = _law(moments, beyond or Beyond(), skewed)
    t, g = result.mean / law.error, law.skew
    statistic = np.minimum(np.abs(t), np.abs(t + g * t**2 / 3.0 + g**2 * t**3 / 27.0 + g / 6.0))
    p_value = np.where(law.status == "ok", 2.0 * stdtr(np.maximum(law.samples - 1, 1), -statistic), np.nan)
    return PairedInterval(result.mean, result.low, result.high, p_value, result.samples, result.status)


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Adjust p-values by Holm's step-down procedure, for one family (m,): max over j <= i of min(1, (m - j + 1) p_(j)).

    NaN entries are no tests: they stay NaN and do not count in m. Source: S. Holm, Scand. J. Statist. 6 (1979) 65-70.
    """
    p = np.asarray(p_values, dtype=np.float64)
    out = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    factor = np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(factor * p[order]), 1.0)
    return out


def _flatten(*arrays: npt.ArrayLike) -> tuple[list[FloatArray], IntArray, tuple[int, ...]]:
    """Broadcast (..., n) arrays; return flat values without absent samples, their group numbers, and the leading shape."""
    dense = np.broadcast_arrays(*(np.asarray(item, dtype=np.float64) for item in arrays))
    if dense[0].ndim < 1:
        raise ValueError("expected arrays (..., n) with one sample per entry of the last axis, got a single number")
    shape = dense[0].shape[:-1]
    present: BoolArray = np.logical_and.reduce([np.isfinite(item) for item in dense]).ravel()
    codes = np.repeat(np.arange(_size(shape)), dense[0].shape[-1])[present]
    return [item.ravel()[present] for item in dense], codes, shape


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _shaped(result: Interval, shape: tuple[int, ...]) -> Interval:
    parts: list[Any] = [item.reshape(shape) for item in result]
    return type(result)(*parts)
