"""The PGR that is typical of a domain, as a claim: the median over tasks of the median over a task's settings, in a range.

A setting is all that a cell says but its seed; settings whose gap between weak model and ceiling is below ``gap`` are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, within
from w2s.claims.comparisons import median_task
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["pgr_of_means", "typical_pgr"]

_ERRORS = ["weak_error_01", "student_error_01", "ceiling_error_01"]


@dataclass(frozen=True)
class _Errors:
    """One setting: ``values`` (seeds, 3) are shares of wrong answers of weak model, student and ceiling."""

    seeds: tuple[int, ...]
    values: npt.NDArray[np.float64]

    @property
    def gap(self) -> float:
        weak, _, ceiling = self.values.mean(axis=0)
        return float(weak - ceiling)


def typical_pgr(
    domain: str,
    low: float,
    high: float,
    rows: Callable[[DataFrame], DataFrame],
    overlooks: Mapping[str, str],
    *,
    tasks: int = 1,
    expected: Literal["holds", "fails_at_this_scale"] = "holds",
    reason: str = "",
) -> Claim:
    """Build the claim that PGR on accuracy is typically in [``low``, ``high``] in a domain.

    Parameters
    ----------
    domain : what the tasks are, for the sentence: "language tasks".
    low, high : the range.
    rows : chooses the rows of naive students that are other models than their teachers.
    overlooks : doctored tables that the claim need not notice, with reasons.
    tasks : how many tasks with a gap there must be.
    expected, reason : of :class:`w2s.claims.claim.Claim`.

    """

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        chosen = rows(table)
        chosen.attrs = table.attrs
        return median_task(
            chosen,
            _settings_of,
            lambda settings: [(setting,) for setting in settings if setting.gap >= limits["gap"]],
            lambda _, means: pgr_of_means(means[0]),
            lambda what, value, interval, seeds: within(
                f"PGR, {what}", value, interval, (limits["low"], limits["high"]), seeds
            ),
            limits["tasks"],
            "fewer tasks than asked for have a naive student with the gap",
        )

    return Claim(
        "typical_pgr",
        f"On {domain} the median task has a student that recovers between {100 * low:g} and {100 * high:g} % of the gap.",
        "summaries of the paper, a table of typical values by domain",
        test,
        needs={"student_error_01": 2, "ceiling_error_01": 1},
        thresholds={"low": low, "high": high, "tasks": float(tasks), "gap": 0.03, "seeds": 8},
        basis="low, high: the summary's range; gap: two standard errors of a difference of errors on a thousand items",
        overlooks=overlooks,
        expected=expected,
        reason=reason,
    )


def _settings_of(rows: DataFrame) -> list[_Errors]:
    codes, keys = columns.group_codes(rows, [name for name in columns.cell_fields(rows) if name != "seed"])
    parts = [rows.iloc[np.flatnonzero(codes == code)].groupby("seed")[_ERRORS].mean() for code in range(len(keys))]
    return [_Errors(tuple(part.index), part.to_numpy(dtype=np.float64)) for part in parts]


def pgr_of_means(means: npt.NDArray[np.float64]) -> float:
    """Compute the PGR of mean errors of weak model, student and ceiling (3,); NaN without a gap."""
    weak, student, ceiling = means
    return float((weak - student) / (weak - ceiling)) if weak > ceiling else np.nan
