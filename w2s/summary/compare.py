"""Every value of an axis against one of them, seed by seed: the table of methods, with a conclusion for each comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from w2s.errors import nearest
from w2s.summary import columns
from w2s.summary.best import at_best, error_beside
from w2s.summary.columns import SEED, BoolArray
from w2s.summary.contrast import contrast, equal_to
from w2s.summary.intervals import holm
from w2s.summary.population import SeedsDraw
from w2s.summary.summarize import group_keys

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONCLUSIONS", "compare"]

Better = Literal["auto", "lower", "higher"]
CONCLUSIONS = ("better", "worse", "no significant difference", "the same", "unknown")
"""What a comparison may conclude."""

_HIGHER = ("gain", "gain_01", "agreement_right", "opr", "opr_01")
_LOWER = (
    "misfit",
    "weak_distance",
    "pred_gap",
    "student_validation_misfit",
    "student_validation_weak_distance",
    "disagreement",
    "agreement_wrong",
)


def compare(
    df: pd.DataFrame,
    over: str = "method",
    baseline: Any = "naive",
    metric: str = "student_error",
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
    better: Better = "auto",
    pair: str = SEED,
    population: bool | SeedsDraw = False,
    best_over: str | Sequence[str] = (),
) -> pd.DataFrame:
    """Compare every value of `over` with `baseline` in every group, paired by `pair`, and say which is better.

    Parameters
    ----------
    df : DataFrame
        Rows of a run, as from `load`.
    over, baseline : str, value
        The axis, and its value that the others are compared with.
    metric : str
        Column to compare; PGR and OPR are compared as ratios of means, as `contrast` does.
    by : name or names
        Group columns. None takes the cell fields that vary, without `over`.
    level : float
        Two-sided coverage of each interval, and 1 - the probability that any conclusion of the table is wrong by chance.
    better : "auto", "lower" or "higher"
        Which values are better. "auto" knows errors and distances (lower), gains, PGR and OPR (higher).
    pair, population : as in `contrast`.
    best_over : name or names
        Axes of which every value of `over` takes its own best one in every group: the one that makes the student's error
        least on even seeds (0-1 where the metric is). Differences are then those of the odd seeds.

    Returns
    -------
    DataFrame with the `by` columns, `over`, and
        mean, baseline_mean, difference, low, high : means over the pairs; value - baseline, with its interval.
        p_value, p_holm : two-sided test of each difference; Holm's correction over **all** comparisons of the table.
        pairs, unpaired, excluded, status : as in `contrast`.
        conclusion : "better" or "worse" where p_holm < 1 - level, "no significant difference" elsewhere, "the same" where
            all pairs are equal, "unknown" where there is no test (its reason is the status).

    A group without rows of a value, or without the baseline, has no line for it. Raises ValueError for unknown columns, for a
    baseline that no row has (with the nearest) or that shares no group with another value, for no other value, and for a
    metric of which "auto" does not know what is better. Cost: one pass over the rows for each value.
    """
    import pandas as pd

    columns.need(df, [over], "the axis to compare")
    if over == pair:
        raise ValueError(f"{over!r} is what the comparison is paired by; compare the values of another column")
    at_baseline = equal_to(df[over], baseline)
    values = [_plain(value) for value in df[over][~at_baseline].drop_duplicates()]
    if not at_baseline.any():
        known = [str(value) for value in values]
        raise ValueError(f"no row has {over}={baseline!r}{nearest(str(baseline), known)}; {over} has {', '.join(known[:12])}")
    if not values:
        raise ValueError(f"all rows have {over}={baseline!r}; there is nothing to compare it with")
    sign = {"lower": -1.0, "higher": 1.0}[_direction(df, metric) if better == "auto" else better]
    reduced = columns.as_names(best_over)
    keys = [key for key in group_keys(df, by, df[over]) if key not in (over, pair, *reduced)]
    if reduced:
        df = at_best(df, reduced, [*keys, over], error_beside(metric))
        at_baseline = equal_to(df[over], baseline)
    lines = []
    for value in values:
        line = contrast(df, {over: value}, {over: baseline}, pair, metric, keys, level, population)
        attrs, line = line.attrs, line[(line["pairs"] > 0) | (line["excluded"] > 0)]
        lines.append(line.assign(**{over: [value] * len(line)}))
    out = pd.concat(lines, ignore_index=True)
    if out.empty:
        raise ValueError(_nothing_to_pair(df, over, baseline, at_baseline, keys, pair))
    out = out.rename(columns={"a_mean": "mean", "b_mean": "baseline_mean"})
    out["p_holm"] = holm(out["p_value"].to_numpy(dtype=np.float64))
    out["conclusion"] = [_conclusion(row, sign, level) for row in out.to_dict("records")]
    first = [*keys, over]
    out = out[[*first, *(name for name in out if name not in first)]]
    if keys:
        out = out.sort_values(keys, kind="stable", ignore_index=True)
    out.attrs = {
        "w2s_compare": {
            "over": over,
            "baseline": baseline,
            "metric": metric,
            "better": "lower" if sign < 0 else "higher",
            "family": int(np.isfinite(out["p_value"]).sum()),
            "level": level,
            "covers": attrs["w2s_contrast"]["covers"],
            "best_over": reduced,
        }
    }
    return out


def _nothing_to_pair(df: pd.DataFrame, over: str, baseline: Any, at_baseline: BoolArray, keys: list[str], pair: str) -> str:
    """Say why no row of the baseline has a partner: no value of a field, or no seed, is on both sides."""
    names = [pair, *keys]
    apart = [name for name in names if not set(map(str, df[name][at_baseline])) & set(map(str, df[name][~at_baseline]))]
    both = f"share no combination of {', '.join(keys)} and {pair}"
    why = f"share no {' and no '.join(apart)}" if apart else both
    ways = f"set by, or let each take its best {' and '.join(apart)} (best_over)" if set(apart) - {pair} else "set by"
    return f"nothing to pair: {over}={baseline!r} and the others {why}; groups are by {', '.join(keys) or 'nothing'}: {ways}"


def _direction(df: pd.DataFrame, metric: str) -> Literal["lower", "higher"]:
    """Say which values of a metric are better."""
    if metric in columns.ratios(df) or metric in _HIGHER:
        return "higher"
    if metric in columns.ERRORS or metric in _LOWER or metric.removesuffix("_01").endswith("_error"):
        return "lower"
    raise ValueError(
        f"it is not known whether higher or lower values of {metric!r} are better; write better='lower' or 'higher'"
    )


def _plain(value: Any) -> Any:
    """Return None for the missing value of pandas."""
    return None if isinstance(value, float) and value != value else value


def _conclusion(row: dict[Any, Any], sign: float, level: float) -> str:
    if row["status"] == "tied" and row["difference"] == 0.0:
        return "the same"
    if row["status"] != "ok":
        return "unknown"
    if not row["p_holm"] < 1.0 - level:
        return "no significant difference"
    return "better" if sign * row["difference"] > 0 else "worse"
