"""What the sizes of a ladder are worth, as tests on a table: accuracy by size, one task after another.

A task's accuracies are those of the ceilings: (seeds, sizes), sizes by number of parameters. Seeds draw the items that probes
learn from; models and test items are the same for all of them, and statements are about these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, untestable, worst
from w2s.claims.overlooks import ANY_ORDER, NO_STUDENT, TEACHER_AVERAGED
from w2s.claims.ranks import page_p_value
from w2s.claims.seed_intervals import over_means
from w2s.summary import columns
from w2s.summary.intervals import holm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas import DataFrame

__all__ = ["CLAIMS", "Accuracies", "accuracies"]

Accuracies = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""Seeds, sizes (ascending), and values (seeds, sizes)."""


def accuracies(table: DataFrame, error: str = "ceiling_error_01") -> Mapping[str, Accuracies]:
    """Collect 1 - ``error`` by task: of seeds that have every size, for tasks with three sizes or more and two such seeds.

    Where cells of a task differ in more than student and seed they are settings of their own, named by a number.
    """
    fields = [name for name in columns.cell_fields(table) if name not in ("student_model", "seed") and name in table]
    codes, _ = columns.group_codes(table, fields)
    found: dict[str, Accuracies] = {}
    for code in dict.fromkeys(codes):
        rows = table[codes == code]
        wide = rows.pivot_table(index="seed", columns="student_parameters", values=error).dropna()
        if wide.shape[1] > 2 and len(wide) > 1:
            name = str(rows["task"].iloc[0])
            again = sum(known.partition(" #")[0] == name for known in found)
            place = f"{name} #{again + 1}" if again else name
            found[place] = wide.index.to_numpy(), wide.columns.to_numpy(), 1.0 - wide.to_numpy(float)
    return found


def _rises(table: DataFrame, limits: Thresholds) -> Verdict:
    known = accuracies(table)
    if not known:
        return untestable("needs a task with three sizes or more on two seeds or more")
    rising = holm(np.array([page_p_value(values) for _, _, values in known.values()]))
    falling = holm(np.array([page_p_value(-values) for _, _, values in known.values()]))
    if not np.isfinite(rising).all():
        return Verdict("unresolved", "an accuracy is missing")
    at, seeds = list(known)[int(np.argmax(rising))], min(len(values) for _, _, values in known.values())
    most, p = float(rising.max()), limits["p"]
    outcome = "holds" if most < p else "fails" if falling.min() < p else "unresolved"
    says = f"largest of {len(known)} adjusted p-values of Page's test: {at}, p = {most:.2g} (asked: below {p:g}; {seeds} seeds)"
    return Verdict(outcome, says, most, (most, most), p, seeds, chance=p)  # type: ignore[arg-type]


def _largest(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for task, (seeds, _, values) in accuracies(table).items():
        value, interval, count = over_means(seeds, values[:, -1] - values[:, 0], float)
        found.append(above(f"{task}: accuracy of the largest model - of the smallest", value, interval, limits["least"], count))
    return worst(found, "needs a task with three sizes or more on two seeds or more")


_TEACHER = dict.fromkeys(("teacher_up", "teacher_down"), "the teacher is not in the sentence")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "accuracy_rises_with_size",
        "on every task the accuracy of probes rises with the size of the pretrained model: Page's test, Holm's rule over tasks",
        "control of ours: what makes a ladder of models one for weak-to-strong studies",
        _rises,
        {"ceiling_error_01": 2, "student_parameters": 3},
        {"p": 0.01, "seeds": 8},
        basis="one in a hundred over all tasks together, as for intervals of 99 %",
        overlooks=NO_STUDENT | ANY_ORDER | TEACHER_AVERAGED | _TEACHER | {"flipped": NO_STUDENT["student_noisy"]},
    ),
    Claim(
        "largest_beats_smallest",
        "on every task the largest model is more accurate than the smallest, by two points or more",
        "control of ours: a gap that a student can recover",
        _largest,
        {"ceiling_error_01": 2, "student_parameters": 3},
        {"least": 0.02, "seeds": 8},
        basis="two points: the least gap over which we would look at a PGR on 2,000 test items",
        overlooks=NO_STUDENT | ANY_ORDER | TEACHER_AVERAGED | _TEACHER | {"flipped": NO_STUDENT["student_noisy"]},
    ),
)
