"""What the methods' papers say of their method, as tests on one table of classification tasks.

Methods are compared in pairs of settings that differ in the method alone, seed by seed; errors are shares of wrong answers on
the test items. A task has the median of its pairs; the worst task decides, so a method has to be better on every task.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from w2s.claims.claim import Claim, Thresholds, Verdict, above
from w2s.claims.comparisons import worst_task
from w2s.claims.overlooks import ANY_ORDER, NO_CEILING, NO_STUDENT, TEACHER_AVERAGED
from w2s.finetune.methods.text import Method, parse_method
from w2s.studies.burns2023.text.finetune_settings import Comparison, Means, Setting, named, partner, settings_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Choice = Callable[[list[Setting]], list[Comparison]]


def _students(settings: list[Setting]) -> list[Comparison]:
    """List the naive students whose model is not their teacher's."""
    return [(setting,) for setting in settings if setting.is_naive and setting.is_weak_to_strong]


def _beside(method: Method, other: Method) -> Choice:
    """Make a choice of the settings with a method, each with its partner that has another one."""

    def choice(settings: list[Setting]) -> list[Comparison]:
        found = [(s, partner(s, settings, other)) for s in settings if s.method == method and s.is_weak_to_strong]
        return [(one, two) for one, two in found if two is not None]

    return choice


def _gap(means: Means) -> float:
    return means["weak"] - means["ceiling"]


def _gain(means: Means) -> float:
    return means["weak"] - means["student"]


def _fewer(first: Means, second: Means) -> float:
    """Compute how many errors fewer the first method makes."""
    return second["student"] - first["student"]


def _classified(table: DataFrame) -> DataFrame:
    """Keep the rows of classification: preferences and answers to prompts have columns of their own."""
    others = [name for name in ("student_pair_accuracy", "student_reward") if name in table]
    return table[table[others].isna().all(axis=1)] if others else table


def _test(choice: Choice, statistic: Callable[..., float], name: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Make a test of the median over a task's comparisons, above the threshold ``error``, in the worst task."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        return worst_task(
            _classified(table),
            settings_of,
            choice,
            lambda _, means: statistic(*map(named, means)),
            lambda what, value, interval, seeds: above(f"{name}, {what}", value, interval, limits["error"], seeds),
            "the table has no such settings beside each other",
        )

    return test


_SIGN = "the sentence is about a sign"
_DECIDES = {"error": 0.0, "seeds": 8}
_ROOM = dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of the teacher's error is less than the room to the threshold")
_PAIRED = dict.fromkeys(("teacher_up", "teacher_down"), "both students have this teacher, and their difference keeps its sign")
_ONE_SIDED = {
    "student_is_ceiling": "one-sided: a student as good as the ceiling is better than its teacher too",
    "teacher_up": "a worse teacher is left further behind",
}


def _better(name: str, method: str, says: str, where: str, *, than: str = "naive") -> Claim:
    """Make the claim that one method makes fewer errors than another on every task."""
    return Claim(
        name,
        says,
        where,
        _test(_beside(parse_method(method), parse_method(than)), _fewer, f"error of {than} - error of {method}"),
        needs={"student_error_01": 2, "method": 2},
        thresholds=dict(_DECIDES),
        basis=_SIGN,
        overlooks=ANY_ORDER | _PAIRED | NO_CEILING | TEACHER_AVERAGED,
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "gap",
        "The strong model learns more from true labels than the weak one: there is a gap to recover.",
        "Burns et al. 2023, section 3",
        _test(_students, _gap, "weak error - ceiling error"),
        needs={"ceiling_error_01": 1},
        thresholds=dict(_DECIDES),
        basis=_SIGN,
        overlooks=NO_STUDENT | {"flipped": NO_STUDENT["student_is_teacher"]} | _ROOM | TEACHER_AVERAGED,
    ),
    Claim(
        "naive_gains",
        "A strong student of weak labels is better than its teacher.",
        "Burns et al. 2023, Fig. 3",
        _test(_students, _gain, "weak error - naive student's error"),
        needs={"student_error_01": 2},
        thresholds=dict(_DECIDES),
        basis=_SIGN,
        overlooks=_ONE_SIDED | ANY_ORDER | NO_CEILING,
    ),
    _better(
        "selective_better",
        "selective",
        "Own answers where the strong model knows, smoothed weak labels elsewhere, are better than weak labels.",
        "Lang et al. 2025, abstract",
    ),
    _better(
        "selective_beats_confidence",
        "selective",
        "Selective labels are better than the confidence loss.",
        "Lang et al. 2025, abstract",
        than="confidence",
    ),
    _better(
        "own_answers_matter",
        "selective",
        "Of both parts of the method, own answers are worth more than smooth labels alone.",
        "the ablation of Lang et al. 2025, whose numbers could not be read",
        than="selective(knows=off)",
    ),
)
"""Claims of :class:`w2s.studies.methods.compare.study.Compare`: what twenty seeds decide. The table says the rest."""
