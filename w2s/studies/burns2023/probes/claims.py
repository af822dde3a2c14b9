"""What can be said of probes on frozen encoders, as tests on a table.

Settings whose gap between teacher and ceiling is below ``gap`` are left out: a PGR without a gap is noise. The strength
of regularisation is the one at which the strong baseline is best, never chosen by the student. A task has the median of
its settings; the worst task decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, within, worst
from w2s.claims.comparisons import median_task, worst_task
from w2s.claims.overlooks import ANY_ORDER, AVERAGED
from w2s.studies.burns2023.probes.probe_settings import Setting, is_nested, named, settings_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Means = Mapping[str, npt.NDArray[np.float64]]
"""Means over seeds by metric: (strengths,) each."""
Statistic = Callable[[Setting, Means], float]


def _recovered(means: Means, at: int, model: str = "student") -> float:
    """Compute the PGR at one strength, a ratio of means over seeds; NaN where there is no gap."""
    weak, other, ceiling = (means[name][at] for name in ("weak", model, "ceiling"))
    return float((weak - other) / (weak - ceiling)) if weak > ceiling else np.nan


def _pgr(setting: Setting, means: Means) -> float:
    return _recovered(means, setting.chosen)


def _surplus_of_flips(setting: Setting, means: Means) -> float:
    return _recovered(means, setting.chosen, "flip") - _recovered(means, setting.chosen)


def _difference_of_agreement(setting: Setting, means: Means) -> float:
    return float(means["right"][setting.chosen] - means["wrong"][setting.chosen])


def _copied(setting: Setting, means: Means) -> float:
    """Compute the agreement with a wrong teacher beyond that of an independent student.

    An independent student agrees with a wrong teacher as often as it errs: in the share of its own error.
    """
    return float(means["wrong"][setting.chosen] - means["student"][setting.chosen])


def _ends(gap: float) -> Statistic:
    """Make a statistic: PGR at the strongest regularisation minus PGR at the weakest, among the strengths with a gap."""

    def difference(setting: Setting, means: Means) -> float:
        first, *_, last = np.flatnonzero(setting.gap >= gap)
        return _recovered(means, int(first)) - _recovered(means, int(last))

    return difference


def _over_tasks(
    table: DataFrame, keep: Callable[[Setting], bool], statistic: Statistic, name: str, decide: Any, asked: Any
) -> Verdict:
    """Judge the median over the settings that are kept, in every task; return the verdict of the worst task."""
    return worst_task(
        table,
        settings_of,
        lambda settings: [(setting,) for setting in settings if keep(setting)],
        lambda alone, means: statistic(alone[0], named(means[0])),
        lambda what, value, interval, seeds: decide(f"{name}, {what} settings", value, interval, asked, seeds),
        "no setting has the gap, or the control, that is asked for",
    )


def _has_gap(gap: float) -> Callable[[Setting], bool]:
    return lambda setting: bool(setting.gap[setting.chosen] >= gap)


def _recovers(table: DataFrame, limits: Thresholds) -> Verdict:
    return _over_tasks(table[~is_nested(table)], _has_gap(limits["gap"]), _pgr, "PGR", above, limits["pgr"])


def _typical(table: DataFrame, limits: Thresholds) -> Verdict:
    return median_task(
        table[~is_nested(table)],
        settings_of,
        lambda settings: [(setting,) for setting in settings if _has_gap(limits["gap"])(setting)],
        lambda alone, means: _pgr(alone[0], named(means[0])),
        lambda what, value, interval, seeds: within(f"PGR, {what}", value, interval, (limits["low"], limits["high"]), seeds),
        limits["tasks"],
        "fewer tasks than asked for have a setting with the gap",
    )


def _strength(table: DataFrame, limits: Thresholds) -> Verdict:
    name = "PGR at the strongest regularisation minus PGR at the weakest"
    several = lambda setting: bool(np.sum(setting.gap >= limits["gap"]) > 1)  # noqa: E731
    return _over_tasks(table[~is_nested(table)], several, _ends(limits["gap"]), name, above, limits["difference"])


def _copies(table: DataFrame, limits: Thresholds) -> Verdict:
    rows, kept = table[~is_nested(table)], _has_gap(limits["gap"])
    less = "agreement where the teacher is right minus where it is wrong"
    more = "agreement where the teacher is wrong minus the student's error"
    verdicts = [
        _over_tasks(rows, kept, _difference_of_agreement, less, above, limits["difference"]),
        _over_tasks(rows, kept, _copied, more, above, limits["copied"]),
    ]
    return worst(verdicts)


def _flips(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[~is_nested(table) & table["student_flip_error_01"].notna()]
    name = "PGR on random errors minus PGR on the teacher's"
    return _over_tasks(rows, _has_gap(limits["gap"]), _surplus_of_flips, name, above, limits["difference"])


def _nested(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[is_nested(table) & (table["head"] == "closed_form") & (table["labels"] == "soft")]
    rows = rows[rows["ridge"] == rows["ridge"].min()]
    bounds = (-limits["size"], limits["size"])
    return _over_tasks(rows, _has_gap(limits["gap"]), _pgr, "PGR of a student that sees what its teacher sees", within, bounds)


_NEEDS = {"student_error_01": 2}
_DECIDES = {"seeds": 8, "gap": 0.03}
_GAP = "gap: two standard errors of a difference of errors on a thousand items"
_SIGN = "the sentence is about a sign"

_ROOM = dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of the teacher's error is less than the room to the threshold")
_AGREEMENTS = dict.fromkeys(
    ("teacher_up", "teacher_down", "teacher_noisy", "student_noisy", "flipped"),
    "errors do not enter agreements, and leave the copying far from zero",
)
_IMITATES = {"flipped": "both have nearly the same errors, as it says"}
_FAILS = dict.fromkeys(
    ("student_is_teacher", "student_is_ceiling", "student_shuffled"),
    "students of random errors are so bad that it fails whatever this student does",
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "recovers",
        "A strong model trained on a weak model's labels recovers more than a fifth of the gap.",
        "Fig. 3",
        _recovers,
        needs=_NEEDS,
        thresholds={"pgr": 0.2, **_DECIDES},
        basis=f'pgr: the paper\'s "usually more than 20 %"; {_GAP}',
        overlooks=ANY_ORDER | {"teacher_up": _ROOM["teacher_up"]},
    ),
    Claim(
        "typical_pgr",
        "On language tasks a student typically recovers between a fifth and seven tenths of the gap: the median over tasks.",
        "summaries of the paper: NLP classification, 0.2 to 0.7",
        _typical,
        needs=_NEEDS,
        thresholds={"low": 0.2, "high": 0.7, "tasks": 2, **_DECIDES},
        basis=f"low, high: the range of the summary; tasks: two are the fewest that have a median between them; {_GAP}",
        overlooks=ANY_ORDER | AVERAGED | {"teacher_up": _ROOM["teacher_up"]},
    ),
    Claim(
        "regularisation",
        "How much is recovered depends on the student's regularisation: more of it recovers more.",
        "an observation of ours, on probes",
        _strength,
        needs=_NEEDS,
        thresholds={"difference": 0.0, **_DECIDES},
        basis=f"{_SIGN}; {_GAP}",
        overlooks=ANY_ORDER | {"teacher_down": _ROOM["teacher_down"]} | AVERAGED,
    ),
    Claim(
        "agreement",
        "The student copies errors of its teacher, more than a student that errs on its own would agree with them, but it "
        "follows "
        "its teacher far less where the teacher is wrong than where it is right.",
        "Fig. 8",
        _copies,
        needs=_NEEDS,
        thresholds={"difference": 0.2, "copied": 0.0, **_DECIDES},
        basis="difference: a fifth, as of the gap; copied: of two students that err independently one agrees with the "
        "other's errors "
        f"as often as it errs; {_GAP}",
        overlooks=ANY_ORDER | _AGREEMENTS,
    ),
    Claim(
        "random_errors",
        "Labels with as many errors at random places are corrected far better than a weak model's.",
        "appendix, Figs. 25 and 26",
        _flips,
        needs={**_NEEDS, "student_flip_error_01": 2},
        thresholds={"difference": 0.3, **_DECIDES},
        expected="fails_at_this_scale",
        reason="a probe of hundreds of features on two thousand labels cannot average out errors at random places; "
        "a linear teacher's errors are smooth, and cost it less",
        basis=f"difference: half of what a model that knows the concept shows (0.97 against 0.26 to 0.5); {_GAP}",
        overlooks=_FAILS | ANY_ORDER | _ROOM | AVERAGED,
    ),
    Claim(
        "nested",
        "A linear student that sees all that its linear teacher sees imitates it: nothing is recovered.",
        "negative control of ours",
        _nested,
        needs={**_NEEDS, "ridge": 1},
        thresholds={"size": 0.1, **_DECIDES},
        basis=f"size: half of the fifth that is asked of a student that does recover; {_GAP}",
        overlooks=_IMITATES | ANY_ORDER,
    ),
)
