"""What the paper says of P(IK) on other tasks, as tests on a table. Its numbers were not readable; the sentences are.

Tasks on which the model guesses are left out: there is nothing to know about its answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.claims import Claim, Verdict, above, over_means, worst
from w2s.claims.claim import Thresholds
from w2s.claims.overlooks import ANY_ORDER, NO_CEILING, STUDENT_AVERAGED

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


def _able(table: DataFrame, least: float) -> DataFrame:
    """Keep pairs of tasks on both of which the model's own answers are right often enough, in the mean over seeds."""
    accuracy = table.groupby("asked_task")["own_accuracy"].mean()
    able = set(accuracy.index[accuracy >= least])
    found: DataFrame = table[table["task"].isin(able) & table["asked_task"].isin(able)]
    return found


def _each(table: DataFrame, seen: tuple[str, ...], name: str, limits: Thresholds, *, same: bool) -> Verdict:
    """Judge the AUROC of judges that see one thing or another, on their own task or on others; the worst decides."""
    rows, found = _able(table, limits["able"]), []
    rows = rows[(rows["task"] == rows["asked_task"]) == same]
    for sees in seen:
        part = rows[rows["sees"] == sees]
        verdict = _mean(part, f"{name}, {sees} seen", 1.0 - part["student_error"], limits["least"])
        found += [] if verdict is None else [verdict]
    return worst(found, f"needs judges that see {' or '.join(seen)}, asked about {'their own task' if same else 'other tasks'}")


def _on_its_task(table: DataFrame, limits: Thresholds) -> Verdict:
    return _each(table, ("certainty", "both"), "AUROC on its own task", limits, same=True)


def _by_certainty(table: DataFrame, limits: Thresholds) -> Verdict:
    return _each(table, ("certainty",), "AUROC on other tasks", limits, same=False)


def _by_states(table: DataFrame, limits: Thresholds) -> Verdict:
    return _each(table, ("states",), "AUROC on other tasks", limits, same=False)


def _beyond_confidence(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _able(table, limits["able"])
    rows = rows[(rows["sees"] == "both") & (rows["task"] == rows["asked_task"])]
    verdict = _mean(
        rows, "AUROC less that of the answer's confidence", rows["weak_error"] - rows["student_error"], limits["least"]
    )
    return verdict or worst([], "needs judges that see states and certainty, on their own task")


_NO_TEACHER = dict.fromkeys(
    ("teacher_up", "teacher_down", "teacher_noisy"), "no confidence is in the sentence, or a tenth is less than its lead"
)
_AVERAGED = ANY_ORDER | STUDENT_AVERAGED
_RANKS = dict.fromkeys(("student_is_teacher", "flipped"), "the answer's own confidence ranks answers well, too")
_RANKS |= {"student_is_ceiling": "a judge of the asked task ranks answers well, too"}
_WORSE = {"student_is_ceiling": "on its own task a judge is the ceiling", "student_constant": "a coin ranks no better, either"}
_COIN = {"least": 0.55, "able": 0.6, "seeds": 8}
_BASIS = "ours: clearly better than a coin; where the model itself guesses, there is nothing to know"
_LINEAR = (
    "own answers are those of a linear probe on the same states: how far an item lies from its border, on either side, is no "
    "linear function of them, and 300 labelled items teach a head on 384 states little else"
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "judge_knows_its_task",
        "a judge of a model's own answers ranks right ones above wrong ones on the task on which it has learned",
        "abstract: P(IK); judges that see how sure an answer is, alone or beside the states",
        _on_its_task,
        {"student_error": 1},
        _COIN,
        basis=_BASIS,
        overlooks=_RANKS | _NO_TEACHER | _AVERAGED | NO_CEILING,
    ),
    Claim(
        "certainty_knows_other_tasks",
        "a judge that sees how sure an answer is ranks right ones above wrong ones on tasks on which it has not learned",
        "abstract: P(IK) generalises",
        _by_certainty,
        {"student_error": 1, "asked_task": 2},
        _COIN,
        basis=_BASIS,
        overlooks=_RANKS | _NO_TEACHER | _AVERAGED | NO_CEILING,
    ),
    Claim(
        "states_know_other_tasks",
        "a judge that sees hidden states alone does so, too",
        "abstract: P(IK) generalises",
        _by_states,
        {"student_error": 1, "asked_task": 2},
        _COIN,
        basis=_BASIS,
        expected="fails_at_this_scale",
        reason=_LINEAR,
        overlooks=_NO_TEACHER | NO_CEILING,
    ),
    Claim(
        "judge_beyond_confidence",
        "a judge that sees states and certainty knows more than the answer's own confidence says",
        "a control of ours",
        _beyond_confidence,
        {"student_error": 1, "weak_error": 1},
        {"least": 0.0, "able": 0.6, "seeds": 8},
        basis="the sentence is about a direction",
        expected="fails_at_this_scale",
        reason=_LINEAR,
        overlooks=_WORSE | _NO_TEACHER | STUDENT_AVERAGED | NO_CEILING,
    ),
)
