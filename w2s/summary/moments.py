"""What intervals take of the samples of each group: counts, means, (co)variances and third moments.

Of rows that are not in memory they come from batches (:class:`Streamed`, :func:`streamed_units`). Sums are then of deviations
from a first guess, the mean of the rows of a group in the first batch that has some: numbers of one value have that mean and
no variance, as in memory, and other sums lose no digits. Results differ from those in memory by rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from w2s.measure.metrics import pgr_from_gap
from w2s.summary.columns import BoolArray, FloatArray, IntArray
from w2s.summary.stored import Stored

_SLICE = 1 << 20
Ratio: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""Columns of the top and of the bottom, one or the difference of two each."""

__all__ = [
    "Grouped",
    "Moments",
    "PairMoments",
    "Pairs",
    "Ratio",
    "Streamed",
    "group_mean",
    "moments_of",
    "pair_moments_of",
    "ratio_and_shift",
    "streamed_units",
]


class Moments(NamedTuple):
    """What an interval of a mean takes of the samples of each group, (groups,) each.

    ``variance`` is that of the mean, NaN below two samples; ``third`` the mean of the cubed deviations from the mean.
    """

    samples: IntArray
    mean: FloatArray
    variance: FloatArray
    third: FloatArray


class PairMoments(NamedTuple):
    """What an interval of a ratio takes of the pairs of each group, (groups,) each.

    ``top`` and ``bottom`` are means. ``v_dd``, ``v_de``, ``v_ee`` are (co)variances of the means of d, the deviation of the
    denominator, and of e, that of the numerator less ``shift`` times d; ``shift`` is that of :func:`ratio_and_shift`.
    """

    samples: IntArray
    top: FloatArray
    bottom: FloatArray
    v_dd: FloatArray
    v_de: FloatArray
    v_ee: FloatArray


class Pairs(NamedTuple):
    """Moments of a ratio, and number and mean by group of the ratios of the pairs whose own denominator is positive."""

    moments: PairMoments
    positive: IntArray
    mean_of_ratios: FloatArray

    @classmethod
    def of(cls, num: FloatArray, den: FloatArray, codes: IntArray, groups: int) -> Pairs:
        """Compute them of flat pairs (m,), (m,) with group numbers (m,)."""
        return cls(pair_moments_of(num, den, codes, groups), *_mean_of_ratios(num, den, codes, groups))


def moments_of(values: FloatArray, codes: IntArray, groups: int) -> Moments:
    """Compute the moments of flat values (m,) with group numbers (m,)."""
    count, mean = group_mean(values, codes, groups)
    residual = values - mean[codes]
    third = np.bincount(codes, weights=residual**3, minlength=groups) / np.maximum(count, 1)
    return Moments(count, mean, _variance_of(residual, residual, codes, count), third)


def pair_moments_of(num: FloatArray, den: FloatArray, codes: IntArray, groups: int) -> PairMoments:
    """Compute the moments of flat pairs (m,), (m,) with group numbers (m,)."""
    count, top = group_mean(num, codes, groups)
    _, bottom = group_mean(den, codes, groups)
    _, shift = ratio_and_shift(top, bottom)
    d = den - bottom[codes]
    e = (num - top[codes]) - shift[codes] * d
    return PairMoments(count, top, bottom, *(_variance_of(x, y, codes, count) for x, y in ((d, d), (d, e), (e, e))))


