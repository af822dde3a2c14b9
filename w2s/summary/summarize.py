"""One row per group of cells: means over seeds with intervals, and PGR as a ratio of means."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from w2s.measure.scales import scale_of
from w2s.summary import columns
from w2s.summary.columns import SEED, BoolArray, FloatArray, IntArray
from w2s.summary.intervals import Beyond, RatioInterval, bootstrap_ratio_by, fieller_of, mean_interval_of
from w2s.summary.moments import (
    Grouped,
    Moments,
    Pairs,
    Ratio,
    Streamed,
    group_mean,
    moments_of,
    streamed_units,
)
from w2s.summary.population import Population, SeedsDraw, about, population_of, seeds_draw_of
from w2s.summary.stored import Rows, Stored

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["group_keys", "summarize"]

Method = Literal["fieller", "bootstrap"]
_SLICE = 1 << 20


def summarize(
    df: Rows,
    by: str | Sequence[str] | None = None,
    metrics: str | Sequence[str] | None = None,
    level: float = 0.95,
    method: Method = "fieller",
    resamples: int = 2000,
    population: bool | SeedsDraw = False,
) -> pd.DataFrame:
    """Average over seeds, with intervals, one row per group.

    Parameters
    ----------
    df : DataFrame or rows on disk
        Rows of a run, as from `load`; or from `scan`, where they are too many for memory.
    by : name or names
        Columns that define a group, null being a value like any other. None takes every cell field (with study and
        version) that varies in `df`, without the seed; the table's metadata say which columns are fields, so one that has lost
        them needs names here. An empty list makes one group of all rows.
    metrics : name or names
        Columns to summarise, or "opr". None takes the metrics of the table that have values.
    level : float
        Two-sided coverage of the intervals, in (0, 1).
    method : {"fieller", "bootstrap"}
        Interval of the ratios: Fieller's set (exact for normal means) or the percentile bootstrap, paired by seed, which is
        too narrow for few seeds and then says so.
    resamples : int
        Number of bootstrap resamples.
    population : bool, "fresh", "pool" or "test_part"
        False: intervals over seeds. Where seeds part one data set anew they are **for this data set**, and where seeds share
        test items for these items. True: for the population behind it, by what the table says that its seeds draw; a word
        says it for a table that does not (:func:`w2s.summary.population.population_of`). Where each seed has data of its
        own ("fresh") the two are the same. ``attrs["w2s_summary"]["covers"]`` says which it is.

    Seeds are the unit: rows are averaged within (group, seed) first, then Student's interval is taken over the seeds, corrected
    for skewness. Ends stay where the number can be: errors at or above 0, shares in [0, 1].
    Ratios (`opr`, `opr_01`, and every column of `w2s.summary.columns.PGR` or of the table's own ``pgr`` mapping) are ratios
    of means over seeds, mean(gain) / mean(weak_error - ceiling_error), with intervals that account for noise in both errors.

    Returns
    -------
    DataFrame, sorted by group, with the `by` columns and
        rows, seeds : rows of the group; seeds with at least one row that entered.
        excluded : rows that did not enter whole: status "failed" or "nonfinite", or a null in a summarised metric that
            other rows of the group have. rows - excluded entered everywhere.
        status : "ok" | "one_seed" (means, null intervals) | "no_seeds".
        <metric>, <metric>_low, <metric>_high : mean over seeds and bounds.
        <metric>_status : "ok" | "tied" (all seeds have one number, so they say nothing about others: bounds null) |
            "no_item_noise" (population=True, and the rows do not tell it: bounds null) | "one_seed" | "no_seeds".
        <metric>_seeds, <metric>_excluded : seeds that entered and rows that did not, for this metric.
        and for ratios
        <ratio>_status : "ok" | "gap_nonpositive" (mean gap <= 0: value null) | "gap_unresolved" (the interval of the
            mean gap includes 0, so the ratio is unbounded: bounds null) | "few_seeds" (a bootstrap of fewer than 100 seeds:
            bounds too narrow) | "tied" | "no_item_noise" | "one_seed" | "no_seeds"; for OPR the denominator is the student's
            error and the words are "student_nonpositive", "student_unresolved".
        <ratio>_gap (`opr_student`) : mean of the denominator.
        <ratio>_mean_of_ratios, <ratio>_mean_of_ratios_seeds : mean over the seeds whose own denominator is positive,
            with their number: biased, shown for comparison with papers that report it.

    How often the intervals cover is measured: docs/statistics.md. Raises ValueError for unknown columns (with the nearest),
    text metrics, null seeds, "seed" or a result in `by`, groups of several studies or versions, a population that the table
    does not tell, and, without metadata, where `by` is None or a ratio of the study's own is asked for. Cost O(rows x metrics)
    plus one sort; about 2 s for a million rows and nine metrics.
    """
    import pandas as pd

    if method not in get_args(Method):
        raise ValueError(f"method={method!r}; allowed: {', '.join(get_args(Method))}")
    if method == "bootstrap" and population is not False:
        raise ValueError("population and method='bootstrap': a resampling of seeds shows no other data set; use fieller")
    keys = group_keys(df, by)
    names = _metric_names(df, metrics, keys)
    table = df.kept(("groups", *keys), lambda: _Table.of(df, keys)) if isinstance(df, Stored) else _Table.of(df, keys)
    beyond = population_of(df, population, table.group, table.groups)

    table.read(df, names, with_ratios=method == "fieller")
    blocks = [_summary_of(df, table, name, level, method, resamples, beyond) for name in names]
    counts = table.counts(blocks)
    columns_ = {**counts, **{key: value for block in blocks for key, value in block.columns.items()}}
    out = pd.concat([table.keys, pd.DataFrame(columns_, index=table.keys.index)], axis=1)
    covers = about(beyond.seeds_draw if beyond else seeds_draw_of(df), beyond is not None, level)
    described = {"by": keys, "metrics": names, "level": level, "method": method, "rows": len(df), "covers": covers}
    out.attrs = {"w2s_summary": described}
    return out


def group_keys(df: Rows, by: str | Sequence[str] | None, apart: Any = None) -> list[str]:
    """List the grouping columns: the given ones, checked, or every cell field that varies, for which metadata are needed.

    ``apart`` is as in :func:`w2s.summary.columns.check_group`.
    """
    if by is None:
        return columns.varying(df, columns.cell_fields(df))
    keys = columns.as_names(by)
    columns.need(df, keys, "a group key")
    clash = {SEED, "rows", "seeds", "excluded", "status"}.intersection(keys)
    if clash:
        raise ValueError(f"cannot group by {sorted(clash)}: seeds are the unit of the intervals and counts are results")
    columns.check_group(df, keys, apart)
    return keys


def _metric_names(df: Rows, metrics: str | Sequence[str] | None, keys: list[str]) -> list[str]:
    if metrics is not None:
        names = list(dict.fromkeys(columns.as_names(metrics)))
        columns.need(df, [name for name in names if not columns.is_ratio(df, name)], "a metric")
        if set(names) & set(keys):
            raise ValueError(f"{sorted(set(names) & set(keys))} cannot be both grouped by and averaged")
        columns.refuse_ends(names)
        return names
    declared = df.attrs.get("w2s", {}).get("metrics", columns.METRICS)
    theory = [str(name) for name in df.columns if str(name).endswith("_theory")]
    ratios = columns.ratios(df)
    known = [name for name in dict.fromkeys([*declared, *theory]) if name in df.columns]
    known = [name for name in known if not columns.metric_of_end(name, [*df.columns, *ratios])]
    plain = [name for name in known if name not in ratios and name not in keys and _has_value(df, name)]
    return plain + [name for name in ratios if _has_ratio(df, name)]


def _has_value(df: Rows, name: str) -> bool:
    return columns.has_value(df, name) or not len(df)


def _has_ratio(df: Rows, name: str) -> bool:
    top, bottom = columns.ratio_columns(df, name)
    return all(column in df.columns and _has_value(df, column) for column in (*top, *bottom))


@dataclass(frozen=True)
class _Block:
    """Result columns of one metric, and which rows entered it."""

    columns: dict[str, npt.NDArray[Any]]
    entered: BoolArray


@dataclass(frozen=True)
class _Table:
    """Groups and seeds of the rows of a frame.

    A *unit* is a (group, seed) pair, numbered by group, then seed; `unit` (rows,) says which one a row belongs to. Where rows
    are on disk and each is a unit of its own, `unit` is empty, and units are in the order of the rows.
    """

    keys: pd.DataFrame
    group: IntArray
    unit: IntArray
    unit_group: IntArray
    usable: BoolArray = field(repr=False)

    @classmethod
    def of(cls, df: Rows, by: list[str]) -> _Table:
        group, keys = columns.group_codes(df, by)
        rank = columns.seed_codes(df)
        width = int(rank.max()) + 1 if len(rank) else 1
        if isinstance(df, Stored) and width * len(keys) <= 4 * len(rank):
            return cls._of_stored(df, keys, group, rank, width)
        rank = rank + group.astype(np.int64) * width
        _, pairs, unit = columns.dense(rank, width * len(keys))
        return cls(keys, group, unit, pairs // width, columns.usable(df))

    @classmethod
    def _of_stored(cls, df: Stored, keys: pd.DataFrame, group: IntArray, rank: IntArray, width: int) -> _Table:
        """Number units slice by slice, since all at once take several times the memory of their numbers."""
        slices = [slice(start, start + _SLICE) for start in range(0, len(rank), _SLICE)]
        seen = np.zeros(width * len(keys), dtype=np.bool_)
        for part in slices:
            seen[group[part].astype(np.int64) * width + rank[part]] = True
        pairs = np.flatnonzero(seen)
        if len(pairs) == len(rank):
            return cls(keys, group, np.empty(0, dtype=np.int64), group, columns.usable(df))
        place = np.cumsum(seen, dtype=np.int32) - np.int32(1)
        unit = np.empty(len(rank), dtype=np.int32)
        for part in slices:
            unit[part] = place[group[part].astype(np.int64) * width + rank[part]]
        return cls(keys, group, unit, pairs // width, columns.usable(df))

    @property
    def groups(self) -> int:
        return len(self.keys)

    def per_seed(self, entered: BoolArray, *values: FloatArray) -> tuple[IntArray, list[FloatArray]]:
        """Return group and means of every unit with at least one entered row, in the order of the units."""
        if not len(self.unit):
            whole = bool(entered.all())
            return self.group if whole else self.group[entered], [value if whole else value[entered] for value in values]
        units = len(self.unit_group)
        results = [group_mean(value[entered], self.unit[entered], units) for value in values]
        present = results[0][0] > 0
        return self.unit_group[present], [mean[present] for _, mean in results]

    def read(self, df: Rows, names: Sequence[str], *, with_ratios: bool) -> None:
        """Read what :meth:`moments` and :meth:`pairs` of some metrics take of rows on disk, every column for all of them.

        Where means of units are needed, as many as there are rows, metrics are read one by one instead.
        """
        if not isinstance(df, Stored) or len(self.unit):
            return
        ratios, there = columns.ratios(df), {name for name in map(str, df.columns) if df.is_number(name)}
        pairs = [columns.ratio_columns(df, name) for name in names if name in ratios and with_ratios]
        self._streamed(
            df,
            [name for name in names if name not in ratios and name in there],
            [(top, bottom) for top, bottom in pairs if there.issuperset((*top, *bottom))],
        )

    def _streamed(self, df: Stored, means: Sequence[str] = (), ratios: Sequence[Ratio] = ()) -> Streamed:
        found = df.kept(("streamed", *self.keys.columns), Streamed)
        found.read(Grouped(df, self.group, self.groups, self.usable), means, ratios)
        return found

    def moments(self, df: Rows, name: str) -> tuple[Moments, BoolArray]:
        """Collect the moments of a column over the seeds of every group, and mark the rows that entered."""
        if not (isinstance(df, Stored) and df.is_number(name)):
            values = columns.numbers(df, name)
            entered = self.usable & np.isfinite(values)
            codes, (means,) = self.per_seed(entered, values)
            return moments_of(means, codes, self.groups), entered
        if not len(self.unit):
            return self._streamed(df, [name]).means[name]

        def collect() -> tuple[Moments, BoolArray]:
            codes, (means,), entered = self._units(df, ((name,),))
            return moments_of(means, codes, self.groups), entered

        return df.kept(("moments", name, *self.keys.columns), collect)

    def pairs(self, df: Rows, top: tuple[str, ...], bottom: tuple[str, ...]) -> tuple[Pairs, BoolArray]:
        """Collect the moments of a ratio over the seeds of every group, and mark the rows that entered."""
        if not (isinstance(df, Stored) and all(map(df.is_number, (*top, *bottom)))):
            num, den = columns.difference(df, top), columns.difference(df, bottom)
            entered = self.usable & np.isfinite(num) & np.isfinite(den)
            codes, (num, den) = self.per_seed(entered, num, den)
            return Pairs.of(num, den, codes, self.groups), entered
        if not len(self.unit):
            return self._streamed(df, (), [(top, bottom)]).ratios[top, bottom]

        def collect() -> tuple[Pairs, BoolArray]:
            codes, (num, den), entered = self._units(df, (top, bottom))
            return Pairs.of(num, den, codes, self.groups), entered

        return df.kept(("pairs", *top, "over", *bottom, "by", *self.keys.columns), collect)

    def _units(self, df: Stored, parts: Sequence[Sequence[str]]) -> tuple[IntArray, list[FloatArray], BoolArray]:
        count, means, entered = streamed_units(Grouped(df, self.unit, len(self.unit_group), self.usable), parts)
        present = count > 0
        return self.unit_group[present], [mean[present] for mean in means], entered

    @functools.cached_property
    def rows(self) -> IntArray:
        """Count the rows of every group."""
        return np.bincount(self.group, minlength=self.groups)

    def rows_of(self, mask: BoolArray) -> IntArray:
        """Count the rows in `mask` per group."""
        return self.rows if mask.all() else np.bincount(self.group[mask], minlength=self.groups)

    def counts(self, blocks: list[_Block]) -> dict[str, npt.NDArray[Any]]:
        """Count for every group its rows, its seeds and its excluded rows, and give its status."""
        whole, any_value = self.usable.copy(), np.zeros(len(self.group), dtype=np.bool_)
        if blocks and all(block.entered is self.usable for block in blocks):  # nothing lacks a number: as below, in less time
            any_value, blocks = self.usable, []
        for block in blocks:
            defined = self.rows_of(block.entered) > 0
            whole &= block.entered | ~defined[self.group]
            any_value |= block.entered
        whole &= any_value
        seeds: IntArray
        if len(self.unit):
            touched = np.flatnonzero(np.bincount(self.unit[any_value], minlength=len(self.unit_group)))
            seeds = np.bincount(self.unit_group[touched], minlength=self.groups)
        else:
            seeds = self.rows_of(any_value)
        excluded = self.rows - self.rows_of(whole)
        return {"rows": self.rows, "seeds": seeds, "excluded": excluded, "status": _seed_status(seeds)}


def _seed_status(seeds: IntArray) -> npt.NDArray[np.str_]:
    return np.where(seeds > 1, "ok", np.where(seeds == 1, "one_seed", "no_seeds"))


def _summary_of(
    df: Rows, table: _Table, name: str, level: float, method: Method, resamples: int, population: Population | None
) -> _Block:
    if name in columns.ratios(df):
        return _ratio_block(df, table, name, level, method, resamples, population)
    moments, entered = table.moments(df, name)
    more = Beyond() if population is None else population.of_mean(df, name, table.group, entered)
    result = mean_interval_of(moments, level, more)
    unknown = _unknown(more, result.status == "ok")
    status = np.where(unknown, "no_item_noise", _in_seeds(result.status))
    low, high = (np.where(unknown, np.nan, scale_of(name).clip(end)) for end in (result.low, result.high))
    return _Block(
        {
            name: result.mean,
            f"{name}_low": low,
            f"{name}_high": high,
            f"{name}_status": status,
            f"{name}_seeds": result.samples,
            f"{name}_excluded": table.rows - table.rows_of(entered),
        },
        entered,
    )


def _unknown(more: Beyond | None, resolved: BoolArray) -> BoolArray:
    """Mark the groups whose seeds resolve a number while the noise of their test items is not known."""
    return resolved if more is None else resolved & np.isnan(more.added)


def _in_seeds(status: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Say what holds of samples of seeds: samples are seeds here."""
    found = np.where(status == "one_sample", "one_seed", status)
    return np.where(status == "no_sample", "no_seeds", found)


def _ratio_block(
    df: Rows, table: _Table, name: str, level: float, method: Method, resamples: int, population: Population | None
) -> _Block:
    top, bottom = columns.ratio_columns(df, name)
    columns.need(df, [*top, *bottom], f"for {name}")
    if method == "fieller":
        pairs, entered = table.pairs(df, top, bottom)
        more: Beyond | None = Beyond()
        if population is not None:
            more = population.of_ratio(df, name, table.group, entered, columns.difference(df, bottom))
        interval = fieller_of(pairs.moments, level, more)
    else:
        num, den = columns.difference(df, top), columns.difference(df, bottom)
        entered = table.usable & np.isfinite(num) & np.isfinite(den)
        codes, (num, den) = table.per_seed(entered, num, den)
        if isinstance(df, Stored) and not len(table.unit):  # resampling goes by places, in memory those of the seeds
            order = np.argsort(columns.seed_codes(df)[entered], kind="stable")
            codes, num, den = codes[order], num[order], den[order]
        pairs = Pairs.of(num, den, codes, table.groups)
        interval, more = bootstrap_ratio_by(num, den, codes, table.groups, level, resamples), Beyond()
    seeds, gap = pairs.moments.samples, pairs.moments.bottom
    bottom_name = columns.ratios(df)[name].bottom_name
    status = _ratio_status(interval, gap, bottom_name)
    status = np.where(_unknown(more, status == "ok"), "no_item_noise", status)
    bounded = (status == "ok") | (status == "few_seeds")
    return _Block(
        {
            name: np.where(gap > 0, interval.ratio, np.nan),
            f"{name}_low": np.where(bounded, interval.low, np.nan),
            f"{name}_high": np.where(bounded, interval.high, np.nan),
            f"{name}_status": status,
            f"{name}_seeds": seeds,
            f"{name}_excluded": table.rows - table.rows_of(entered),
            f"{name}_{bottom_name}": gap,
            f"{name}_mean_of_ratios": pairs.mean_of_ratios,
            f"{name}_mean_of_ratios_seeds": pairs.positive,
        },
        entered,
    )


def _ratio_status(interval: RatioInterval, bottom: FloatArray, word: str) -> npt.NDArray[np.str_]:
    """Return the statuses of a ratio whose denominator is meant to be positive; the sign of its mean is judged first."""
    status = np.where(interval.status == "unbounded", f"{word}_unresolved", _in_seeds(interval.status))
    return np.where(bottom <= 0, f"{word}_nonpositive", status)
