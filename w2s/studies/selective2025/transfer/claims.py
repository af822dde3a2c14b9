"""What the paper says of P(IK) on other tasks, as tests on a table. Its numbers were not readable; the sentences are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.claims import Claim, Verdict, above, over_means, worst
from w2s.claims.claim import Thresholds

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["CLAIMS"]


def _mean(rows: DataFrame, name: str, values: Series[float], least: float) -> Verdict | None:
    """Judge the mean of a column over the pairs of tasks, seeds apart; None without rows."""
    by_seed = rows.assign(value=values).groupby("seed")["value"].mean()
    if not len(by_seed):
        return None
    value, interval, seeds = over_means(by_seed.index.to_numpy(), by_seed.to_numpy(float), float)
    return above(name, value, interval, least, seeds)


def _each(table: DataFrame, name: str, least: float, *, same: bool) -> Verdict:
    """Judge every kind of judge, on its own task or on others; the worst decides."""
    found = []
    for sees, rows in table.groupby("sees"):
        part = rows[(rows["task"] == rows["asked_task"]) == same]
        verdict = _mean(part, f"{name}, {sees} seen", 1.0 - part["student_error"], least)
        found += [] if verdict is None else [verdict]
    return worst(found, "needs judges asked about their own task" if same else "needs judges asked about other tasks")


def _on_its_task(table: DataFrame, limits: Thresholds) -> Verdict:
    return _each(table, "AUROC on its own task", limits["least"], same=True)


def _on_others(table: DataFrame, limits: Thresholds) -> Verdict:
    return _each(table, "AUROC on other tasks", limits["least"], same=False)


def _beyond_confidence(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["sees"] == "both") & (table["task"] == table["asked_task"])]
    verdict = _mean(
        rows, "AUROC less that of the answer's confidence", rows["weak_error"] - rows["student_error"], limits["least"]
    )
    return verdict or worst([], "needs judges that see states and certainty, on their own task")


_NO_TEACHER = dict.fromkeys(("teacher_up", "teacher_down", "teacher_noisy"), "no confidence is in the sentence")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "judge_knows_its_task",
        "a judge of a model's own answers ranks right ones above wrong ones on the task on which it has learned",
        "abstract: P(IK)",
        _on_its_task,
        {"student_error": 1},
        {"least": 0.55, "seeds": 8},
        basis="ours: clearly better than a coin",
        overlooks={},
    ),
    Claim(
        "judge_knows_other_tasks",
        "it does so on tasks on which it has not learned",
        "abstract: P(IK) generalises",
        _on_others,
        {"student_error": 1, "asked_task": 2},
        {"least": 0.55, "seeds": 8},
        basis="ours: clearly better than a coin",
        overlooks={},
    ),
    Claim(
        "judge_beyond_confidence",
        "a judge that sees states knows more than the answer's own confidence says",
        "a control of ours",
        _beyond_confidence,
        {"student_error": 1, "weak_error": 1},
        {"least": 0.0, "seeds": 8},
        basis="the sentence is about a direction",
        overlooks={},
    ),
)
