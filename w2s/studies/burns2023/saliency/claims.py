"""What the paper says of saliency, as tests on a table: shares of wrong answers on the test items, seed by seed.

A task has the median of its settings; the worst task decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.claims.claim import Claim, Thresholds, Verdict, above, worst
from w2s.claims.overlooks import ANY_ORDER
from w2s.claims.seed_intervals import over_means
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]


def _less_wrong(table: DataFrame, first: str, second: str, name: str, threshold: float) -> Verdict:
    """Judge, for each task, the median over settings of the mean error of ``first`` minus that of ``second``."""
    verdicts = []
    for task, rows in table.assign(value=table[first] - table[second]).groupby("task"):
        codes, _ = columns.group_codes(rows, [field for field in columns.cell_fields(table) if field != "seed"])
        wide = rows.assign(setting=codes).pivot_table(index="seed", columns="setting", values="value").dropna()
        found = over_means(wide.index.to_numpy(), wide.to_numpy(float), lambda means: float(np.median(means)))
        verdicts.append(above(f"{name}, {task}", found[0], found[1], threshold, found[2]))
    return worst(verdicts, "no task")


def _salient(table: DataFrame, limits: Thresholds) -> Verdict:
    name = "error of a probe of the truth before finetuning on weak labels - after"
    return _less_wrong(table, "probe_truth_error_01", "tuned_probe_error_01", name, limits["error"])


_NEEDS = {"tuned_probe_error_01": 2, "probe_truth_error_01": 2}
_LIMITS = {"error": 0.0, "seeds": 8}
_BASIS = "the sentence is about a sign"
_STUDENTS = {
    "student_is_ceiling": "the features of a student that knows as much as the ceiling are more salient still",
}
_TEACHERS = dict.fromkeys(
    ("teacher_up", "teacher_down", "teacher_noisy", "ceiling_is_teacher"), "neither teacher nor ceiling is in the sentence"
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "salient",
        "Finetuning on weak labels makes the concept more linear: a probe of the truth is better on the finetuned features.",
        "section 5.2.3, Fig. 11",
        _salient,
        needs=_NEEDS,
        thresholds=_LIMITS,
        basis=_BASIS,
        overlooks=ANY_ORDER | _TEACHERS | _STUDENTS,
    ),
)
