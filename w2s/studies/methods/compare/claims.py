"""What the methods' papers say of their method, as tests on one table of classification tasks.

Methods are compared in pairs of settings that differ in the method alone, seed by seed; errors are shares of wrong answers on
the test items. A task has the median of its pairs; the worst task decides, so a method has to be better on every task.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from w2s.claims.claim import Claim, Thresholds, Verdict, above
from w2s.claims.comparisons import worst_task
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING, NO_STUDENT, TEACHER_AVERAGED
from w2s.finetune.methods.text import Method, parse_method
from w2s.studies.burns2023.text.finetune_settings import Comparison, Means, Setting, named, partner, settings_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Choice = Callable[[list[Setting]], list[Comparison]]


def _students(settings: list[Setting]) -> list[Comparison]:
    """List the naive students whose model is not their teacher's."""
    return [(setting,) for setting in settings if setting.is_naive and setting.is_weak_to_strong]


def _with(method: Method) -> Choice:
    """Make a choice of the settings with a method."""
    return lambda settings: [(setting,) for setting in settings if setting.method == method and setting.is_weak_to_strong]


def _beside(method: Method, other: Method) -> Choice:
    """Make a choice of the settings with a method, each with its partner that has another one."""

    def choice(settings: list[Setting]) -> list[Comparison]:
        found = [(setting, partner(setting, settings, other)) for (setting,) in _with(method)(settings)]
        return [(one, two) for one, two in found if two is not None]

    return choice


def _gap(means: Means) -> float:
    return means["weak"] - means["ceiling"]


def _gain(means: Means) -> float:
    return means["weak"] - means["student"]


def _over_own(means: Means) -> float:
    return means["strong"] - means["student"]


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
    **_ROOM,
}
_FAILS = {
    "student_is_teacher": "students that are all their teacher do not differ either",
    "student_is_ceiling": "students that are all the ceiling do not differ either",
    "student_constant": "students that all say one thing do not differ either",
    "student_shuffled": "students of all methods are mixed, and the methods do not differ",
    "flipped": "students that are all their teacher do not differ either",
}
"""Why a claim that a method is better, which is expected to fail, fails in these tables too."""


def _better(name: str, method: str, says: str, where: str, *, than: str = "naive", fails: str = "") -> Claim:
    """Make the claim that one method makes fewer errors than another on every task; ``fails`` says why it is expected to."""
    overlooks = ANY_ORDER | _PAIRED | NO_CEILING | AVERAGED
    return Claim(
        name,
        says,
        where,
        _test(_beside(parse_method(method), parse_method(than)), _fewer, f"error of {than} - error of {method}"),
        needs={"student_error_01": 2, "method": 2},
        thresholds=dict(_DECIDES),
        basis=_SIGN,
        overlooks=overlooks | _FAILS if fails else overlooks,
        expected="fails_at_this_scale" if fails else "holds",
        reason=fails,
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
        overlooks=_ONE_SIDED | ANY_ORDER | NO_CEILING | AVERAGED,
    ),
    _better(
        "confidence_better",
        "confidence",
        "The confidence loss is better than naive finetuning.",
        "Burns et al. 2023, Fig. 5",
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
    Claim(
        "selective_beats_own",
        "Selective labels teach the student more than its own labelled items do: it is better than the strong baseline.",
        "a control of ours: both see the same true labels",
        _test(_with(parse_method("selective")), _over_own, "strong baseline's error - error of selective"),
        needs={"student_error_01": 2, "strong_error_01": 2, "method": 2},
        thresholds=dict(_DECIDES),
        basis=_SIGN,
        overlooks=ANY_ORDER | AVERAGED,
    ),
    _better(
        "consistent_better",
        "consistent",
        "Weak labels that agree with the strong model's own answers are better than all of them.",
        "Yang et al. 2024, stage I (arXiv 2407.13647)",
    ),
    _better(
        "critic_better",
        "critic",
        "The weak labels that a critic believes are better than all of them.",
        "critic filtering, a usual baseline",
    ),
    _better(
        "overlap_better",
        "overlap",
        "Items that seem to hold an easy and a hard pattern teach more than all items.",
        "Shin et al. 2024",
    ),
    _better(
        "confident_only_better",
        "confident_only",
        "Weak labels of which the weak model is sure teach more than all of them.",
        "confidence filtering, a usual baseline",
    ),
    _better(
        "adaptive_better",
        "adaptive",
        "Trust in the weak label item by item is better than naive finetuning.",
        "Guo et al. 2024 (arXiv 2402.03749)",
    ),
    _better(
        "reverse_better",
        "reverse_xent",
        "Reverse cross-entropy is less sensitive to uncertain teachers than cross-entropy.",
        "Xu et al. 2025 (arXiv 2505.24313)",
    ),
    _better(
        "co_supervised_better",
        "co_supervised",
        "Supervisors that each label their own classes, with a consensus filter, are better than their mean.",
        "Liu and Alahi 2024 (arXiv 2402.15505)",
    ),
    _better(
        "learned_weights_better",
        "ensemble_learned",
        "Learned weights of supervisors are better than their mean.",
        "Jeon et al. 2025, abstract",
    ),
)
"""Claims of :class:`w2s.studies.methods.compare.study.Compare`."""
