"""Intervals over seeds for means, and for ratios of two correlated means, over many groups at once.

Two layouts, one arithmetic. *Dense*: arrays (..., n), one group per leading index, NaN where a sample is absent.
*Flat* (names ending in ``_by``): values (m,) with a group number (m,), for groups of unequal size. A ratio is always
mean(num) / mean(den) of paired samples, so the noise of the denominator, and its correlation with the numerator, is
inside the interval; means of ratios are not offered here, since they are biased and have no variance when the
denominator can come near zero.

These intervals describe tables: 95 % by default, from Student's law for means and Fieller's set for ratios, in closed form, for
many groups at once. Claims decide whether a sentence holds and test several at once; their statistics are medians, peaks or
differences of ratios, for which there is no such form. Their intervals are of 99 % and resample whole seeds:
:mod:`w2s.claims.seed_intervals`.

`level` is two-sided coverage, strictly between 0 and 1. Cost: O(m) for all but the bootstrap.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from w2s.summary.columns import BoolArray, FloatArray, IntArray

__all__ = [
    "BOOTSTRAP_KEY",
    "MeanInterval",
    "PairedInterval",
    "RatioInterval",
    "bootstrap_ratio",
    "bootstrap_ratio_by",
    "fieller",
    "fieller_by",
    "group_mean",
    "holm",
    "mean_interval",
    "mean_interval_by",
    "paired_interval",
    "paired_interval_by",
    "t_quantile",
]

StatusArray = npt.NDArray[np.str_]

# Fixed and independent of the data: the same table gives the same interval, and a further group changes no other.
BOOTSTRAP_KEY = 0x5EED_2B05
_BLOCK = 4_000_000  # doubles held at once by the bootstrap: 32 MB


class MeanInterval(NamedTuple):
    """Mean, bounds and number of samples per group; bounds are NaN below two samples."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    samples: IntArray


class RatioInterval(NamedTuple):
    """Ratio of means with bounds and a status per group.

    status "ok": the set is [low, high]. "unbounded": the data do not exclude a zero denominator; the exact set is
    (-inf, high] united with [low, inf) where low > high, a half line where one bound is infinite, the whole line where
    both are. "one_sample", "no_sample": bounds are NaN.
    """

    ratio: FloatArray
    low: FloatArray
    high: FloatArray
    status: StatusArray


class PairedInterval(NamedTuple):
    """Mean of paired differences with bounds, two-sided p-value of "the mean is zero", and number of pairs."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    samples: IntArray


Interval = TypeVar("Interval", MeanInterval, RatioInterval, PairedInterval)


def mean_interval(x: npt.ArrayLike, level: float = 0.95) -> MeanInterval:
    """Compute Student's interval mean +- t(n - 1) s / sqrt(n) along the last axis of (..., n); NaN samples are absent."""
    (values,), codes, shape = _flatten(x)
    return _shaped(mean_interval_by(values, codes, _size(shape), level), shape)


def mean_interval_by(values: FloatArray, codes: IntArray, groups: int, level: float = 0.95) -> MeanInterval:
    """Compute `mean_interval` for flat values (m,) with group numbers (m,) in 0..groups-1."""
    count, mean = group_mean(values, codes, groups)
    residual = values - mean[codes]
    half = t_quantile(count, level) * np.sqrt(_mean_variance(residual, residual, codes, count))
    return MeanInterval(mean, mean - half, mean + half, count)


def fieller(num: npt.ArrayLike, den: npt.ArrayLike, level: float = 0.95) -> RatioInterval:
    """Compute Fieller's confidence set for mean(num) / mean(den) of paired samples (..., n); pairs with a NaN are absent.

    The set of all r that the t test of "num - r den has mean zero" does not reject,

        { r : (N - r D)^2 <= t^2 (v_NN - 2 r v_ND + r^2 v_DD) },   N, D means, v sample (co)variances of the means,

    t the Student quantile with n - 1 degrees of freedom. Exact for normal pairs with any correlation and any size of
    the denominator; it is an interval exactly when D^2 > t^2 v_DD, that is, when the interval of the denominator's own
    mean excludes zero. See `RatioInterval` for the other cases.

    Source: E. C. Fieller, "Some problems in interval estimation", J. R. Stat. Soc. B 16 (1954) 175-185.
    """
    (top, bottom), codes, shape = _flatten(num, den)
    return _shaped(fieller_by(top, bottom, codes, _size(shape), level), shape)


def fieller_by(num: FloatArray, den: FloatArray, codes: IntArray, groups: int, level: float = 0.95) -> RatioInterval:
    """Compute `fieller` for flat pairs (m,), (m,) with group numbers (m,)."""
    count, top = group_mean(num, codes, groups)
    _, bottom = group_mean(den, codes, groups)
    ratio = np.divide(top, bottom, out=np.full(groups, np.nan), where=bottom != 0)
    # With r = shift + u and e = num - shift den the condition reads a u^2 - 2 b u + c <= 0. Written in e, which is
    # small where the two are nearly proportional, nothing cancels; in num and den themselves the discriminant does.
    shift = np.where(np.isfinite(ratio), ratio, 0.0)
    rest = np.where(np.isfinite(ratio), 0.0, top)
    d = den - bottom[codes]
    e = (num - top[codes]) - shift[codes] * d
    t2 = t_quantile(count, level) ** 2
    v_dd, v_de, v_ee = (_mean_variance(x, y, codes, count) for x, y in ((d, d), (d, e), (e, e)))
    a, b, c = bottom**2 - t2 * v_dd, rest * bottom - t2 * v_de, rest**2 - t2 * v_ee
    low, high = _quadratic_set(a, b, c)
    status = np.where(count < 1, "no_sample", np.where(count < 2, "one_sample", np.where(a > 0, "ok", "unbounded")))
    return RatioInterval(ratio, shift + low, shift + high, status)