def ratio_and_shift(top: FloatArray, bottom: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Divide means, (groups,) each; the shift is the ratio, and zero where there is none."""
    ratio = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom != 0)
    return ratio, np.where(np.isfinite(ratio), ratio, 0.0)


def group_mean(values: FloatArray, codes: IntArray, groups: int) -> tuple[IntArray, FloatArray]:
    """Count and average the values in every group; the mean of an empty group is NaN."""
    count = np.bincount(codes, minlength=groups)
    safe = np.maximum(count, 1)
    mean = np.bincount(codes, weights=values, minlength=groups) / safe
    # The second pass removes the rounding of the plain sum: a constant has exactly that mean and no variance.
    mean += np.bincount(codes, weights=values - mean[codes], minlength=groups) / safe
    return count, np.where(count > 0, mean, np.nan)


def _variance_of(x: FloatArray, y: FloatArray, codes: IntArray, count: IntArray) -> FloatArray:
    """Compute the sample covariance of two means from centred values: sum(x y) / (n (n - 1)); NaN below two samples."""
    total = np.bincount(codes, weights=x * y, minlength=len(count))
    return np.where(count > 1, total / np.maximum(count * (count - 1), 1), np.nan)


def _mean_of_ratios(num: FloatArray, den: FloatArray, codes: IntArray, groups: int) -> tuple[IntArray, FloatArray]:
    """Count and average by group the ratios of the seeds whose own denominator is positive; a status takes 60 bytes."""
    each, kept = np.empty(len(num)), np.empty(len(num), dtype=np.bool_)
    for start in range(0, len(num), _SLICE):
        part = slice(start, start + _SLICE)
        each[part], status = pgr_from_gap(num[part], den[part])
        kept[part] = status == "ok"
    if kept.all():
        return group_mean(each, codes, groups)
    return group_mean(each[kept], codes[kept], groups)


class Grouped(NamedTuple):
    """Rows on disk with the group of each, (rows,), and a mark of those whose numbers may be used."""

    rows: Stored
    group: IntArray
    groups: int
    usable: BoolArray


class _Sums:
    """Sums of powers of deviations from a guess, by group."""

    def __init__(self, groups: int, powers: int) -> None:
        self.groups, self._guess, self.count = groups, np.zeros(groups), np.zeros(groups, dtype=np.int64)
        self._sums = [np.zeros(groups) for _ in range(powers)]

    def add(self, values: FloatArray, codes: IntArray) -> None:
        count = np.bincount(codes, minlength=self.groups)
        fresh = (count > 0) & (self.count == 0)
        if fresh.any():
            self._guess[fresh] = group_mean(values, codes, self.groups)[1][fresh]
        self.count += count
        deviation = values - self._guess[codes]
        power = deviation
        for k, total in enumerate(self._sums):
            power = power * deviation if k else power
            total += np.bincount(codes, weights=power, minlength=self.groups)

    @property
    def mean(self) -> FloatArray:
        """Mean of every group, NaN where it is empty."""
        return np.where(self.count > 0, self._guess + self._sums[0] / np.maximum(self.count, 1), np.nan)

    def moments(self) -> Moments:
        """Return the moments about the mean, of sums of three powers."""
        first, second, third = (total / np.maximum(self.count, 1) for total in self._sums)
        variance = np.maximum(second - first**2, 0.0) / np.maximum(self.count - 1, 1)
        cubes = third - 3.0 * first * second + 2.0 * first**3
        return Moments(self.count, self.mean, np.where(self.count > 1, variance, np.nan), cubes)


class Streamed:
    """Moments of columns and of ratios of rows on disk, each with the mark of the rows that entered."""

    def __init__(self) -> None:
        self.means: dict[str, tuple[Moments, BoolArray]] = {}
        self.ratios: dict[Ratio, tuple[Pairs, BoolArray]] = {}

    def read(self, table: Grouped, means: Sequence[str], ratios: Sequence[Ratio]) -> None:
        """Collect the moments of columns and of ratios that are not here yet.

        All columns are read together, and those of ratios a second time: (co)variances are those about the ratio of the means,
        which many digits would be lost without.
        """
        means, ratios = [name for name in means if name not in self.means], [name for name in ratios if name not in self.ratios]
        if not means and not ratios:
            return
        alone, over = [_Entered(table, [[name]]) for name in means], [_Entered(table, parts) for parts in ratios]
        sums = [_Sums(table.groups, 3) for _ in alone]
        parts = [_RatioSums(*(_Sums(table.groups, 1) for _ in range(3))) for _ in over]
        for batch in _batches(table, [*alone, *over]):
            for total, (codes, (values,)) in zip(sums, batch, strict=False):
                total.add(values, codes)
            for part, (codes, (num, den)) in zip(parts, batch[len(alone) :], strict=True):
                part.add(num, den, codes)
        pairs = _pairs_about(table, over, parts)
        self.means |= {name: (total.moments(), each.rows) for name, total, each in zip(means, sums, alone, strict=True)}
        self.ratios |= {name: (found, each.rows) for name, found, each in zip(ratios, pairs, over, strict=True)}


class _RatioSums(NamedTuple):
    """Sums of the first power of numerators, of denominators, and of ratios whose own denominator is positive."""

    top: _Sums
    bottom: _Sums
    each: _Sums

    def add(self, num: FloatArray, den: FloatArray, codes: IntArray) -> None:
        self.top.add(num, codes)
        self.bottom.add(den, codes)
        with np.errstate(over="ignore", under="ignore"):
            ratio = np.divide(num, den, out=np.full(len(num), np.nan), where=den > 0)
        known = np.isfinite(ratio)
        self.each.add(ratio[known], codes[known])


def _pairs_about(table: Grouped, over: Sequence[_Entered], parts: Sequence[_RatioSums]) -> list[Pairs]:
    """Read the columns of ratios again, whose means are known, for the (co)variances about the ratio of these means."""
    means = [(part.top.mean, part.bottom.mean) for part in parts]
    shifts = [ratio_and_shift(*ends)[1] for ends in means]
    spreads = [np.zeros((3, table.groups)) for _ in parts]
    for batch in _batches(table, over) if over else ():
        for (codes, (num, den)), (top, bottom), shift, spread in zip(batch, means, shifts, spreads, strict=True):
            d = den - bottom[codes]
            e = (num - top[codes]) - shift[codes] * d
            for total, product in zip(spread, (d * d, d * e, e * e), strict=True):
                total += np.bincount(codes, weights=product, minlength=table.groups)
    found = []
    for part, ends, spread in zip(parts, means, spreads, strict=True):
        count = part.top.count
        spread = np.where(count > 1, spread / np.maximum(count * (count - 1), 1), np.nan)
        found.append(Pairs(PairMoments(count, *ends, *spread), part.each.count, part.each.mean))
    return found


def streamed_units(table: Grouped, parts: Sequence[Sequence[str]]) -> tuple[IntArray, list[FloatArray], BoolArray]:
    """Count and average differences of columns by group, each of ``parts`` a column or two, and mark the rows that entered."""
    sums, entered = [_Sums(table.groups, 1) for _ in parts], _Entered(table, parts)
    for ((codes, values),) in _batches(table, [entered]):
        for total, each in zip(sums, values, strict=True):
            total.add(each, codes)
    return sums[0].count, [total.mean for total in sums], entered.rows


class _Entered:
    """Rows that may be used and have finite numbers; those that may be used themselves while none of them lacks a number.

    ``parts`` are columns, or differences of two, that have to be finite together.
    """

    def __init__(self, table: Grouped, parts: Sequence[Sequence[str]]) -> None:
        self._table, self.parts, self.rows = table, parts, table.usable

    def of(self, place: slice, codes: IntArray, found: Mapping[str, FloatArray]) -> tuple[IntArray, list[FloatArray]]:
        """Return groups and values of the rows of a batch that entered."""
        with np.errstate(invalid="ignore"):  # infinity less infinity is not finite either
            values = [found[part[0]] - found[part[1]] if len(part) > 1 else found[part[0]] for part in self.parts]
        kept = self._table.usable[place]
        finite = np.logical_and.reduce([np.isfinite(each) for each in values])
        if (kept & ~finite).any():
            self.rows = self.rows.copy() if self.rows is self._table.usable else self.rows
            self.rows[place] &= finite
        kept = kept & finite
        return (codes, values) if kept.all() else (codes[kept], [each[kept] for each in values])


def _batches(table: Grouped, asked: Sequence[_Entered]) -> Iterator[list[tuple[IntArray, list[FloatArray]]]]:
    """Read all columns that are asked for batch by batch: groups and values of the rows that entered, for each who asks."""
    names = list(dict.fromkeys(name for each in asked for part in each.parts for name in part))
    for place, columns in table.rows.batches(names):
        codes, found = table.group[place].astype(np.int64), dict(zip(names, columns, strict=True))
        yield [each.of(place, codes, found) for each in asked]
