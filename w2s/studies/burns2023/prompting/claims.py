"""What can be said of few-shot prompts with weak labels, as tests on a table.

Errors are shares of wrong answers on the test items. Prompts of at least ``shots`` examples, with the model's answers as they
are, are looked at; each task and model is a setting, and the worst one decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below
from w2s.claims.overlooks import ANY_ORDER, NO_CEILING, STUDENT_AVERAGED, TEACHER_AVERAGED
from w2s.claims.settings import worst_setting

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

_SETTING = ("task", "weak_model", "student_model", "shots", "draws", "template")
_ZERO = "zero_shot_error_01"


def _plain(table: DataFrame) -> DataFrame:
    return table[table["calibration"] == "none"]


def _difference(first: str, second: str, name: str, decide: Any, threshold: str) -> Callable[..., Verdict]:
    """Make a test: column ``first`` less column ``second``, means over seeds, in the worst setting."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        rows = _with_zero_shot(_plain(table))
        return worst_setting(
            rows[rows["shots"] >= limits["shots"]],
            _SETTING,
            (first, second),
            lambda means: float(means[0] - means[1]),
            lambda where, value, interval, seeds: decide(f"{name}{where}", value, interval, limits[threshold], seeds),
            "needs prompts with examples, and what they are compared with, on the same seeds",
        )

    return test


def _with_zero_shot(rows: DataFrame) -> DataFrame:
    """Add the error of the same model without examples, on the same test items and seed; null where it was not asked."""
    key = ["task", "student_model", "template", "seed"]
    zero = rows[rows["shots"] == 0].drop_duplicates(key)[[*key, "student_error_01"]]
    found = rows.merge(zero.rename(columns={"student_error_01": _ZERO}), on=key, how="left")
    found.attrs = rows.attrs
    return found


_NEEDS = {"student_error_01": 2, "shots": 1}
_DECIDES = {"shots": 5, "seeds": 8}
_ROOM = dict.fromkeys(
    ("teacher_up", "teacher_down"), "a tenth of the weak model's error is less than the room to the threshold"
)
_NO_TEACHER = dict.fromkeys(
    ("teacher_up", "teacher_down", "teacher_noisy"), "the weak model's own error is not in the sentence"
)
_ONE_SIDED = {
    "student_is_ceiling": "one-sided: a prompt that is as good as one with true labels is good enough; truth_helps notices it",
    **ANY_ORDER,
    **STUDENT_AVERAGED,
    **NO_CEILING,
}
_TWO_PROMPTS = {
    **dict.fromkeys(("student_is_teacher", "flipped"), "prompts are compared, and the weak model is worse than both"),
    "student_shuffled": "prompts without examples, which the shuffle mixes in, are worse than those with true labels too",
    **ANY_ORDER,
    **_NO_TEACHER,
}
_FIVE = "shots: the paper's five"
_SIGN = f"the sentence is about a sign; {_FIVE}"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "examples_help",
        "Examples with weak labels help: a prompt with five of them is better than one without any.",
        "section 5.2.1, Fig. 9",
        _difference(_ZERO, "student_error_01", "error without examples - with", above, "error"),
        needs={**_NEEDS, "shots": 2},
        thresholds={"error": 0.0, **_DECIDES},
        basis=_SIGN,
        overlooks=_ONE_SIDED | _NO_TEACHER,
    ),
    Claim(
        "prompt_beats_weak",
        "A strong model prompted with five weak labels is better than the weak model that gave them.",
        "section 5.2.1, Fig. 9",
        _difference("weak_error_01", "student_error_01", "weak error - error with weak labels", above, "error"),
        needs=_NEEDS,
        thresholds={"error": 0.0, **_DECIDES},
        basis=_SIGN,
        overlooks=_ONE_SIDED | _ROOM | TEACHER_AVERAGED,
    ),
    Claim(
        "truth_helps",
        "Five examples with true labels are better than five with weak labels.",
        "section 5.2.1, Fig. 9",
        _difference("student_error_01", "ceiling_error_01", "error with weak labels - with true ones", above, "error"),
        needs={**_NEEDS, "ceiling_error_01": 2},
        thresholds={"error": 0.0, **_DECIDES},
        basis=_SIGN,
        overlooks=_TWO_PROMPTS,
    ),
    Claim(
        "competitive",
        "Prompting with five weak labels is competitive with training on many: at most two points worse.",
        "section 5.2.1, Fig. 9: for the largest models",
        _difference("student_error_01", "probe_error_01", "error of the prompt - of the probe", below, "error"),
        needs={**_NEEDS, "probe_error_01": 2},
        thresholds={"error": 0.02, **_DECIDES},
        basis=f"error: two standard errors of a difference on a few hundred items are five points; two is stricter; {_FIVE}",
        overlooks=_ONE_SIDED | _NO_TEACHER,
    ),
)
