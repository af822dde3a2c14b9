"""One sentence that says in words what a run found: in how many settings the student beats its teacher, and the PGR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.summary import summarize
from w2s.summary.columns import FloatArray
from w2s.summary.digits import number_digits
from w2s.summary.population import about, seeds_draw_of
from w2s.summary.text import interval_text
from w2s.tabulate.table import usual_metrics

if TYPE_CHECKING:
    from w2s.summary.stored import Rows

__all__ = ["found_in_words"]

_CHANCE = 0.05
_FEW = 8
"""Seeds below which equal shares of right answers say nothing of other seeds, as for claims."""


def found_in_words(rows: Rows) -> str:
    """Say in how many settings the student errs less than its weak model, in how many more, and where PGR lies.

    A setting is everything in a cell but its seed. Intervals of the gain are widened so that all of them together hold in 95 %
    (Bonferroni); a setting whose interval holds zero counts as open. PGR is described over the settings in which it has bounds.
    """
    names = usual_metrics(rows)
    gain = next((name for name in ("gain_01", "gain") if name in names), None)
    if gain is None:
        return _without_gain(rows, names)
    summary = summarize(rows, metrics=[gain])
    settings = len(summary)
    if settings > 1:
        summary = summarize(rows, metrics=[gain], level=1.0 - _CHANCE / settings)
    low, high = summary[f"{gain}_low"].to_numpy(float), summary[f"{gain}_high"].to_numpy(float)
    # Where all seeds give one number there is no interval, and nothing to be in doubt about, unless a few shares agree by luck.
    tied = (summary[f"{gain}_status"] == "tied").to_numpy()
    tied = tied & ((gain == "gain") | (summary["seeds"] >= _FEW).to_numpy())
    low, high = (np.where(tied, summary[gain].to_numpy(float), end) for end in (low, high))
    better, worse = int((low > 0).sum()), int((high < 0).sum())
    if (summary["seeds"] <= 1).all():
        return f"One seed, so no statement about others: the gain is {_range(summary[gain].to_numpy(float))}."
    over = about(seeds_draw_of(rows)).partition(" % ")[2]
    sure = f"95 % for all settings together, {over}" if settings > 1 else f"95 % {over}"
    return f"{_counts(better, worse, settings)} ({sure}){_pgr(rows, gain)}."


def _counts(better: int, worse: int, settings: int) -> str:
    if settings == 1:
        return {(1, 0): "The student errs less than its weak model", (0, 1): "The student errs more than its weak model"}.get(
            (better, worse), "No significant difference between the student and its weak model"
        )
    said = f"The student errs less than its weak model in {better:,} of {settings:,} settings and more in {worse:,}"
    rest = settings - better - worse
    return said + (f"; in {rest:,} there is no significant difference" if rest else "")


def _pgr(rows: Rows, gain: str) -> str:
    name = "pgr_01" if gain.endswith("_01") else "pgr"
    if name not in usual_metrics(rows):
        return ""
    summary = summarize(rows, metrics=[name])
    values = summary[name].to_numpy(float)[(summary[f"{name}_status"] == "ok").to_numpy()]
    what = "PGR (accuracy)" if name.endswith("_01") else "PGR"
    if not len(values):
        return f"; {what} has bounds in none, since no gap between weak model and ceiling is shown"
    if len(summary) == 1:
        row = summary.iloc[0]
        return f"; {what} is {interval_text({str(key): value for key, value in row.items()}, name)}"
    where = "" if len(values) == len(summary) else f" where it has bounds ({len(values):,} settings)"
    return f"; {what} is {_range(values)}{where}"


def _without_gain(rows: Rows, names: list[str]) -> str:
    if not names:
        return "No row has a number yet."
    summary = summarize(rows, metrics=names[:1])
    return f"There is no weak model to compare with; {names[0]} is {_range(summary[names[0]].to_numpy(float))}."


def _range(values: FloatArray) -> str:
    values = values[np.isfinite(values)]
    if not len(values):
        return "unknown"
    least, middle, most = (number_digits(value) for value in np.quantile(values, [0.0, 0.5, 1.0]))
    return least if least == most else f"from {least} to {most}, {middle} in the middle"
