"""The best value of an axis, chosen on some seeds and reported on others, with the choice written beside the number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args

import numpy as np

from w2s.summary import columns
from w2s.summary.columns import SEED, BoolArray, FloatArray, IntArray
from w2s.summary.moments import group_mean
from w2s.summary.population import SeedsDraw
from w2s.summary.stored import Rows
from w2s.summary.summarize import Method, group_keys, summarize

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["at_best", "best", "error_beside"]

How = Literal["mean_then_min", "min_then_mean"]
Using = Literal["truth", "weak_validation"]
Seeds = str | Sequence[int]
GAINS = ("gain", "gain_01")
WEAK_LABELS = "student_validation_misfit"
"""Column of the student's distance to its weak labels on held-out rows."""
_SLICE = 1 << 20
_SWEPT = 3
"""Values from which on a choice can stand inside the range: of two values every one is an end."""


def best(
    df: Rows,
    over: str | Sequence[str] = "ridge",
    by: str | Sequence[str] | None = None,
    metric: str = "student_error",
    using: Using = "truth",
    how: How = "mean_then_min",
    select_seeds: Seeds | None = None,
    report_seeds: Seeds | None = None,
    metrics: str | Sequence[str] | None = None,
    level: float = 0.95,
    method: Method = "fieller",
    resamples: int = 2000,
    population: bool | SeedsDraw = False,
) -> pd.DataFrame:
    """Choose the value of `over` in every group on the selection seeds; summarise that value on the report seeds.

    Parameters
    ----------
    df : DataFrame or rows on disk
        Rows of a run, as from `load`; or from `scan`, where they are too many for memory.
    over : name or names
        Cell field to choose, or several that are chosen together. Rows where all are null are no candidates.
    by : name or names
        Group columns. None takes the cell fields that vary among the candidates, without `over`.
    metric : str
        Error to minimise with using="truth"; gains and ratios are refused.
    using : {"truth", "weak_validation"}
        Choose on `metric`, which needs true labels, or on the column `student_validation_misfit`, the student against
        its weak labels on held-out rows: legal without truth.
    how : {"mean_then_min", "min_then_mean"}
        The value with the least mean over the selection seeds, one per group; or the best value of every seed by
        itself, then the mean of those. The second selects and reports on the same seeds, so with truth it is
        optimistic; `over` then holds the lower median of the chosen values (of words: the most frequent).
    select_seeds, report_seeds : "even", "odd", "all" or list of seeds
        Default "even" and "odd"; for "min_then_mean" both "all".
    metrics, level, method, resamples, population
        As in `summarize`: intervals are over the report seeds, and where seeds part one data set anew for this data set.

    Failed rows do not help a value to be chosen: among the candidates of a group only those with the fewest excluded
    selection rows compete. Ties go to the smallest value, nulls last.

    Returns
    -------
    DataFrame of `summarize` with `over` after the group columns, and `candidates` (values that competed),
    `candidates_excluded` (values set aside for excluded rows), `selected_by` (the choice in words, such as "ridge: least mean
    of student_error over even seeds, by true labels"; "optimistic" is in it where a seed is used for both, with true labels),
    `select_seeds`, `report_seeds`, and `selected_at_end` ("ridge greatest"): the numbers chosen that are the last ones tried,
    so that others may be better still.

    Raises ValueError for unknown columns (with the nearest), when no candidate row is left, and when a group has no
    usable selection value or no report seeds.
    """
    fields = columns.as_names(over)
    target = _target(df, fields, metric, using, how)
    select, report = _seed_choices(how, select_seeds, report_seeds)
    rows = _candidate_rows(df, fields)
    keys = _group_fields(rows, by, fields)
    in_select, in_report = _seed_mask(rows, select), _seed_mask(rows, report)
    choice = _choose(rows, keys, fields, target, in_select, by_seed=how == "min_then_mean")
    kept = in_report & (choice.chosen == choice.value)
    _check_groups(choice.names, np.bincount(choice.group[kept], minlength=len(choice.names)) > 0, f"report {_say(report)}")
    out = summarize(cast("Any", rows)[kept], keys, metrics, level, method, resamples, population)
    for position, name in enumerate(fields):
        out.insert(len(keys) + position, name, choice.shown[name].to_numpy())
    out["candidates"], out["candidates_excluded"] = choice.candidates, choice.set_aside
    overlap = bool((in_select & in_report).any())  # both are functions of the seed
    out["selected_by"] = _in_words(" and ".join(fields), target, using, how, select, overlap=overlap)
    out["select_seeds"], out["report_seeds"] = _say(select), _say(report)
    out["selected_at_end"] = _at_end(choice, fields)
    return out