def _quadratic_set(a: FloatArray, b: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bounds of {u : a u^2 - 2 b u + c <= 0}; low > high is the complement of an interval, NaN in gives NaN."""
    discriminant = b**2 - a * c
    # The roots are q / a and c / q: no difference of like numbers, and a -> 0 sends the right one to infinity.
    q = b + np.copysign(np.sqrt(np.maximum(discriminant, 0.0)), b)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(q == 0, 0.0, q / a)
        second = np.where(q == 0, 0.0, c / q)
    small, large = np.minimum(first, second), np.maximum(first, second)
    low, high = np.where(a > 0, small, large), np.where(a > 0, large, small)
    # a = 0: the half line from c / 2b, upwards for b > 0.
    half = (a == 0) & (b != 0)
    low = np.where(half, np.where(b > 0, second, -np.inf), low)
    high = np.where(half, np.where(b > 0, np.inf, second), high)
    line = (a <= 0) & ((discriminant <= 0) | ((a == 0) & (b == 0)))
    return np.where(line & ~half, -np.inf, low), np.where(line & ~half, np.inf, high)


def bootstrap_ratio(num: npt.ArrayLike, den: npt.ArrayLike, level: float = 0.95, resamples: int = 2000) -> RatioInterval:
    """Compute the percentile interval of mean(num) / mean(den) under resampling of whole pairs; arrays (..., n), NaN is absent.

    Deterministic: the resampling weights come from a Philox stream keyed by a constant and the number of samples, so
    groups of equal size share them. "unbounded" (with infinite bounds) when Fieller's set is, or when more than
    (1 - level) / 2 of the resampled denominators have the other sign. Makes no assumption of normality, but is too
    narrow for few samples (about 92 % for 95 % nominal at n = 20); prefer `fieller` unless the seeds are many and
    their law is skewed. Cost O(groups x n x resamples) as a matrix product.

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
    return RatioInterval(exact.ratio, low, high, np.where(unbounded, "unbounded", exact.status))


def _percentiles(num: FloatArray, den: FloatArray, level: float, resamples: int) -> tuple[FloatArray, FloatArray]:
    """Percentile bounds (g,), (g,) of samples (g, n); infinite where too many denominators change sign."""
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
    """Compute Student's interval and p-value for the mean of x - y over pairs (..., n); pairs with a NaN are absent."""
    (first, second), codes, shape = _flatten(x, y)
    return _shaped(paired_interval_by(first - second, codes, _size(shape), level), shape)


def paired_interval_by(difference: FloatArray, codes: IntArray, groups: int, level: float = 0.95) -> PairedInterval:
    """Compute `paired_interval` for flat differences (m,) with group numbers (m,).

    p = P(|T_(n-1)| >= |mean| / se). Without any spread p is 0 for a nonzero mean and 1 for a zero one.
    """
    from scipy.special import stdtr

    mean, low, high, samples = mean_interval_by(difference, codes, groups, level)
    half = (high - low) / 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(mean == 0, 0.0, np.abs(mean) * t_quantile(samples, level) / half)
    p_value = np.where(samples > 1, 2.0 * stdtr(np.maximum(samples - 1, 1), -statistic), np.nan)
    return PairedInterval(mean, low, high, p_value, samples)


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


def t_quantile(count: npt.ArrayLike, level: float) -> FloatArray:
    """Compute the two-sided Student quantile with count - 1 degrees of freedom; NaN below two samples."""
    from scipy.special import stdtrit

    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level} must lie strictly between 0 and 1, for example 0.95")
    freedom = np.asarray(count) - 1
    quantile = stdtrit(np.maximum(freedom, 1), 0.5 + level / 2.0)
    return np.where(freedom >= 1, quantile, np.nan)


def group_mean(values: FloatArray, codes: IntArray, groups: int) -> tuple[IntArray, FloatArray]:
    """Count and average the values in every group; the mean of an empty group is NaN."""
    count = np.bincount(codes, minlength=groups)
    safe = np.maximum(count, 1)
    mean = np.bincount(codes, weights=values, minlength=groups) / safe
    # The second pass removes the rounding of the plain sum: a constant has exactly that mean and no variance.
    mean += np.bincount(codes, weights=values - mean[codes], minlength=groups) / safe
    return count, np.where(count > 0, mean, np.nan)


def _mean_variance(x: FloatArray, y: FloatArray, codes: IntArray, count: IntArray) -> FloatArray:
    """Sample covariance of two means from centred values: sum(x y) / (n (n - 1)); NaN below two samples."""
    total = np.bincount(codes, weights=x * y, minlength=len(count))
    return np.where(count > 1, total / np.maximum(count * (count - 1), 1), np.nan)


def _flatten(*arrays: npt.ArrayLike) -> tuple[list[FloatArray], IntArray, tuple[int, ...]]:
    """Broadcast (..., n) arrays, flat values without absent samples, their group numbers, the leading shape."""
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
