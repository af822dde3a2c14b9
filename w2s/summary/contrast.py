"""Paired comparison of two settings: a minus b within every seed, with Holm's correction over the groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.measure.scales import scale_of
from w2s.summary import columns
from w2s.summary.columns import SEED, BoolArray, FloatArray, IntArray
from w2s.summary.intervals import Beyond, fieller_by, holm, paired_interval_by
from w2s.summary.moments import group_mean
from w2s.summary.population import SeedsDraw, about, population_of, seeds_draw_of
from w2s.summary.summarize import group_keys

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["contrast", "equal_to"]


def contrast(
    df: pd.DataFrame,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    pair: str = SEED,
    metric: str = "student_error",
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
    population: bool | SeedsDraw = False,
) -> pd.DataFrame:
    """Estimate the difference a - b of `metric`, paired by `pair` within every group.

    Parameters
    ----------
    df : DataFrame
        Rows of a run, as from `load`.
    a, b : dict
        Field values of the two settings, for example {"student_filter": "ridge", "ridge": 0.1}. None asks for null; decimal
        numbers match to 11 digits.
    pair : str
        Column whose values are the pairs, the unit of the interval.
    metric : str
        Column to compare. PGR and OPR are compared as ratios of means: every seed enters with its linearised value
        R + (num - R den) / mean(den). That accounts for noise in the weak and ceiling errors, and for what a and b
        share of it.
    by : name or names
        Group columns. None takes the cell fields that vary among the matching rows, without the keys of a and b.
    level : float
        Two-sided coverage.
    population : bool, "fresh" or "pool"
        False: interval and p-value are over seeds; where these part one data set anew, for this data set. True or a word: for
        the population, as in `summarize`. Seeds that share their test items are refused: the rows of two settings do not
        tell how their errors go together on the items.

    Rows are averaged within (group, pair) on each side first. The interval is Student's, for
    plain metrics corrected for skewness.

    Returns
    -------
    DataFrame, sorted by group, with the `by` columns and
        a_mean, b_mean, difference, low, high : means over the pairs, and the interval of the difference.
        p_value, p_holm : two-sided test that belongs to the interval, and Holm's correction over all groups that have one.
        pairs, unpaired : values of `pair` with usable rows on both sides, and on one side only.
        excluded : rows with status "failed" or "nonfinite", or without the metric.
        status : "ok" | "tied" (all pairs have one difference) | "one_pair" | "no_pairs", and for ratios "gap_unresolved" |
            "gap_nonpositive" (for OPR "student_..."); bounds and p-values are null but for "ok".

    Raises ValueError for unknown columns, when a or b matches no row (with the values there are), when a row belongs
    to both, and when a field has no value in common on the two sides, since then nothing could pair.
    """
    columns.need(df, [*a, *b], "a field of the contrast")
    side_a, side_b = _matching(df, a, "a"), _matching(df, b, "b")
    if (side_a & side_b).any():
        raise ValueError(f"{int((side_a & side_b).sum())} rows match both a={dict(a)} and b={dict(b)}; they must differ")
    rows = df[side_a | side_b]
    first = side_a[side_a | side_b]
    keys = _keys(rows, first, by, {*a, *b, pair})
    group, names = columns.group_codes(rows, keys)
    parts, entered = _values(rows, metric)
    pairs = _Pairs.of(group, columns.seed_codes(rows, pair), first, entered, parts)
    ratio = columns.ratios(rows).get(metric)
    values_a, values_b, status = _linearised(pairs, ratio.bottom_name if ratio else "", len(names), level)
    beyond = _beyond(rows, population, group, len(names))
    # Linearised ratios cover often enough without the correction for skewness, and too often with it (docs/statistics.md).
    plain = len(parts) == 1
    test = paired_interval_by(values_a - values_b, pairs.group, len(names), level, beyond, skewed=plain)
    status = np.where((status == "ok") & (test.status == "tied"), "tied", status)
    ok, scale = status == "ok", scale_of(metric)
    reach = scale.high - scale.low  # two shares do not differ by more than one
    columns_out: dict[str, npt.NDArray[Any]] = {
        "a_mean": group_mean(values_a, pairs.group, len(names))[1],
        "b_mean": group_mean(values_b, pairs.group, len(names))[1],
        "difference": test.mean,
        "low": np.where(ok, np.maximum(test.low, -reach), np.nan),
        "high": np.where(ok, np.minimum(test.high, reach), np.nan),
        "p_value": np.where(ok, test.p_value, np.nan),
        "p_holm": holm(np.where(ok, test.p_value, np.nan)),
        "pairs": test.samples,
        "unpaired": np.bincount(pairs.unpaired, minlength=len(names)),
        "excluded": np.bincount(group[~entered], minlength=len(names)),
        "status": status,
    }
    out = names.assign(**columns_out)
    covers = about(seeds_draw_of(rows) if isinstance(population, bool) else population, population is not False, level)
    out.attrs = {"w2s_contrast": {"a": dict(a), "b": dict(b), "metric": metric, "pair": pair, "level": level, "covers": covers}}
    return out


def _beyond(rows: pd.DataFrame, population: bool | SeedsDraw, group: IntArray, groups: int) -> Beyond | None:
    found = population_of(rows, population, group, groups)
    if found is None:
        return None
    if found.seeds_draw == "test_part":
        raise ValueError(
            "population: all seeds are tested on the same items, and the rows of two settings do not tell how their errors go "
            "together on them; compare the settings' intervals of summarize(population=True)"
        )
    return Beyond(factor=found.factor)


class _Pairs(NamedTuple):
    """Pairs in the order of (group, pair): group numbers, and per side the means of every part of the metric."""

    group: IntArray  # (pairs,)
    a: list[FloatArray]  # parts of (pairs,)
    b: list[FloatArray]
    unpaired: IntArray  # group number of every unit with one side only

    @classmethod
    def of(cls, group: IntArray, unit: IntArray, first: BoolArray, entered: BoolArray, parts: list[FloatArray]) -> _Pairs:
        """Average the entered rows within (group, unit) on each side and keep units with both."""
        width = int(unit.max()) + 1
        units, code = np.unique(group * width + unit, return_inverse=True)
        sides = [
            [group_mean(part[side], code[side], len(units)) for part in parts] for side in (entered & first, entered & ~first)
        ]
        has_a, has_b = (side[0][0] > 0 for side in sides)
        both = has_a & has_b
        means_a, means_b = ([mean[both] for _, mean in side] for side in sides)
        return cls(units[both] // width, means_a, means_b, units[has_a ^ has_b] // width)


def _values(rows: pd.DataFrame, metric: str) -> tuple[list[FloatArray], BoolArray]:
    """Return the metric of every row (top and bottom for a ratio) and mark the rows that enter."""
    if columns.is_ratio(rows, metric):
        parts = list(columns.ratio_parts(rows, metric))
    else:
        columns.need(rows, [metric], "the metric to compare")
        parts = [columns.numbers(rows, metric)]
    return parts, columns.usable(rows) & np.logical_and.reduce([np.isfinite(part) for part in parts])


def _linearised(pairs: _Pairs, word: str, groups: int, level: float) -> tuple[FloatArray, FloatArray, npt.NDArray[np.str_]]:
    """Compute values per pair whose mean is the statistic of each side, and a status per group.

    ``word`` names the bottom of a ratio.
    """
    count = np.bincount(pairs.group, minlength=groups)
    status = np.where(count > 1, "ok", np.where(count == 1, "one_pair", "no_pairs")).astype("U24")
    if len(pairs.a) == 1:
        return pairs.a[0], pairs.b[0], status
    sides = []
    for num, den in (pairs.a, pairs.b):
        ratio = fieller_by(num, den, pairs.group, groups, level)
        bottom = group_mean(den, pairs.group, groups)[1]
        status = np.where((status == "ok") & (ratio.status == "unbounded"), f"{word}_unresolved", status)
        status = np.where(bottom <= 0, f"{word}_nonpositive", status)
        positive = np.where(bottom > 0, bottom, np.nan)[pairs.group]
        center = ratio.ratio[pairs.group]
        sides.append(center + (num - center * den) / positive)
    return sides[0], sides[1], status


def _keys(rows: pd.DataFrame, first: BoolArray, by: str | Sequence[str] | None, taken: set[str]) -> list[str]:
    """Return the group columns; where the user named none, check that they can pair the two sides."""
    keys = group_keys(rows, by, first)
    if by is not None:
        return keys
    keys = [key for key in keys if key not in taken]
    for key in keys:
        if not rows[key][first].isin(rows[key][~first]).any():
            raise ValueError(
                f"field {key!r} has no value in common between a ({_some(rows[key][first])}) and b "
                f"({_some(rows[key][~first])}), so nothing pairs; give it in a and b, or set by"
            )
    return keys


def _matching(df: pd.DataFrame, setting: Mapping[str, Any], side: str) -> BoolArray:
    """Mark the rows with all the values of a setting; a ValueError names the value that no row has."""
    mask = np.ones(len(df), dtype=np.bool_)
    for name, value in setting.items():
        mask &= equal_to(df[name], value)
        if not mask.any():
            raise ValueError(f"{side}={dict(setting)} matches no row at {name}={value!r}; {name} has {_some(df[name])}")
    if not mask.any():
        raise ValueError("the table has no rows, so there is nothing to compare")
    return mask


def equal_to(column: pd.Series[Any], value: Any) -> BoolArray:
    """Mark the rows of a field that have a value: None is null, and decimal numbers match to 11 digits."""
    if value is None:
        return np.asarray(column.isna(), dtype=np.bool_)
    if isinstance(value, tuple | list):  # pandas would compare its items with the rows
        return np.array([item == tuple(value) for item in column], dtype=np.bool_)
    if isinstance(value, float) and column.dtype.kind == "f":
        # Axis values are rounded to 12 digits, a value typed or computed by hand is not.
        close = np.isclose(column.to_numpy(dtype=np.float64, na_value=np.nan), value, rtol=1e-11, atol=0.0)
        return np.asarray(close, dtype=np.bool_)
    return np.asarray((column == value).fillna(False), dtype=np.bool_)


def _some(column: pd.Series[Any]) -> str:
    values = [str(value) for value in column.drop_duplicates().iloc[:8]]
    return ", ".join(values)