def at_best(
    df: pd.DataFrame,
    over: str | Sequence[str],
    by: Sequence[str],
    metric: str = "student_error",
    select_seeds: Seeds = "even",
    report_seeds: Seeds = "odd",
) -> pd.DataFrame:
    """Return the rows of the report seeds at the value of `over` that makes the mean `metric` of each group least.

    The value is chosen on the selection seeds, as :func:`best` does, and raises what that raises. A group that has no value of
    `over`, such as a method without a ridge, keeps its rows of the report seeds.
    """
    fields = columns.as_names(over)
    target = _target(df, fields, metric, "truth", "mean_then_min")
    rows = _candidate_rows(df, fields)
    keys = _group_fields(rows, by, fields)
    choice = _choose(rows, keys, fields, target, _seed_mask(rows, select_seeds), by_seed=False)
    kept = _seed_mask(rows, report_seeds) & (choice.chosen == choice.value)
    _check_groups(
        choice.names, np.bincount(choice.group[kept], minlength=len(choice.names)) > 0, f"report {_say(report_seeds)}"
    )
    found: pd.DataFrame = rows[kept]
    if len(rows) < len(df):
        import pandas as pd

        alone = df[_without_values(df, keys, fields) & _seed_mask(df, report_seeds)]
        found = pd.concat([found, alone])
        found.attrs = df.attrs
    return found


def _without_values(df: Any, keys: list[str], fields: list[str]) -> BoolArray:
    """Mark the rows of groups in which all of the fields are null: nothing is chosen there, and all of their rows stand."""
    valued = np.logical_or.reduce([df[name].notna().to_numpy() for name in fields])
    group, names = columns.group_codes(df, keys)
    return np.asarray(np.bincount(group, weights=valued, minlength=len(names))[group] == 0)


def error_beside(metric: str) -> str:
    """Name the student's error by which a best value is chosen where ``metric`` is shown: 0-1 where that is."""
    return "student_error_01" if metric.endswith("_01") else "student_error"


def _candidate_rows(df: Any, fields: list[str]) -> Any:
    """Return the rows that have a value of one of the fields. Raises ValueError where none has."""
    if not all(columns.has_null(df, name) for name in fields):
        return df
    rows = df[np.logical_or.reduce([df[name].notna().to_numpy() for name in fields])]
    if not len(rows):
        raise ValueError(f"no rows left: {' and '.join(fields)} is null in all {len(df)} rows, so nothing can be chosen")
    return rows


def _in_words(fields: str, target: str, using: str, how: str, seeds: Seeds, *, overlap: bool) -> str:
    """Say by what a value was chosen, on which seeds, with which labels, and whether the report uses them again."""
    which = f"{seeds} seeds" if isinstance(seeds, str) else f"seeds {', '.join(map(str, seeds))}"
    least = f"least mean of {target} over {which}" if how == "mean_then_min" else f"least {target} seed by seed, {which}"
    labels = "by true labels" if using == "truth" else "by weak labels alone"
    again = {"truth": "; reported on the same seeds, so optimistic", "weak_validation": "; reported on the same seeds"}[using]
    return f"{fields}: {least}, {labels}{again if overlap else ''}"


class _Choice(NamedTuple):
    """What was chosen: codes per row, tables per group (in the order of `names`)."""

    names: pd.DataFrame  # (groups,) keys
    group: IntArray  # (rows,)
    value: IntArray  # (rows,) number of the row's value of `over`
    chosen: IntArray  # (rows,) number of the value chosen for the row's group, or group and seed; -1 for none
    shown: pd.DataFrame  # (groups,) value of `over` to show
    tried: pd.DataFrame  # values of `over` of each group, with the number of the group as index
    candidates: IntArray  # (groups,)
    set_aside: IntArray  # (groups,)


