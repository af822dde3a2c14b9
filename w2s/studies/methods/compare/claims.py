"""What the methods' papers say of their method and of naive finetuning, as tests on one table.

Methods are compared in pairs of settings that differ in the method alone, seed by seed; errors are shares of wrong answers on
the test items. A task has the median of its pairs; the worst task decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from w2s.claims.claim import Claim, Thresholds, Verdict, above
from w2s.claims.comparisons import worst_task
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING
from w2s.finetune.methods.text import Method, parse_method
from w2s.studies.burns2023.text.finetune_settings import Comparison, Means, Setting, named, partner, settings_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

_NAIVE = Method()


def _students(settings: list[Setting]) -> list[Comparison]:
    """List the naive students whose model is not their teacher's."""
    return [(setting,) for setting in settings if setting.is_naive and setting.is_weak_to_strong]


def _pairs(method: str, other: str) -> Callable[[list[Setting]], list[Comparison]]:
    """Make a choice of settings with a method, each with its partner that has another."""
    first, second = parse_method(method), parse_method(other)

    def choice(settings: list[Setting]) -> list[Comparison]:
        found = [(s, partner(s, settings, second)) for s in settings if s.method == first and s.is_weak_to_strong]
        return [(one, two) for one, two in found if two is not None]

    return choice


def _gap(means: Means) -> float:
    return means["weak"] - means["ceiling"]


def _gain(means: Means) -> float:
    return means["weak"] - means["student"]


def _fewer(first: Means, second: Means) -> float:
    """Compute how many errors fewer the first method makes."""
    return second["student"] - first["student"]


def _median(
    choice: Callable[[list[Setting]], list[Comparison]], statistic: Callable[..., float], name: str
) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Make a test of the median over a task's comparisons, above the threshold ``error``, in the worst task."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        return worst_task(
            table,
            settings_of,
            choice,
            lambda _, means: statistic(*map(named, means)),
            lambda what, value, interval, seeds: above(f"{name}, {what}", value, interval, limits["error"], seeds),
            "the table has no such methods beside each other",
        )

    return test


def _better(method: str, other: str, says: str, where: str, *, fails: str = "") -> Claim:
    """Make the claim that one method makes fewer errors than another on every task."""
    return Claim(
        f"{parse_method(method).name if parse_method(method).name != 'naive' else method}_better",
        says,
        where,
        _median(_pairs(method, other), _fewer, f"error of {other} - error of {method}"),
        needs={"student_error_01": 2, "method": 2},
        thresholds={"error": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        overlooks=ANY_ORDER | _PAIRED | NO_CEILING | AVERAGED,
        expected="fails_at_this_scale" if fails else "holds",
        reason=fails,
    )


_PAIRED = dict.fromkeys(("teacher_up", "teacher_down"), "both students have this teacher, and their difference keeps its sign")

CLAIMS: tuple[Claim, ...] = ()
"""Claims of :class:`w2s.studies.methods.compare.study.Compare`."""
