"""What the claims of finetuned students have in common: statistics of settings, which settings are looked at, one kind of test.

Errors are shares of wrong answers on the test items. Settings whose student is its teacher's model, or whose gap between weak
model and ceiling is below ``gap``, are left out: a PGR without a gap is noise. Methods are compared in pairs of settings that
differ in nothing else, seed by seed. A task has the median of its settings or pairs; the worst task decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.claims.claim import Thresholds, Verdict, worst
from w2s.claims.comparisons import worst_task
from w2s.studies.burns2023.text.finetune_settings import Comparison, Means, Setting, named, partner, settings_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "GAP",
    "PAIRED",
    "ROOM",
    "SIGN",
    "Choice",
    "against",
    "both",
    "copied",
    "decides",
    "gain_of",
    "gap_of",
    "median",
    "more_pgr",
    "pairs",
    "pgr_of",
    "without_confidence",
]

Choice = Callable[[list[Setting], Thresholds], list[Comparison]]
Statistic = Callable[..., float]
Decide = Callable[[str, float, tuple[float, float], Any, int], Verdict]

GAP = "gap: two standard errors of a difference of errors on a thousand items"
SIGN = f"the sentence is about a sign; {GAP}"
ROOM = dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of the teacher's error is less than the room to the threshold")
PAIRED = dict.fromkeys(("teacher_up", "teacher_down"), "both students have this teacher, and their difference keeps its sign")


def decides(seeds: int = 8) -> dict[str, float]:
    """Return the thresholds that all claims about a gap share: the least number of seeds, and the least gap."""
    return {"seeds": seeds, "gap": 0.03}


def gap_of(means: Means) -> float:
    """Compute the weak model's error minus the ceiling's."""
    return means["weak"] - means["ceiling"]


def gain_of(means: Means) -> float:
    """Compute the weak model's error minus the student's."""
    return means["weak"] - means["student"]


def pgr_of(means: Means, model: str = "student") -> float:
    """Compute the PGR, a ratio of means over seeds; NaN without a gap."""
    return (means["weak"] - means[model]) / gap_of(means) if gap_of(means) > 0 else np.nan


def more_pgr(first: Means, second: Means) -> float:
    """Compute how much more the first student recovers than the second."""
    return pgr_of(first) - pgr_of(second)


def copied(means: Means, *_others: Means) -> float:
    """Compute the agreement with a wrong teacher beyond that of an independent student.

    An independent student agrees with a wrong teacher as often as it errs: in the share of its own error.
    """
    return means["wrong"] - means["student"]


def pairs(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    """List the naive students whose model is not their teacher's; with a gap, where one is asked for."""
    least = limits.get("gap", -np.inf)
    return [(s,) for s in settings if s.is_naive and s.is_weak_to_strong and s.gap >= least]


def against(changed: Callable[[Setting], tuple[Any, dict[str, Any]] | None]) -> Choice:
    """Make a choice of settings with a gap, each with its partner.

    ``changed`` gives the partner's method and fields, None for a setting without one.
    """

    def choice(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
        found: list[Comparison] = []
        for setting in settings:
            other = changed(setting)
            if other is None or not setting.is_weak_to_strong or setting.gap < limits["gap"]:
                continue
            same = partner(setting, settings, other[0], **other[1])
            found += [(setting, same)] if same is not None else []
        return found

    return choice


def without_confidence(setting: Setting) -> tuple[Any, dict[str, Any]] | None:
    """Give the naive partner of a student of the confidence loss, None for another one's."""
    return (replace(setting.method, loss="xent", options={}), {}) if setting.method.loss == "confidence" else None


def median(choice: Choice, statistic: Statistic, name: str, decide: Decide, threshold: str) -> Callable[..., Verdict]:
    """Make a test of the median over a task's comparisons, above or below a threshold, in the worst task."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        return worst_task(
            table,
            settings_of,
            lambda settings: choice(settings, limits),
            lambda _, means: statistic(*map(named, means)),
            lambda what, value, interval, seeds: decide(f"{name}, {what}", value, interval, limits[threshold], seeds),
            "no setting, or no pair of settings, of this kind has the gap that is asked for",
        )

    return test


def both(*tests: Callable[..., Verdict]) -> Callable[..., Verdict]:
    """Test two sentences in one, of which the worse verdict counts."""
    return lambda table, limits: worst([test(table, limits) for test in tests])