def _at_end(choice: _Choice, fields: list[str]) -> list[str]:
    """Name, group by group, the numbers of a choice that are the least or the greatest of those tried."""
    found: list[list[str]] = [[] for _ in range(len(choice.names))]
    for name in fields:
        if choice.tried[name].dtype.kind not in "iuf":
            continue
        tried = choice.tried[name].groupby(level=0).agg(["min", "max", "nunique"])
        shown = choice.shown[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for place, (value, (least, most, count)) in enumerate(zip(shown, tried.to_numpy(dtype=np.float64), strict=True)):
            if count >= _SWEPT and value in (least, most):
                found[place].append(f"{name} {'least' if value == least else 'greatest'}")
    return [", ".join(names) for names in found]


def _choose(rows: Rows, keys: list[str], fields: list[str], target: str, mask: BoolArray, by_seed: bool) -> _Choice:
    """Choose the value of least mean target per group over seeds, or per group and seed, from the rows in `mask`."""
    group, names = columns.group_codes(rows, keys)
    value, values = columns.group_codes(rows, fields)
    rank = columns.seed_codes(rows)
    groups, seeds = len(names), int(rank.max()) + 1
    _check_groups(names, np.bincount(group[mask], minlength=groups) > 0, "selection")
    score = columns.numbers(rows, target)[mask]
    score[~columns.usable(rows)[mask]] = np.nan
    slot = group.astype(np.int64) * seeds + rank if by_seed else group
    runs = _candidates(slot[mask].astype(np.int64), value[mask], rank[mask], score)
    order = np.lexsort((runs.value, runs.mean, runs.missing, np.isnan(runs.mean), runs.slot))
    slots, first = np.unique(runs.slot[order], return_index=True)
    winner = order[first]
    slot_group = slots // seeds if by_seed else slots
    decided = ~np.isnan(runs.mean[winner])
    _check_groups(names, np.bincount(slot_group[decided], minlength=groups) > 0, f"usable selection {target!r}")
    lookup = np.full(groups * seeds if by_seed else groups, -1, dtype=np.int64)
    lookup[slots] = runs.value[winner]
    shown = _shown(values, runs.value[winner][decided], slot_group[decided], groups)
    beaten = runs.missing > runs.missing[winner][np.searchsorted(slots, runs.slot)]
    owner = (runs.slot // seeds if by_seed else runs.slot) * len(values) + runs.value
    everyone = np.bincount(np.unique(owner) // len(values), minlength=groups)
    aside = np.bincount(np.unique(owner[beaten | np.isnan(runs.mean)]) // len(values), minlength=groups)
    pairs = _occurring(group, value, groups, len(values))
    tried = values.iloc[pairs % len(values)].set_axis(pairs // len(values))
    chosen = lookup.astype(value.dtype)[slot]
    return _Choice(names, group, value, chosen, shown, tried, everyone - aside, aside)


def _occurring(group: IntArray, value: IntArray, groups: int, values: int) -> IntArray:
    """List the pairs of group and value that rows have, as group * values + value, in order."""
    if groups * values > 4 * len(group):
        return np.unique(group.astype(np.int64) * values + value)
    seen = np.zeros(groups * values, dtype=np.bool_)
    for start in range(0, len(group), _SLICE):
        part = slice(start, start + _SLICE)
        seen[group[part].astype(np.int64) * values + value[part]] = True
    return np.flatnonzero(seen)


class _Candidates(NamedTuple):
    """One entry per (slot, value): mean target over its seeds, and its excluded rows."""

    slot: IntArray
    value: IntArray
    mean: FloatArray
    missing: IntArray


def _candidates(slot: IntArray, value: IntArray, rank: IntArray, score: FloatArray) -> _Candidates:
    """Average rows to candidates; rows of one seed (``rank`` numbers them) come first, so that a seed counts once."""
    width = int(value.max()) + 1
    pairs, entry = np.unique(slot * width + value, return_inverse=True)
    seeds = int(rank.max()) + 1
    units, unit = np.unique(entry * seeds + rank, return_inverse=True)
    entered = np.isfinite(score)
    _, unit_mean = group_mean(score[entered], unit[entered], len(units))
    present = ~np.isnan(unit_mean)
    _, mean = group_mean(unit_mean[present], (units // seeds)[present], len(pairs))
    missing = np.bincount(entry[~entered], minlength=len(pairs))
    # In an unfinished run a value may have seeds that another lacks: a mean over easier seeds must not win.
    counted = np.bincount(units // seeds, minlength=len(pairs))
    _, rival = np.unique(pairs // width, return_inverse=True)
    most = np.zeros(int(rival.max()) + 1, dtype=np.int64)
    np.maximum.at(most, rival, counted)
    missing = missing + most[rival] - counted
    return _Candidates(pairs // width, pairs % width, mean, missing)


def _shown(values: pd.DataFrame, chosen: IntArray, group: IntArray, groups: int) -> pd.DataFrame:
    """Return the value of every field to show per group: lower median of the chosen ones, or the most frequent non-number."""
    picked = values.iloc[chosen].reset_index(drop=True)
    if len(picked) == groups:  # one choice per group, in the order of the groups
        return picked
    return picked.groupby(group, sort=True).agg(_middle).astype(values.dtypes)


def _middle(chosen: pd.Series[Any]) -> Any:
    present = chosen.dropna()
    if not len(present):
        return None
    if present.dtype.kind in "iuf":
        return present.sort_values().iloc[(len(present) - 1) // 2]
    return present.mode().iloc[0]


def _target(df: Rows, fields: list[str], metric: str, using: str, how: str) -> str:
    """Check the words and return the column to minimise."""
    for word, value, allowed in (("using", using, get_args(Using)), ("how", how, get_args(How))):
        if value not in allowed:
            raise ValueError(f"{word}={value!r}; allowed: {', '.join(allowed)}")
    columns.need(df, fields, "the axis to choose over")
    columns.need(df, [SEED], "the unit of selection and report")
    if using == "weak_validation":
        columns.need(df, [WEAK_LABELS], "using='weak_validation' minimises it; the study must store it")
        return WEAK_LABELS
    if metric in GAINS or columns.is_ratio(df, metric):
        raise ValueError(f"metric={metric!r} is better when larger, but best minimises; choose on an error")
    columns.need(df, [metric], "the metric to minimise")
    return metric


def _group_fields(rows: Rows, by: str | Sequence[str] | None, fields: list[str]) -> list[str]:
    keys = group_keys(rows, by)
    if by is None:
        return [key for key in keys if key not in fields]
    both = sorted(set(keys) & set(fields))
    if both:
        raise ValueError(f"{both} cannot be both grouped by and chosen over")
    return keys


def _seed_choices(how: str, select: Seeds | None, report: Seeds | None) -> tuple[Seeds, Seeds]:
    """Return selection and report seeds with their defaults."""
    if how == "mean_then_min":
        return ("even" if select is None else select), ("odd" if report is None else report)
    first = select if select is not None else report if report is not None else "all"
    second = report if report is not None else first
    if _say(first) != _say(second):
        raise ValueError(
            f"min_then_mean chooses in every seed, so it reports the seeds it selects on; got {_say(first)} and {_say(second)}"
        )
    return first, second


def _seed_mask(rows: Rows, seeds: Seeds) -> BoolArray:
    """Mark the rows whose seed is even, odd, any, or in a list."""
    column = rows[SEED]
    if seeds == "all":
        return np.ones(len(rows), dtype=np.bool_)
    if isinstance(seeds, str):
        if seeds not in ("even", "odd"):
            raise ValueError(f"seeds {seeds!r}; allowed: 'even', 'odd', 'all', or a list of seeds")
        return np.asarray(column.to_numpy() % 2 == (seeds == "odd"), dtype=np.bool_)
    if missing := [seed for seed in seeds if not (column == seed).any()]:
        raise ValueError(
            f"seeds {', '.join(map(str, missing))} are in no row; there are {column.nunique()} seeds: {_range(column)}"
        )
    return np.asarray(column.isin(list(seeds)), dtype=np.bool_)


def _range(column: pd.Series[Any]) -> str:
    values = sorted(column.drop_duplicates())
    return ", ".join(map(str, values)) if len(values) <= 8 else f"{values[0]}, {values[1]}, ..., {values[-1]}"


def _say(seeds: Seeds) -> str:
    return f"seeds {seeds}" if isinstance(seeds, str) else f"seeds {','.join(str(seed) for seed in seeds)}"


def _check_groups(names: pd.DataFrame, present: BoolArray, what: str) -> None:
    """Raise ValueError that names the first groups without what they need."""
    lacking = np.flatnonzero(~present)
    if not lacking.size:
        return
    some = "; ".join(", ".join(f"{k}={v}" for k, v in names.iloc[i].items()) or "all rows" for i in lacking[:3])
    raise ValueError(
        f"{lacking.size} of {len(names)} groups have no {what} rows: {some}. Give other seeds, or filter these groups out"
    )
